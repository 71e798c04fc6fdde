"""Telemetry sent with a request, as rows or as columns, parsed into arrays; errors name the field at fault."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.contract.contract_types import Column, Contract
from serving.http.errors import ApiError, unprocessable
from serving.http.json_bodies import path_of, show
from serving.schemas.instants import INSTANT_EXPECTED, format_microseconds, microseconds_of, parse_instant

EVENT_TIME = "event_time"
CHANNELS = "channels"
_LARGEST = sys.float_info.max
_NUMBER = "a finite number, or null for no reading"
_INSTANTS = f"{INSTANT_EXPECTED}, or whole microseconds since 1970"
_NUMBERS, _TIMES, _MAPPINGS = {float, int, type(None)}, {int}, {dict}
_ALLOWED = {float, int, bool}
_STEP_ERROR = 1e-9  # as for stored rows
_RFC3339 = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})$"
_LAST_INSTANT = microseconds_of(pd.Timestamp("2200-01-01", tz="UTC"))

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
FieldPath = tuple[str | int, ...]


@dataclass(frozen=True)
class RequestReadings:
    """Readings of one asset."""

    times: IntArray  # (n,): microseconds since 1970, ascending
    readings: FloatArray  # (n_channels, n): NaN for no reading

    @property
    def last(self) -> int:
        """The time of the last of them that holds a value; `read_telemetry` lets none pass without any."""
        return int(self.times[~np.isnan(self.readings).all(axis=0)][-1])


@dataclass(frozen=True)
class TelemetrySpec:
    """What telemetry has to be."""

    channels: tuple[str, ...]  # those that may be sent, in the order of the readings
    required: tuple[str, ...]
    contract: Contract | None  # ranges and units


def read_telemetry(
    content: Any, units: Mapping[str, str], window_path: FieldPath, as_of: pd.Timestamp, spec: TelemetrySpec
) -> RequestReadings:
    """Read the telemetry of a window, a list of rows or an object of columns; ApiError names the field at fault.

    `units` has the units of some channels, `window_path` says where the window is in the request.
    """
    _check_units(units, window_path, spec)
    path = (*window_path, "telemetry")
    parse = _columns if isinstance(content, dict) else _rows
    raw_times, columns, path_at = parse(content, path, spec)
    times = _read_times(raw_times, path_at, as_of, rows=isinstance(content, list))
    readings = np.full((len(spec.channels), len(times)), np.nan)
    for number, channel in enumerate(spec.channels):
        if channel in columns:
            readings[number] = _read_channel(columns[channel](), channel, path_at, spec.contract)
    for number, channel in enumerate(spec.channels):
        if channel in spec.required and np.isnan(readings[number]).all():
            raise unprocessable(path_of(path), f"no reading of {channel}", "at least one", "Send a reading of it")
    return RequestReadings(times, readings)


# From a column and the index of a row to the path of a field.
PathAt = Callable[[str, int], str | None]
# A list as it was sent, or an array if it is all numbers: int64 if all are whole, else float64.
Values = list[Any] | IntArray | FloatArray
# Times, columns by channel, paths.
_Raw = tuple[Values, Mapping[str, Callable[[], Values]], PathAt]


def _rows(rows: list[Any], path: FieldPath, spec: TelemetrySpec) -> _Raw:
    if set(map(type, rows)) != _MAPPINGS:
        index = next(index for index, row in enumerate(rows) if type(row) is not dict)
        raise unprocessable(path_of([*path, index]), show(rows[index]), "a valid dictionary")

    def path_at(name: str, index: int) -> str | None:
        return path_of([*path, index, name])

    allowed, required = {EVENT_TIME, *spec.channels}, {EVENT_TIME, *spec.required}
    # Rows mostly have the same names in the same order.
    for names in set(map(tuple, rows)):
        if not allowed.issuperset(names):
            index, name = next((n, name) for n, row in enumerate(rows) for name in row if name not in allowed)
            raise _unknown_channel(path_at(name, index), spec)
        if not required.issubset(names):
            ordered = (EVENT_TIME, *spec.required)
            index, name = next((n, name) for n, row in enumerate(rows) for name in ordered if name not in row)
            expected = "a reading of every channel the model uses, null where there is none"
            raise unprocessable(path_at(name, index), "nothing", expected, "Add it")
    present = set(chain.from_iterable(set(map(tuple, rows)))) - {EVENT_TIME}

    def column(name: str) -> Callable[[], list[Any]]:
        return lambda: [row.get(name) for row in rows]

    return [row[EVENT_TIME] for row in rows], {name: column(name) for name in present}, path_at


def _columns(content: dict[str, Any], path: FieldPath, spec: TelemetrySpec) -> _Raw:
    for name in (EVENT_TIME, CHANNELS):
        if name not in content:
            raise unprocessable(path_of([*path, name]), "nothing", "this field", "Add it")
    for name in content:
        if name not in (EVENT_TIME, CHANNELS):
            raise unprocessable(
                path_of([*path, name]), "an unknown field", f"only {EVENT_TIME}, {CHANNELS}", "Remove it"
            )
    times, channels = content[EVENT_TIME], content[CHANNELS]
    if not isinstance(times, list | np.ndarray) or not len(times):
        raise unprocessable(path_of([*path, EVENT_TIME]), show(times), "a list of at least 1 instant")
    if not isinstance(channels, dict):
        raise unprocessable(path_of([*path, CHANNELS]), show(channels), "an object of channels")
    for name, values in channels.items():
        channel_path = path_of([*path, CHANNELS, name])
        if name not in spec.channels:
            raise _unknown_channel(channel_path, spec)
        if not isinstance(values, list | np.ndarray):
            raise unprocessable(channel_path, show(values), f"a list of {len(times)} readings, one an instant")
        if len(values) != len(times):
            expected = f"{len(times)}, one an instant"
            raise unprocessable(channel_path, f"{len(values)} readings", expected, "Send null for none")
    for name in spec.required:
        if name not in channels:
            raise unprocessable(path_of([*path, CHANNELS, name]), "nothing", "every channel the model uses", "Add it")

    def path_at(name: str, index: int) -> str | None:
        return path_of([*path, EVENT_TIME, index] if name == EVENT_TIME else [*path, CHANNELS, name, index])

    return times, {name: (lambda values=values: values) for name, values in channels.items()}, path_at


def _unknown_channel(path: str | None, spec: TelemetrySpec) -> ApiError:
    return unprocessable(path, "an unknown channel", f"only {', '.join(spec.channels)}", "Remove it")


def _check_units(units: Mapping[str, str], window_path: FieldPath, spec: TelemetrySpec) -> None:
    for channel, unit in units.items():
        path = path_of([*window_path, "units", channel])
        if channel not in spec.channels:
            raise _unknown_channel(path, spec)
        column = spec.contract.column(channel) if spec.contract else None
        if column is None or column.unit is None:
            raise unprocessable(path, show(unit), "no unit: the contract has none for it", "Remove it")
        if unit != column.unit:
            raise unprocessable(path, show(unit), f"the unit {column.unit}", f"Send its readings in {column.unit}")


def _read_times(raw: Values, path_at: PathAt, as_of: pd.Timestamp, *, rows: bool) -> IntArray:
    times = _parse_times(raw, rows=rows)
    if times is None:
        raw = _as_list(raw)
        times = np.array(
            [_read_time(value, path_at, index, rows=rows) for index, value in enumerate(raw)], dtype=np.int64
        )
    unsorted = np.flatnonzero(times[1:] <= times[:-1])
    if len(unsorted):
        index = int(unsorted[0]) + 1
        raise unprocessable(
            path_at(EVENT_TIME, index),
            f"{format_microseconds(int(times[index]))}, not after the reading before it",
            "readings in order of time, each instant once",
            "Sort them, and send one reading an instant",
        )
    if times[-1] > microseconds_of(as_of):
        index = int(np.searchsorted(times, microseconds_of(as_of), side="right"))
        raise after_cut_off_error(path_at(EVENT_TIME, index), int(times[index]), as_of)
    return times


def after_cut_off_error(path: str | None, time: int, as_of: pd.Timestamp) -> ApiError:
    """Return the error for what happened, in microseconds since 1970, after a cut-off."""
    found = f"{format_microseconds(time)}, after as_of"
    return unprocessable(path, found, f"nothing later than {as_of.isoformat()}", "Send what was known by then")


def _parse_times(raw: Values, *, rows: bool) -> IntArray | None:
    """Parse all instants at once; None if one of them needs to be parsed by itself."""
    if isinstance(raw, np.ndarray):
        return raw.astype(np.int64) if raw.dtype == np.int64 and raw.min() >= 0 and raw.max() <= _LAST_INSTANT else None
    types = set(map(type, raw))
    if types == _TIMES and not rows:
        return np.array(raw, dtype=np.int64) if min(raw) >= 0 and max(raw) <= _LAST_INSTANT else None
    if types != {str}:
        return None
    texts = pa.array(raw, pa.string())
    if not pc.all(pc.match_substring_regex(texts, _RFC3339)).as_py():
        return None
    try:
        times = texts.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return np.asarray(times, dtype=np.int64) if times.min() >= 0 else None


def _read_time(value: Any, path_at: PathAt, index: int, *, rows: bool) -> int:
    if type(value) is int and not rows and 0 <= value <= _LAST_INSTANT:
        return value
    try:
        return microseconds_of(pd.Timestamp(parse_instant(value)))
    except ValueError:
        expected = INSTANT_EXPECTED if rows else _INSTANTS
        raise unprocessable(path_at(EVENT_TIME, index), show(value), expected) from None


def _read_channel(values: Values, channel: str, path_at: PathAt, contract: Contract | None) -> FloatArray:
    column = contract.column(channel) if contract else None
    if column is not None and column.type == "boolean" and isinstance(values, list):
        values = [int(value) if type(value) is bool else value for value in values]
    numbers = values.astype(np.float64) if isinstance(values, np.ndarray) else _as_numbers(values, channel, path_at)
    if column is not None and (column.allowed is not None or column.multiple_of is not None):
        _check_choice(numbers, values, column, path_at)
    lowest, highest = (None, None) if column is None else (column.lowest, column.highest)
    low = -_LARGEST if lowest is None else lowest
    high = _LARGEST if highest is None else highest
    # With a null both are NaN, which compares as false.
    if numbers.min() >= low and numbers.max() <= high:
        return numbers
    valid = (numbers >= low) & (numbers <= high)
    for index in np.flatnonzero(~valid).tolist():
        if (value := _as_list(values)[index]) is not None:
            unit = f" {column.unit}" if column is not None and column.unit else ""
            expected = f"{low:g} to {high:g}{unit}" if np.isfinite(numbers[index]) else _NUMBER
            raise unprocessable(path_at(channel, index), show(value), expected)
    return numbers


def _check_choice(numbers: FloatArray, values: Values, column: Column, path_at: PathAt) -> None:
    """Check a channel with few allowed values, or with steps, as the contract does on stored rows; nulls pass."""
    rules = []
    if column.allowed is not None:
        allowed = [float(value) for value in column.allowed if type(value) in _ALLOWED]
        rules.append((np.isin(numbers, allowed), f"one of {', '.join(f'{value:g}' for value in allowed)}"))
    if column.multiple_of is not None:
        steps = numbers / column.multiple_of
        rules.append((np.abs(steps - np.round(steps)) <= _STEP_ERROR, f"a multiple of {column.multiple_of:g}"))
    for kept, expected in rules:
        broken = np.flatnonzero(~kept & np.isfinite(numbers))
        if len(broken):
            index = int(broken[0])
            raise unprocessable(path_at(column.name, index), show(_as_list(values)[index]), expected)


def _as_numbers(values: list[Any], channel: str, path_at: PathAt) -> FloatArray:
    if not set(map(type, values)) <= _NUMBERS:
        index = next(index for index, value in enumerate(values) if type(value) not in _NUMBERS)
        raise unprocessable(path_at(channel, index), show(values[index]), _NUMBER)
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:  # an integer too large for a float
        return np.array([_as_float(value) for value in values], dtype=np.float64)


def _as_list(values: Values) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else values


def _as_float(value: float | None) -> float:
    try:
        return np.nan if value is None else float(value)
    except OverflowError:
        return np.inf
