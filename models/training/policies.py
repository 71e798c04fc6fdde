"""The cost of maintenance without a model: never inspect, always inspect, or inspect at fixed intervals.

It is counted on the same observed time as a model's errors: no inspection counts where no cut-off is.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.telemetry.sorted_times import IntArray, locate, microseconds, width
from models.labels.observation_gaps import overlapping
from models.outcomes.outcomes import Terms

_INTERVALS = tuple(pd.Timedelta(days=days) for days in (7, 14, 30, 60, 90))


@dataclass(frozen=True)
class CalendarCost:
    """The errors and cost of inspecting at fixed intervals."""

    missed: int  # failures without an inspection within the horizon before them
    in_vain: int  # inspections without a failure within the horizon after them
    cost: float  # of both


def calendar_cost(
    cut_offs: pd.DataFrame,
    failures: pd.DataFrame,
    *,
    interval: pd.Timedelta | None,
    terms: Terms,
    missed_failure: float,
    false_alarm: float,
    observation_gaps: pd.DataFrame | None = None,
    known_until: pd.Timestamp | None = None,
) -> CalendarCost:
    """Count what inspecting every asset at a fixed interval, from its first cut-off to its last, would have cost.

    An inspection takes place at the first cut-off, of those at which assets were observed, at or after each due time;
    it finds a failure in (time + lead, time + lead + horizon]. An interval of the horizon itself means always
    inspecting, None never. As for a model, known failures (asset, event_time) that no cut-off could have announced are
    left out, and an inspection is not in vain if its claim overlaps a gap or has not matured by `known_until`.
    """
    inspectable = _inspectable(cut_offs, failures, terms, observation_gaps, known_until)
    missed, in_vain = _count_errors(inspectable, interval)
    return CalendarCost(missed, in_vain, missed * missed_failure + in_vain * false_alarm)


def best_interval(
    cut_offs: pd.DataFrame,
    failures: pd.DataFrame,
    *,
    terms: Terms,
    missed_failure: float,
    false_alarm: float,
    observation_gaps: pd.DataFrame | None = None,
) -> pd.Timedelta:
    """Choose the cheapest fixed interval on the training period; the longest of equally cheap ones."""
    inspectable = _inspectable(cut_offs, failures, terms, observation_gaps, None)
    errors = [_count_errors(inspectable, interval) for interval in _INTERVALS]
    costs = [missed * missed_failure + in_vain * false_alarm for missed, in_vain in errors]
    return _INTERVALS[len(costs) - 1 - int(np.argmin(costs[::-1]))]


@dataclass(frozen=True)
class _Inspectable:
    """The cut-offs at which assets can be inspected, sorted by asset and time, and what an inspection there finds."""

    asset: IntArray  # (n,), numbers
    since_first: IntArray  # (n,), microseconds since the asset's first cut-off
    in_vain: npt.NDArray[np.bool_]  # (n,), whether an inspection would find nothing, and that can be known
    begin: IntArray  # (n_failures,), the first cut-off that could have announced each failure
    end: IntArray  # (n_failures,), the first after them that could not


def _inspectable(
    cut_offs: pd.DataFrame,
    failures: pd.DataFrame,
    terms: Terms,
    gaps: pd.DataFrame | None,
    known_until: pd.Timestamp | None,
) -> _Inspectable:
    ordered = cut_offs[["asset", "as_of"]].drop_duplicates().sort_values(["asset", "as_of"], ignore_index=True)
    asset, names = pd.factorize(ordered["asset"])
    times = microseconds(ordered["as_of"].astype("datetime64[us, UTC]"))
    offset = np.searchsorted(asset, np.arange(len(names) + 1))
    begin, end = _announcing(times, offset, names, failures, terms)
    finds = np.cumsum(np.bincount(begin, minlength=len(times) + 1) - np.bincount(end, minlength=len(times) + 1)) > 0
    known = np.ones(len(times), dtype=np.bool_)
    if known_until is not None:
        known &= (ordered["as_of"] + terms.maturity <= known_until).to_numpy()
    if gaps is not None:
        known &= ~overlapping(ordered["asset"], ordered["as_of"], ordered["as_of"] + terms.claim, gaps)
    return _Inspectable(asset, times - times[offset[asset]], known & ~finds[:-1], begin, end)


def _announcing(
    times: IntArray, offset: IntArray, names: "pd.Index[str]", failures: pd.DataFrame, terms: Terms
) -> tuple[IntArray, IntArray]:
    """Return the range of cut-offs that could have announced each failure, without failures that none could have."""
    events = failures[["asset", "event_time"]].drop_duplicates()
    owner = pd.Index(names).get_indexer(pd.Index(events["asset"])).astype(np.int64)
    owner, at = owner[owner >= 0], microseconds(events["event_time"].astype("datetime64[us, UTC]"))[owner >= 0]
    begin = locate(times, offset, owner, at - width(terms.claim), "left")
    end = locate(times, offset, owner, at - width(terms.lead), "left")
    return begin[begin < end], end[begin < end]


def _count_errors(inspectable: _Inspectable, interval: pd.Timedelta | None) -> tuple[int, int]:
    """Count failures without an inspection in time, and inspections in vain."""
    if interval is None:
        return len(inspectable.begin), 0
    due = inspectable.since_first // width(interval)
    inspected = (np.diff(due, prepend=-1) != 0) | (np.diff(inspectable.asset, prepend=-1) != 0)
    before = np.append(0, np.cumsum(inspected))
    missed = before[inspectable.begin] == before[inspectable.end]
    return int(missed.sum()), int((inspected & inspectable.in_vain).sum())
