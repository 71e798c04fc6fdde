"""Telemetry sent with a request, as rows or as columns, read into arrays; the field at fault is named."""

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

from data_contracts.contract.contract import Contract
from serving.http.errors import ApiError, unprocessable
from serving.http.json_bodies import path_of, show
from serving.schemas.instants import INSTANT_EXPECTED, format_microseconds, microseconds_of, parse_instant

EVENT_TIME = "event_time"
CHANNELS = "channels"
_LARGEST = sys.float_info.max
_NUMBER = "a finite number, or null for no reading"
_INSTANTS = f"{INSTANT_EXPECTED}, or whole microseconds since 1970"
_NUMBERS, _TIMES, _MAPPINGS = {float, int, type(None)}, {int}, {dict}
_RFC3339 = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})$"
_LAST = microseconds_of(pd.Timestamp("2200-01-01", tz="UTC"))

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class RequestReadings:
    """Readings of one asset.

    Parameters
    ----------
    times : (n,)
        Microseconds since 1970, ascending.
    readings : (n_channels, n)
        NaN for no reading.
    """

    times: IntArray
    readings: FloatArray


@dataclass(frozen=True)
class Expected:
    """What telemetry has to be.

    Parameters
    ----------
    channels
        The channels that may be sent, in the order of the values.
    needed
        Those that have to be.
    contract
        Their ranges and units; None if there is none.
    """

    channels: tuple[str, ...]
    needed: tuple[str, ...]
    contract: Contract | None


def read_telemetry(
    sent: Any, units: Mapping[str, str], place: Place, as_of: pd.Timestamp, expected: Expected
) -> RequestReadings:
    """Read the telemetry of a window.

    Parameters
    ----------
    sent
        A list of rows, or an object of columns.
    units
        The units it is in, of some channels.
    place
        Where the window is in the request.
    as_of
        Its cut-off.
    expected
        What it has to be.

    Returns
    -------
    RequestReadings

    Raises
    ------
    ApiError
        If it breaks a rule; it names the field.
    """
    _check_units(units, place, expected)
    here = (*place, "telemetry")
    raw, names, at = _columns(sent, here, expected) if isinstance(sent, dict) else _rows(sent, here, expected)
    times = _read_times(raw, at, as_of, rows=isinstance(sent, list))
    values = np.full((len(expected.channels), len(times)), np.nan)
    for number, channel in enumerate(expected.channels):
        if channel in names:
            values[number] = _read_channel(names[channel](), channel, at, expected.contract)
    for number, channel in enumerate(expected.channels):
        if channel in expected.needed and np.isnan(values[number]).all():
            raise unprocessable(path_of(here), f"no reading of {channel}", "at least one", "Send a reading of it")
    return RequestReadings(times, values)


At = Callable[[str, int], str | None]
# As it was sent, or an array where it is numbers only: of int64 if they are all whole, else of float64.
Listed = list[Any] | IntArray | FloatArray
_Raw = tuple[Listed, Mapping[str, Callable[[], Listed]], At]


def _rows(rows: list[Any], here: Place, expected: Expected) -> _Raw:
    if set(map(type, rows)) != _MAPPINGS:
        index = next(index for index, row in enumerate(rows) if type(row) is not dict)
        raise unprocessable(path_of([*here, index]), show(rows[index]), "a valid dictionary")

    def at(name: str, index: int) -> str | None:
        return path_of([*here, index, name])

    known, wanted = {EVENT_TIME, *expected.channels}, {EVENT_TIME, *expected.needed}
    # Rows mostly have the same names in the same order.
    for names in set(map(tuple, rows)):
        if not known.issuperset(names):
            index, name = next((n, name) for n, row in enumerate(rows) for name in row if name not in known)
            raise _unknown_channel(at(name, index), expected)
        if not wanted.issubset(names):
            ordered = (EVENT_TIME, *expected.needed)
            index, name = next((n, name) for n, row in enumerate(rows) for name in ordered if name not in row)
            told = "a reading of every channel the model uses, null where there is none"
            raise unprocessable(at(name, index), "nothing", told, "Add it")
    present = set(chain.from_iterable(set(map(tuple, rows)))) - {EVENT_TIME}

    def column(name: str) -> Callable[[], list[Any]]:
        return lambda: [row.get(name) for row in rows]

    return [row[EVENT_TIME] for row in rows], {name: column(name) for name in present}, at


def _columns(sent: dict[str, Any], here: Place, expected: Expected) -> _Raw:
    for name in (EVENT_TIME, CHANNELS):
        if name not in sent:
            raise unprocessable(path_of([*here, name]), "nothing", "this field", "Add it")
    for name in sent:
        if name not in (EVENT_TIME, CHANNELS):
            raise unprocessable(
                path_of([*here, name]), "an unknown field", f"only {EVENT_TIME}, {CHANNELS}", "Remove it"
            )
    times, channels = sent[EVENT_TIME], sent[CHANNELS]
    if not isinstance(times, list | np.ndarray) or not len(times):
        raise unprocessable(path_of([*here, EVENT_TIME]), show(times), "a list of at least 1 instant")
    if not isinstance(channels, dict):
        raise unprocessable(path_of([*here, CHANNELS]), show(channels), "an object of channels")
    for name, values in channels.items():
        where = path_of([*here, CHANNELS, name])
        if name not in expected.channels:
            raise _unknown_channel(where, expected)
        if not isinstance(values, list | np.ndarray):
            raise unprocessable(where, show(values), f"a list of {len(times)} readings, one an instant")
        if len(values) != len(times):
            raise unprocessable(where, f"{len(values)} readings", f"{len(times)}, one an instant", "Send null for none")
    for name in expected.needed:
        if name not in channels:
            raise unprocessable(path_of([*here, CHANNELS, name]), "nothing", "every channel the model uses", "Add it")

    def at(name: str, index: int) -> str | None:
        return path_of([*here, EVENT_TIME, index] if name == EVENT_TIME else [*here, CHANNELS, name, index])

    return times, {name: (lambda values=values: values) for name, values in channels.items()}, at


