"""The effective values of overridden channels, as rows of source manual_override beside what the sensors said.

An override makes no readings: it replaces those of its asset from its event time to its end. What a channel's value was
by what was known at a time is kept, row by row with known times, so that no cut-off sees an override that came later,
and a release takes back what was known before it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract_types import KEY_COLUMNS, STORED_VERSION, is_quality_column
from data_contracts.records.twin_records import TwinEntry

_OVERRIDE = "manual_override"
_NEVER = np.iinfo(np.int64).max
Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
_Rows = tuple[Integers, Integers, Numbers]
"""Places of instants, known times (microseconds since 1970), and values of all channels."""


def with_overrides(telemetry: pd.DataFrame, entries: Iterable[TwinEntry]) -> pd.DataFrame:
    """Add what accepted overrides, in the order of their logs, make of some telemetry; the same frame if nothing.

    Of channels whose values are no numbers there are none. Rows that already were overrides are merged with them.
    """
    channels = [name for name in telemetry.columns if _is_channel(telemetry, name)]
    own = [entry for entry in entries if entry.property in channels]
    if not own or telemetry.empty:
        return telemetry
    parts, kept, places = [], np.ones(len(telemetry), dtype=bool), telemetry.groupby("asset", sort=False).indices
    for asset, log in groupby(sorted(own, key=lambda entry: entry.asset), key=lambda entry: entry.asset):
        if asset not in places:
            continue
        rows = telemetry.iloc[places[asset]]
        added = _rows(rows, sorted(log, key=lambda entry: entry.number), channels)
        if len(added):
            parts.append(added)
            stored = (rows["source"] == _OVERRIDE) & rows["event_time"].isin(added["event_time"])
            kept[places[asset][stored.to_numpy()]] = False
    if not parts:
        return telemetry
    merged = pd.concat(
        [telemetry[kept], *(part[telemetry.columns].astype(telemetry.dtypes.to_dict()) for part in parts)]
    )
    return merged.sort_values(["asset", "event_time", "known_time"], kind="stable", ignore_index=True)


@dataclass(frozen=True)
class _Schedule:
    """A channel's overrides by what was known at one time, by event time."""

    begins: Integers
    ends: Integers
    values: Numbers  # NaN where an override was ended

    @classmethod
    def of(cls, entries: Sequence[TwinEntry]) -> "_Schedule":
        ordered = sorted(entries, key=lambda entry: (entry.event_time, entry.known_time, entry.number))
        return cls(
            np.array([_us(entry.event_time) for entry in ordered], dtype=np.int64),
            np.array([_NEVER if entry.expires_at is None else _us(entry.expires_at) for entry in ordered]),
            np.array([np.nan if entry.value is None else float(entry.value) for entry in ordered]),
        )

    def at(self, instants: Integers) -> Numbers:
        """Return the value that holds at each instant; NaN where no override does."""
        place = np.searchsorted(self.begins, instants, side="right") - 1
        inside = (place >= 0) & (self.ends[place] > instants)
        return np.where(inside, self.values[place], np.nan)


def _rows(rows: pd.DataFrame, log: Sequence[TwinEntry], channels: Sequence[str]) -> pd.DataFrame:
    """Return the override rows of one asset, one for each instant and known time at which what holds there changes."""
    names = [name for name in channels if any(entry.property == name for entry in log)]
    event, known = _microseconds(rows["event_time"]), _microseconds(rows["known_time"])
    instants, place = np.unique(event, return_inverse=True)
    first_known = np.full(len(instants), _NEVER, dtype=np.int64)
    np.minimum.at(first_known, place, known)
    states = list(_states(log, names, instants))
    touched = np.zeros(len(instants), dtype=bool)
    for _, values in states:
        touched |= ~np.isnan(values).all(axis=1)
    stored = rows["source"].to_numpy() == _OVERRIDE
    merged = np.unique(place[stored & touched[place]])
    alone = touched.copy()
    alone[merged] = False
    wide = [(at, _widened(values, names, channels)) for at, values in states]
    found = [*_changes(wide, alone, first_known)]
    readings = rows[list(channels)].to_numpy(dtype=np.float64)
    version = _versions(rows)
    for instant in merged.tolist():
        own = np.flatnonzero(stored & (place == instant))
        own = own[np.lexsort((version[own], known[own]))]
        corrections = list(zip(known[own].tolist(), readings[own], strict=True))
        found += _merged(wide, instant, int(first_known[instant]), corrections)
    if not found:
        return pd.DataFrame(columns=rows.columns)
    number = np.concatenate([each[0] for each in found])
    frame = pd.DataFrame(np.concatenate([each[2] for each in found]), columns=list(channels))
    frame["asset"], frame["source"] = rows["asset"].iloc[0], _OVERRIDE
    frame["event_time"] = _times(instants[number])
    frame["known_time"] = _times(np.concatenate([each[1] for each in found]))
    if STORED_VERSION in rows.columns:
        latest = np.zeros(len(instants), dtype=np.int64)
        np.maximum.at(latest, place, version)
        frame[STORED_VERSION] = latest[number]
    return frame


