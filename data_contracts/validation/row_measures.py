"""Row measures: numbers that the checks need of each row beyond its own values, as extra columns.

None of them depends on the order of the rows in the batch.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract.contract_types import Contract
from data_contracts.validation.text_formats import matches_format

CLOCK_SKEW = pd.Timedelta(hours=1)  # how far a plant's clock may be ahead of ours
AGE = "~age_s"  # seconds from the event to when the latest of the batch became known
EARLY = "~early_s"  # seconds by which the known time is before the event or after now, whichever is more
REPEATED = "~repeated"  # 1 for each further copy of a row, 2 for rows of one key with different values, else 0
FORMAT = "~format/"  # prefix of a column's name: 1 for a text that has not the column's format, else 0
MULTIPLE = "~multiple/"  # prefix of a column's name: 1 for a number that is no multiple of the column's, else 0
RATE = "~rate/"  # prefix of a column's name: change a second since the last good row of the asset and source


def measure(
    frame: pd.DataFrame,
    contract: Contract,
    now: pd.Timestamp,
    given: Mapping[str, "pd.Series[Any]"] = MappingProxyType({}),
) -> pd.DataFrame:
    """Return the measures of a batch in the contract's shape as columns, with the batch's index.

    Those in `given` are of rows among more than these.
    """
    measures = {REPEATED: given[REPEATED] if REPEATED in given else repeated_keys(frame, contract)}
    if {"event_time", "known_time"} <= set(frame.columns):
        early = (frame["event_time"] - frame["known_time"]).dt.total_seconds()
        # Checked too: a row from a clock that is years ahead would count as the latest, and all others as old.
        ahead = (frame["known_time"] - now - CLOCK_SKEW).dt.total_seconds()
        measures[EARLY] = early.where(early >= ahead, ahead)
    if contract.max_age is not None and "event_time" in frame.columns:
        measures[AGE] = (_arrival(frame, now) - frame["event_time"]).dt.total_seconds()
    for column in contract.columns:
        if column.format is not None:
            measures[FORMAT + column.name] = _misses(frame[column.name], column.format, matches_format)
        if column.multiple_of is not None:
            measures[MULTIPLE + column.name] = _misses(frame[column.name], column.multiple_of, _is_multiple)
        if column.max_rate_per_second is not None:
            name = RATE + column.name
            limit = column.max_rate_per_second
            measures[name] = given[name] if name in given else rates(frame, column.name, limit)
    return pd.DataFrame(measures, index=frame.index)


def _misses(values: "pd.Series[Any]", rule: Any, keeps: Callable[[Any, Any], bool]) -> "pd.Series[Any]":
    """Return 1 for each value that does not keep a rule."""
    kept = {value: keeps(value, rule) for value in values.dropna().unique()}
    return (values.map(kept) == False).astype("int64")  # noqa: E712 - nulls keep every rule


def _is_multiple(value: float, step: float) -> bool:
    return bool(np.isfinite(value)) and bool(np.isclose(value / step, round(value / step), rtol=0, atol=1e-9))


def _arrival(frame: pd.DataFrame, now: pd.Timestamp) -> pd.Timestamp:
    """Return when the batch became known: history that is brought in later was not late, and is none the worse."""
    known = frame["known_time"].max() if "known_time" in frame.columns else pd.NaT
    return now if pd.isna(known) else min(now, known)


def rates(frame: pd.DataFrame, channel: str, limit: float) -> "pd.Series[Any]":
    """Compute a channel's absolute change a second since the last row within `limit`; NaN without one.

    A spike is one bad row: the value after it is compared with the one before it. Rows of one instant are not compared
    with each other, and the first row of an asset and source has nothing to compare with.
    """
    keys = [name for name in ("asset", "source") if name in frame.columns]
    known = frame[[*keys, "event_time", "known_time", channel]].dropna()
    ordered = known.sort_values([*keys, "event_time", "known_time", channel])
    seconds = ordered["event_time"].astype("int64") / 1e6
    groups = ordered.groupby(keys, sort=False)
    elapsed = seconds.groupby([ordered[key] for key in keys]).diff()
    with np.errstate(divide="ignore", invalid="ignore"):
        rates_per_s = (groups[channel].diff().abs() / elapsed).where(elapsed > 0)
    # The exact rates, row by row, are needed only for groups with a rate above the limit or a repeated instant.
    suspects = groups.ngroup()[(rates_per_s > limit) | (elapsed == 0)].unique()
    for _, group in ordered[groups.ngroup().isin(suspects)].groupby(keys, sort=False):
        group_seconds, values = seconds[group.index].to_numpy(), group[channel].to_numpy()
        rates_per_s[group.index] = rates_since_last_good(group_seconds, values, limit)
    return rates_per_s.reindex(frame.index)


def rates_since_last_good(seconds: "np.ndarray[Any, Any]", values: "np.ndarray[Any, Any]", limit: float) -> list[float]:
    """Return each value's change a second since the last one before its instant that was within `limit`."""
    last: tuple[float, float] | None = None  # time and value of the last good row before this instant
    pending: tuple[float, float] | None = None  # of the last good row of this instant
    rates_per_s = []
    for second, value in zip(seconds.tolist(), values.tolist(), strict=True):
        if pending is not None and second > pending[0]:
            last, pending = pending, None
        rate = abs(value - last[1]) / (second - last[0]) if last is not None else float("nan")
        rates_per_s.append(rate)
        if not rate > limit:
            pending = (second, value)
    return rates_per_s


def repeated_keys(frame: pd.DataFrame, contract: Contract) -> "pd.Series[Any]":
    """Return 1 for each further copy of a row, 2 for rows of one key with different values, else 0."""
    key = [name for name in contract.key if name in frame.columns]
    measure = pd.Series(0, index=frame.index)
    same_key = frame.duplicated(key, keep=False) & frame[key].notna().all(axis="columns")
    if same_key.any():
        copies = frame[same_key].duplicated()
        others = frame[same_key][~copies]
        measure[copies.index[copies]] = 1
        measure[others.index[others.duplicated(key, keep=False)]] = 2
    return measure
