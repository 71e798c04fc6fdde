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


def first_bookings(
    events: pd.DataFrame, within: pd.Timedelta, replacements: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Keep the first row (asset, event_time) of each breakdown, sorted by both.

    A row up to `within` after the first of a breakdown belongs to it, however late the one before it came: bookings
    never chain, so a machine that fails every day is not down for ever. No breakdown goes on after a replacement
    (asset, event_time): what fails then is the new machine.

    >>> times = pd.to_datetime(["2026-01-01T06:00Z", "2026-01-01T06:40Z", "2026-01-01T14:10Z", "2026-01-03T06:00Z"])
    >>> booked = pd.DataFrame({"asset": "m1", "event_time": times})
    >>> first_bookings(booked, pd.Timedelta("12h"))["event_time"].dt.day.tolist()
    [1, 3]
    """
    ordered, opens = _ordered(events, within, replacements)
    return ordered[opens].reset_index(drop=True)


def first_booked(events: pd.DataFrame, within: pd.Timedelta) -> pd.DataFrame:
    """Return all rows (asset, event_time), each with the time of its breakdown's first, sorted by both."""
    ordered, opens = _ordered(events, within)
    first = np.flatnonzero(opens)[np.cumsum(opens) - 1]
    return ordered.assign(event_time=ordered["event_time"].array[first])


def _ordered(
    events: pd.DataFrame, within: pd.Timedelta, replacements: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
    """Sort rows by asset and time, and mark those that open a breakdown."""
    ordered = events.sort_values(["asset", "event_time"], kind="stable", ignore_index=True)
    if ordered.empty:
        return ordered, np.zeros(0, dtype=np.bool_)
    asset = pd.factorize(ordered["asset"])[0]
    if replacements is not None and len(replacements):
        asset = np.cumsum((np.diff(asset, prepend=0) != 0) | _follows_replacement(ordered, replacements))
    return ordered, opens_breakdown(microseconds(ordered["event_time"]), width(within), asset)


def _follows_replacement(ordered: pd.DataFrame, replacements: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Mark the rows, sorted by asset and time, that are the first since a replacement before them."""
    times = pd.concat([ordered[["asset", "event_time"]], replacements], keys=["row", "new"], names=["what"])
    times = times.reset_index("what").sort_values(["asset", "event_time"], kind="stable")
    is_new = times["what"].eq("new")
    # At one instant rows come first: what is booked then is what the machine was replaced for.
    number = is_new.groupby(times["asset"]).cumsum()[~is_new].to_numpy()
    return np.asarray(np.diff(number, prepend=0) != 0, dtype=np.bool_)


def opens_breakdown(times: IntArray, within: int, asset: IntArray | None = None) -> npt.NDArray[np.bool_]:
    """Mark the times (n,) that open a breakdown, ascending within each asset's number; all of one asset if None."""
    close = np.diff(times) <= within
    if asset is not None:
        close &= np.diff(asset) == 0
    opens = np.concatenate([np.ones(min(len(times), 1), dtype=np.bool_), ~close])
    first = 0
    # Only a row close to the one before it can belong to an earlier breakdown, and these are few.
    for row in (np.flatnonzero(close) + 1).tolist():
        first = row - 1 if opens[row - 1] else first
        opens[row] = times[row] - times[first] > within
    return opens
