"""Breakdowns: several bookings of one failure, by the controller, the mechanic and the next shift, are one event."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.telemetry.sorted_times import IntArray, microseconds, width

NO_TIME = pd.Timedelta(0).as_unit("us")
LONGEST = pd.Timedelta(hours=24).as_unit("us")
"""How long after its first booking a breakdown is still booked again, unless an experiment says otherwise: a day."""


def breakdown_span(down_after_failure: pd.Timedelta, claim: pd.Timedelta | None) -> pd.Timedelta:
    """Return how long after the first booking of a breakdown further ones belong to it.

    The time an asset is down, if an experiment states one; else a day, but no longer than an alert claims (lead and
    horizon), so that where machines are watched by the minute failures minutes apart stay apart.

    >>> breakdown_span(NO_TIME, pd.Timedelta("72h")), breakdown_span(pd.Timedelta("6h"), None)
    (Timedelta('1 days 00:00:00'), Timedelta('0 days 06:00:00'))
    """
    if down_after_failure > NO_TIME:
        return down_after_failure
    return LONGEST if claim is None else min(LONGEST, claim)


def first_bookings(events: pd.DataFrame, within: pd.Timedelta) -> pd.DataFrame:
    """Keep the first row (asset, event_time) of each breakdown, sorted by both.

    A row up to `within` after the first of a breakdown belongs to it, however late the one before it came: bookings
    never chain, so a machine that fails every day is not down for ever.

    >>> times = pd.to_datetime(["2026-01-01T06:00Z", "2026-01-01T06:40Z", "2026-01-01T14:10Z", "2026-01-03T06:00Z"])
    >>> booked = pd.DataFrame({"asset": "m1", "event_time": times})
    >>> first_bookings(booked, pd.Timedelta("12h"))["event_time"].dt.day.tolist()
    [1, 3]
    """
    ordered = events.sort_values(["asset", "event_time"], kind="stable", ignore_index=True)
    if ordered.empty:
        return ordered
    by_asset = ordered.groupby("asset", sort=True)["event_time"]
    opens = [opens_breakdown(microseconds(own), width(within)) for _, own in by_asset]
    return ordered[np.concatenate(opens)].reset_index(drop=True)


def opens_breakdown(times: IntArray, within: int) -> npt.NDArray[np.bool_]:
    """Mark the times (n,) of one asset, ascending, that open a breakdown; all in microseconds."""
    close = np.diff(times) <= within
    opens = np.concatenate([np.ones(min(len(times), 1), dtype=np.bool_), ~close])
    first = 0
    # Only a row close to the one before it can belong to an earlier breakdown, and these are few.
    for row in (np.flatnonzero(close) + 1).tolist():
        first = row - 1 if opens[row - 1] else first
        opens[row] = times[row] - times[first] > within
    return opens
