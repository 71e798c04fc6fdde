"""What the checks need to know of each row beyond its own values, as extra columns of numbers to be judged.

None of it depends on the order of the rows in the batch.
"""

from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract.contract import Contract

CLOCK_SKEW = pd.Timedelta(hours=1)
"""How far a plant's clock may be ahead of ours."""
AGE = "~age_s"
"""Seconds from the event to now."""
EARLY = "~early_s"
"""Seconds by which the row says it was known before it happened, or after now, whichever is more."""
REPEATED = "~repeated"
"""1 for every further copy of a row, 2 for rows with one key and different values, else 0."""
RATE = "~rate/"
"""Prefix, before a column's name: the change a second since the last good row of the asset and source."""


def measure(frame: pd.DataFrame, contract: Contract, now: pd.Timestamp) -> pd.DataFrame:
    """Measure of each row what cannot be read off one column.

    Parameters
    ----------
    frame
        A batch in the contract's shape.
    contract
        Its contract.
    now
        The time to count ages from.

    Returns
    -------
    pandas.DataFrame
        The measures as columns, with the batch's index.
    """
    measures = {REPEATED: _repeated(frame, contract)}
    if {"event_time", "known_time"} <= set(frame.columns):
        early = (frame["event_time"] - frame["known_time"]).dt.total_seconds()
        # A clock that is years ahead would pass for the present, and everything else for long ago.
        ahead = (frame["known_time"] - now - CLOCK_SKEW).dt.total_seconds()
        measures[EARLY] = early.where(early >= ahead, ahead)
    if contract.max_age is not None and "event_time" in frame.columns:
        measures[AGE] = (now - frame["event_time"]).dt.total_seconds()
    for column in contract.columns:
        if column.max_rate_per_second is not None:
            measures[RATE + column.name] = rates(frame, column.name, column.max_rate_per_second)
    return pd.DataFrame(measures, index=frame.index)


def rates(frame: pd.DataFrame, channel: str, limit: float) -> "pd.Series[Any]":
    """Compute how fast a channel changed since the last row that was within the limit.

    A spike is one bad row: the value after it is compared with the one before it. Rows of one instant are not compared
    with each other; the first row of an asset and source is compared with nothing.

    Parameters
    ----------
    frame
        Telemetry with asset, source, event_time, known_time and the channel.
    channel
        The channel.
    limit
        The largest change allowed, in the channel's unit a second.

    Returns
    -------
    pandas.Series
        Absolute change a second, with the frame's index; NaN where there is nothing to compare.
    """
    keys = [name for name in ("asset", "source") if name in frame.columns]
    known = frame[[*keys, "event_time", "known_time", channel]].dropna()
    ordered = known.sort_values([*keys, "event_time", "known_time", channel])
    seconds = ordered["event_time"].astype("int64") / 1e6
    groups = ordered.groupby(keys, sort=False)
    elapsed = seconds.groupby([ordered[key] for key in keys]).diff()
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (groups[channel].diff().abs() / elapsed).where(elapsed > 0)
    # Nearly always nothing is too fast; only then is the exact answer, row after row, needed.
    suspects = groups.ngroup()[(found > limit) | (elapsed == 0)].unique()
    for _, group in ordered[groups.ngroup().isin(suspects)].groupby(keys, sort=False):
        found[group.index] = _rates_since_last_good(seconds[group.index].to_numpy(), group[channel].to_numpy(), limit)
    return found.reindex(frame.index)


def _rates_since_last_good(
    seconds: "np.ndarray[Any, Any]", values: "np.ndarray[Any, Any]", limit: float
) -> list[float]:
    last: tuple[float, float] | None = None  # of the last instant before this one
    pending: tuple[float, float] | None = None  # of this instant
    found = []
    for second, value in zip(seconds.tolist(), values.tolist(), strict=True):
        if pending is not None and second > pending[0]:
            last, pending = pending, None
        rate = abs(value - last[1]) / (second - last[0]) if last is not None else float("nan")
        found.append(rate)
        if not rate > limit:
            pending = (second, value)
    return found


def _repeated(frame: pd.DataFrame, contract: Contract) -> "pd.Series[Any]":
    key = [name for name in contract.key if name in frame.columns]
    measure = pd.Series(0, index=frame.index)
    same_key = frame.duplicated(key, keep=False) & frame[key].notna().all(axis="columns")
    if same_key.any():
        copies = frame[same_key].duplicated()
        others = frame[same_key][~copies]
        measure[copies.index[copies]] = 1
        measure[others.index[others.duplicated(key, keep=False)]] = 2
    return measure
