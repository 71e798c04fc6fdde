"""The cost of maintenance without a model: never inspect, always inspect, or inspect at fixed intervals."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.telemetry.sorted_times import IntArray, microseconds, width
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
) -> CalendarCost:
    """Count what inspecting every asset at a fixed interval, from its first cut-off to its last, would have cost.

    An inspection at a time finds a failure in (time + lead, time + lead + horizon]. An interval of the horizon itself
    means always inspecting, None never. Known failures (asset, event_time) that no cut-off could have announced are
    left out.
    """
    missed, in_vain = _count_errors(_periods(cut_offs, failures, terms), interval, terms)
    return CalendarCost(missed, in_vain, missed * missed_failure + in_vain * false_alarm)


def best_interval(
    cut_offs: pd.DataFrame, failures: pd.DataFrame, *, terms: Terms, missed_failure: float, false_alarm: float
) -> pd.Timedelta:
    """Choose the cheapest fixed interval on the training period; the longest of equally cheap ones."""
    periods = _periods(cut_offs, failures, terms)
    errors = [_count_errors(periods, interval, terms) for interval in _INTERVALS]
    costs = [missed * missed_failure + in_vain * false_alarm for missed, in_vain in errors]
    return _INTERVALS[len(costs) - 1 - int(np.argmin(costs[::-1]))]


@dataclass(frozen=True)
class _Periods:
    """The time in which each asset can be inspected, and the failures that an inspection could have announced."""

    length: IntArray  # (n_assets,), from the first cut-off to the last in microseconds
    owner: IntArray  # (n_failures,), numbers of the assets that failed, sorted
    failed: IntArray  # (n_failures,), microseconds from the asset's first cut-off, sorted within an asset


def _periods(cut_offs: pd.DataFrame, failures: pd.DataFrame, terms: Terms) -> _Periods:
    if cut_offs.empty:
        none = np.zeros(0, dtype=np.int64)
        return _Periods(none, none, none)
    bounds = cut_offs.groupby("asset")["as_of"].agg(["min", "max"])
    first, last = microseconds(bounds["min"]), microseconds(bounds["max"])
    events = failures[["asset", "event_time"]].drop_duplicates()
    owner = bounds.index.get_indexer(pd.Index(events["asset"]))
    known = owner >= 0
    owner, at = owner[known], microseconds(events.loc[known, "event_time"])
    announceable = (at > first[owner] + width(terms.lead)) & (at <= last[owner] + width(terms.claim))
    owner, at = owner[announceable], at[announceable]
    order = np.lexsort([at, owner])
    return _Periods(last - first, owner[order], (at - first[owner])[order])


def _count_errors(periods: _Periods, interval: pd.Timedelta | None, terms: Terms) -> tuple[int, int]:
    """Count failures without an inspection in time, and inspections in vain."""
    if interval is None:
        return len(periods.failed), 0
    step = width(interval)
    inspections = periods.length // step + 1
    # The first and the last inspection, counted from 0, that finds each failure; none if the first is after the last.
    first = np.maximum(-((width(terms.claim) - periods.failed) // step), 0)
    last = np.minimum((periods.failed - width(terms.lead) - 1) // step, inspections[periods.owner] - 1)
    # Both ascend with the failures of an asset, so an inspection that found an earlier one too is not counted again.
    same_asset = np.append(False, periods.owner[1:] == periods.owner[:-1])[: len(last)]
    found_before = np.where(same_asset, np.roll(last, 1), -1)
    found = np.maximum(last - np.maximum(first, found_before + 1) + 1, 0)
    return int((last < first).sum()), int(inspections.sum() - found.sum())