def _states(log: Sequence[TwinEntry], names: Sequence[str], instants: Integers) -> Iterable[tuple[int, Numbers]]:
    """Return what holds at the instants by what was known from each known time on, (n_instants, n_names)."""
    for at in sorted({_us(entry.known_time) for entry in log}):
        known = [entry for entry in log if _us(entry.known_time) <= at]
        schedules = [_Schedule.of([entry for entry in known if entry.property == name]) for name in names]
        nothing = np.full(len(instants), np.nan)
        yield at, np.stack([each.at(instants) if len(each.begins) else nothing for each in schedules], axis=1)


def _changes(
    states: Sequence[tuple[int, Numbers]], chosen: npt.NDArray[np.bool_], first_known: Integers
) -> Iterable[_Rows]:
    """Return what holds at instants without stored overrides, whenever that changes."""
    before = np.full(states[0][1].shape, np.nan)
    for number, (at, values) in enumerate(states):
        # What was known before the instant had any row is known with its first one, and the last of it counts.
        replaced = number + 1 < len(states)
        counts = chosen & (states[number + 1][0] > first_known) if replaced else chosen
        changed = np.flatnonzero(counts & ~_same(values, before))
        before[changed] = values[changed]
        if len(changed):
            yield changed, np.maximum(at, first_known[changed]), values[changed]


def _merged(
    states: Sequence[tuple[int, Numbers]], instant: int, first_known: int, corrections: Sequence[tuple[int, Numbers]]
) -> Iterable[_Rows]:
    """Return what holds at one instant that telemetry has overrides of itself, which those of the log go before."""
    logged = [(max(at, first_known), values[instant]) for at, values in states]
    nothing = np.full(states[0][1].shape[1], np.nan)
    before = nothing
    for time in sorted({at for at, _ in (*logged, *corrections)}):
        own = [values for at, values in logged if at <= time]
        stored = [values for at, values in corrections if at <= time]
        over, under = own[-1] if own else nothing, stored[-1] if stored else nothing
        values = np.where(np.isnan(over), under, over)
        if not _same(values[None], before[None])[0]:
            yield np.array([instant]), np.array([time]), values[None]
        before = values


def _widened(values: Numbers, names: Sequence[str], channels: Sequence[str]) -> Numbers:
    wide = np.full((len(values), len(channels)), np.nan)
    wide[:, [list(channels).index(name) for name in names]] = values
    return wide


def _same(one: Numbers, other: Numbers) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = ((one == other) | (np.isnan(one) & np.isnan(other))).all(axis=1)
    return same


def _versions(rows: pd.DataFrame) -> Integers:
    if STORED_VERSION not in rows.columns:
        return np.zeros(len(rows), dtype=np.int64)
    versions: Integers = rows[STORED_VERSION].fillna(0).to_numpy(dtype=np.int64)
    return versions


def _is_channel(telemetry: pd.DataFrame, name: str) -> bool:
    if name in (*KEY_COLUMNS, STORED_VERSION) or is_quality_column(name):
        return False
    return pd.api.types.is_numeric_dtype(telemetry[name]) and not pd.api.types.is_bool_dtype(telemetry[name])


def _us(time: pd.Timestamp) -> int:
    return int(time.as_unit("us").asm8.view("i8"))


def _microseconds(times: "pd.Series[Any]") -> Integers:
    values: Integers = times.dt.as_unit("us").astype("int64").to_numpy()
    return values


def _times(microseconds: Integers) -> "pd.Series[Any]":
    return pd.Series(microseconds.astype("datetime64[us]")).dt.tz_localize("UTC")