def _unknown_channel(where: str | None, expected: Expected) -> ApiError:
    return unprocessable(where, "an unknown channel", f"only {', '.join(expected.channels)}", "Remove it")


def _check_units(units: Mapping[str, str], place: Place, expected: Expected) -> None:
    for channel, unit in units.items():
        where = path_of([*place, "units", channel])
        if channel not in expected.channels:
            raise _unknown_channel(where, expected)
        column = expected.contract.column(channel) if expected.contract else None
        if column is None or column.unit is None:
            raise unprocessable(where, show(unit), "no unit: the contract names none for it", "Remove it")
        if unit != column.unit:
            raise unprocessable(where, show(unit), f"the unit {column.unit}", f"Send its readings in {column.unit}")


def _read_times(raw: Listed, at: At, as_of: pd.Timestamp, *, rows: bool) -> IntArray:
    times = _times_at_once(raw, rows=rows)
    if times is None:
        raw = _as_list(raw)
        times = np.array([_read_time(value, at, index, rows=rows) for index, value in enumerate(raw)], dtype=np.int64)
    unsorted = np.flatnonzero(times[1:] <= times[:-1])
    if len(unsorted):
        index = int(unsorted[0]) + 1
        raise unprocessable(
            at(EVENT_TIME, index),
            f"{format_microseconds(int(times[index]))}, not after the reading before it",
            "readings in order of time, each instant once",
            "Sort them, and send one reading an instant",
        )
    if times[-1] > microseconds_of(as_of):
        index = int(np.searchsorted(times, microseconds_of(as_of), side="right"))
        raise after_cut_off(at(EVENT_TIME, index), int(times[index]), as_of)
    return times


def after_cut_off(where: str | None, time: int, as_of: pd.Timestamp) -> ApiError:
    """Refuse what happened after a cut-off.

    Parameters
    ----------
    where
        The path of its field.
    time
        When it happened, in microseconds since 1970.
    as_of
        The cut-off.

    Returns
    -------
    ApiError
    """
    found = f"{format_microseconds(time)}, after as_of"
    return unprocessable(where, found, f"nothing later than {as_of.isoformat()}", "Send what was known by then")


def _times_at_once(raw: Listed, *, rows: bool) -> IntArray | None:
    """Read all instants in one go; None if one of them has to be looked at by itself."""
    if isinstance(raw, np.ndarray):
        return raw.astype(np.int64) if raw.dtype == np.int64 and raw.min() >= 0 and raw.max() <= _LAST else None
    kinds = set(map(type, raw))
    if kinds == _TIMES and not rows:
        return np.array(raw, dtype=np.int64) if min(raw) >= 0 and max(raw) <= _LAST else None
    if kinds != {str}:
        return None
    texts = pa.array(raw, pa.string())
    if not pc.all(pc.match_substring_regex(texts, _RFC3339)).as_py():
        return None
    try:
        read = texts.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return np.asarray(read, dtype=np.int64) if read.min() >= 0 else None


def _read_time(value: Any, at: At, index: int, *, rows: bool) -> int:
    if type(value) is int and not rows and 0 <= value <= _LAST:
        return value
    try:
        return microseconds_of(pd.Timestamp(parse_instant(value)))
    except ValueError:
        expected = INSTANT_EXPECTED if rows else _INSTANTS
        raise unprocessable(at(EVENT_TIME, index), show(value), expected) from None


def _read_channel(values: Listed, channel: str, at: At, contract: Contract | None) -> FloatArray:
    numbers = values.astype(np.float64) if isinstance(values, np.ndarray) else _as_numbers(values, channel, at)
    limit = contract.column(channel) if contract else None
    low = -_LARGEST if limit is None or limit.minimum is None else limit.minimum
    high = _LARGEST if limit is None or limit.maximum is None else limit.maximum
    # Of a null both are NaN, which is no more than anything.
    if numbers.min() >= low and numbers.max() <= high:
        return numbers
    fine = (numbers >= low) & (numbers <= high)
    for index in np.flatnonzero(~fine).tolist():
        if (value := _as_list(values)[index]) is not None:
            unit = f" {limit.unit}" if limit is not None and limit.unit else ""
            told = f"{low:g} to {high:g}{unit}" if np.isfinite(numbers[index]) else _NUMBER
            raise unprocessable(at(channel, index), show(value), told)
    return numbers


def _as_numbers(values: list[Any], channel: str, at: At) -> FloatArray:
    if not set(map(type, values)) <= _NUMBERS:
        index = next(index for index, value in enumerate(values) if type(value) not in _NUMBERS)
        raise unprocessable(at(channel, index), show(values[index]), _NUMBER)
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:  # a whole number beyond what a float holds
        return np.array([_as_float(value) for value in values], dtype=np.float64)


def _as_list(values: Listed) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else values


def _as_float(value: float | None) -> float:
    try:
        return np.nan if value is None else float(value)
    except OverflowError:
        return np.inf
