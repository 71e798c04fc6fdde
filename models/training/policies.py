"""What no model at all would cost: never inspect, always inspect, inspect by the calendar."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.outcomes.outcomes import Terms

INTERVALS = tuple(pd.Timedelta(days=days) for days in (7, 14, 30, 60, 90))
"""The intervals among which the calendar's best is sought."""


@dataclass(frozen=True)
class CalendarCost:
    """What inspecting by the calendar would have cost.

    Parameters
    ----------
    missed
        Failures that no inspection preceded within the horizon.
    in_vain
        Inspections that no failure followed within the horizon.
    cost
        Both together.
    """

    missed: int
    in_vain: int
    cost: float


def calendar_cost(
    cut_offs: pd.DataFrame,
    failures: pd.DataFrame,
    *,
    interval: pd.Timedelta | None,
    terms: Terms,
    missed_failure: float,
    false_alarm: float,
) -> CalendarCost:
    """Count what inspecting every so often would have cost.

    Parameters
    ----------
    cut_offs
        Columns ``asset``, ``as_of``: each asset is inspected from its first to its last one.
    failures
        Known failures: ``asset``, ``event_time``; those that no cut-off could have announced are left out.
    interval
        The time between inspections; the horizon itself means always, None never.
    terms
        Lead and horizon: an inspection finds a failure in (time + lead, time + lead + horizon].
    missed_failure, false_alarm
        What one costs.

    Returns
    -------
    CalendarCost
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
            found = (ahead > terms.lead.to_numpy()) & (ahead <= terms.claim.to_numpy())
            missed += int((~found.any(axis=0)).sum())
            in_vain += int((~found.any(axis=1)).sum())
        else:
            missed += len(failed)
            in_vain += len(inspected)
    return CalendarCost(missed, in_vain, missed * missed_failure + in_vain * false_alarm)


def best_interval(
    cut_offs: pd.DataFrame, failures: pd.DataFrame, *, terms: Terms, missed_failure: float, false_alarm: float
) -> pd.Timedelta:
    """Choose the calendar's cheapest interval on the training period, as a plant would have.

    Parameters
    ----------
    cut_offs, failures, terms, missed_failure, false_alarm
        As for `calendar_cost`, of the training period.

    Returns
    -------
    Timedelta
        One of `INTERVALS`; the longest of equally cheap ones.
    """
    costs = [
        calendar_cost(
            cut_offs,
            failures,
            interval=interval,
            terms=terms,
            missed_failure=missed_failure,
            false_alarm=false_alarm,
        ).cost
        for interval in INTERVALS
    ]
    return INTERVALS[len(costs) - 1 - int(np.argmin(costs[::-1]))]
