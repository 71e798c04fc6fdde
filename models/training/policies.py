"""The cost of maintenance without a model: never inspect, always inspect, or inspect at fixed intervals."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

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
    missed = in_vain = 0
    events = failures[["asset", "event_time"]].drop_duplicates()
    by_asset = {asset: own["event_time"] for asset, own in events.groupby("asset")}
    for asset, as_of in cut_offs.groupby("asset")["as_of"]:
        first, last = as_of.min(), as_of.max()
        failed = by_asset.get(asset, pd.Series(dtype=as_of.dtype))
        failed = failed[(failed > first + terms.lead) & (failed <= last + terms.claim)]
        inspected = pd.DatetimeIndex([]) if interval is None else pd.date_range(first, last, freq=interval)
        if len(failed) and len(inspected):
            ahead = failed.dt.tz_localize(None).to_numpy()[None, :] - inspected.tz_localize(None).to_numpy()[:, None]
            announced = (ahead > terms.lead.to_numpy()) & (ahead <= terms.claim.to_numpy())
            missed += int((~announced.any(axis=0)).sum())
            in_vain += int((~announced.any(axis=1)).sum())
        else:
            missed += len(failed)
            in_vain += len(inspected)
    return CalendarCost(missed, in_vain, missed * missed_failure + in_vain * false_alarm)


def best_interval(
    cut_offs: pd.DataFrame, failures: pd.DataFrame, *, terms: Terms, missed_failure: float, false_alarm: float
) -> pd.Timedelta:
    """Choose the cheapest fixed interval on the training period; the longest of equally cheap ones."""
    costs = [
        calendar_cost(
            cut_offs,
            failures,
            interval=interval,
            terms=terms,
            missed_failure=missed_failure,
            false_alarm=false_alarm,
        ).cost
        for interval in _INTERVALS
    ]
    return _INTERVALS[len(costs) - 1 - int(np.argmin(costs[::-1]))]
