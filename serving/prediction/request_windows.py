"""Windows of telemetry sent with a request, converted to the form of stored ones, so that one code predicts both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract.contract import Contract, empty_table
from data_contracts.contract.twins import SOURCE_PRIORITY
from data_contracts.tables.corrections import last_corrections
from data_contracts.tables.history import History
from features.telemetry.reconciliation import Rows
from serving.http.errors import unprocessable
from serving.http.json_bodies import path_of
from serving.prediction.request_telemetry import (
    EVENT_TIME,
    IntArray,
    RequestReadings,
    TelemetrySpec,
    after_cut_off_error,
    read_telemetry,
)
from serving.schemas.instants import microseconds_of
from serving.schemas.predict_request import RequestEvent, RequestWorkOrder, Window

_SOURCE = "physical"
_RANK = SOURCE_PRIORITY.index(_SOURCE)


@dataclass(frozen=True)
class RequestWindows:
    """Windows that were read; they can be merged with what is stored."""

    windows: Sequence[Window]  # one an asset, without their telemetry
    channels: tuple[str, ...]  # all channels that may be sent
    readings: Sequence[RequestReadings]  # the telemetry of each window
    rows: Rows  # the telemetry of the channels that the model needs, sorted, assets numbered as the windows

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets, in the order of the windows."""
        return tuple(window.asset for window in self.windows)

    @property
    def as_of(self) -> IntArray:
        """Their cut-offs, in microseconds since 1970."""
        return np.array([microseconds_of(window.as_of) for window in self.windows])

    def last_readings(self) -> dict[str, int]:
        """Return the time of the last reading of each asset, in microseconds since 1970."""
        return {window.asset: sent.last for window, sent in zip(self.windows, self.readings, strict=True)}

    def history(self, stored: History) -> History:
        """Merge what was sent with what is stored about these assets, except for the stored telemetry."""
        as_of = {window.asset: window.as_of for window in self.windows}
        events, orders = _event_rows(self.windows), _work_order_rows(self.windows)
        order_key = [EVENT_TIME, "kind", "component"]
        return replace(
            stored,
            channels=self.channels,
            telemetry=_telemetry(self.assets, self.readings, self.channels),
            events=_merge("events", "event_id", stored.events, events, [EVENT_TIME, "code"], as_of),
            work_orders=_merge("work_orders", "work_order_id", stored.work_orders, orders, order_key, as_of),
        )


def read_windows(
    windows: Sequence[Window], required: Sequence[str], contract: Contract | None, now: pd.Timestamp
) -> RequestWindows:
    """Read windows, one an asset; ApiError names the field that breaks a rule.

    Each reading must have the `required` channels, which the model uses; with a contract its other channels may be sent
    too. `now` is the latest instant that a cut-off may name. A reading counts as known when it happened: the caller
    that sends it knows it.
    """
    channels = tuple(dict.fromkeys((*required, *(contract.channels if contract else ()))))
    spec = TelemetrySpec(channels, tuple(required), contract)
    readings = [_read_window(index, window, spec, now) for index, window in enumerate(windows)]
    # As it was sent, telemetry takes ten times the memory, and windows may be queued for challengers.
    bare = [window.model_copy(update={"telemetry": None}) for window in windows]
    return RequestWindows(bare, channels, readings, _rows(readings, len(required)))


def check_as_of(as_of: pd.Timestamp, field: str, now: pd.Timestamp) -> None:
    """Raise ApiError if a cut-off is later than `now`, the latest instant that is allowed."""
    if as_of > now:
        raise unprocessable(
            field, f"{as_of.isoformat()}, in the future", "a cut-off that has passed", "Send a cut-off up to now"
        )


def _read_window(index: int, window: Window, spec: TelemetrySpec, now: pd.Timestamp) -> RequestReadings:
    path = ("windows", index)
    check_as_of(window.as_of, str(path_of([*path, "as_of"])), now)
    _check_times([*path, "events"], [event.event_time for event in window.events], window.as_of)
    _check_times([*path, "work_orders"], [order.event_time for order in window.work_orders], window.as_of)
    return read_telemetry(window.telemetry, window.units, path, window.as_of, spec)


def _check_times(path: Sequence[str | int], times: Sequence[pd.Timestamp], as_of: pd.Timestamp) -> None:
    for index, time in enumerate(times):
        if time > as_of:
            raise after_cut_off_error(path_of([*path, index, EVENT_TIME]), microseconds_of(time), as_of)


def _rows(windows: Sequence[RequestReadings], n_required: int) -> Rows:
    """Concatenate windows: they are sorted by asset and time already."""
    asset = np.repeat(np.arange(len(windows)), [len(window.times) for window in windows])
    times = np.concatenate([window.times for window in windows])
    readings = np.ascontiguousarray(np.concatenate([window.readings[:n_required] for window in windows], axis=1).T)
    return Rows(asset, times, times, np.full(len(times), _RANK), readings)


def _telemetry(assets: Sequence[str], windows: Sequence[RequestReadings], channels: tuple[str, ...]) -> pd.DataFrame:
    lengths = [len(window.times) for window in windows]
    times = pd.DatetimeIndex(np.concatenate([window.times for window in windows]).view("datetime64[us]"), tz="UTC")
    keys: dict[str, Any] = {
        # Repeating a string is faster than converting the same one a thousand times.
        "asset": pd.array(list(assets), dtype="str").repeat(lengths),
        EVENT_TIME: times,
        "known_time": times,
        "source": pd.array([_SOURCE], dtype="str").repeat(sum(lengths)),
    }
    frame = pd.DataFrame(np.concatenate([window.readings for window in windows], axis=1).T, columns=_labels(channels))
    for place, (name, column) in enumerate(keys.items()):
        frame.insert(place, name, column)
    return frame


@lru_cache(maxsize=16)
def _labels(channels: tuple[str, ...]) -> "pd.Index[str]":
    return pd.Index(channels, dtype="str")


@lru_cache(maxsize=16)
def _empty(table: str) -> pd.DataFrame:
    return empty_table(table)


def _event_rows(windows: Sequence[Window]) -> pd.DataFrame | None:
    if not any(window.events for window in windows):
        return None
    return pd.DataFrame([_event_row(window, event, n) for window in windows for n, event in enumerate(window.events)])


def _event_row(window: Window, event: RequestEvent, number: int) -> dict[str, Any]:
    return {
        "event_id": f"sent/{window.asset}/{number}",
        "asset": window.asset,
        EVENT_TIME: event.event_time,
        "known_time": event.event_time,
        "code": event.code,
    }


def _work_order_rows(windows: Sequence[Window]) -> pd.DataFrame | None:
    if not any(window.work_orders for window in windows):
        return None
    return pd.DataFrame(
        [_work_order_row(window, order, n) for window in windows for n, order in enumerate(window.work_orders)]
    )


def _work_order_row(window: Window, order: RequestWorkOrder, number: int) -> dict[str, Any]:
    return {
        "work_order_id": order.work_order_id or f"sent/{window.asset}/{number}",
        "asset": window.asset,
        EVENT_TIME: order.event_time,
        "known_time": order.event_time,
        "kind": order.kind,
        "component": order.component,
        "finding": None,
        "prompted_by": None,
    }


def _merge(
    table: str,
    identifier: str,
    stored: pd.DataFrame,
    sent: pd.DataFrame | None,
    key: Sequence[str],
    as_of: Mapping[str, pd.Timestamp],
) -> pd.DataFrame:
    """Add the rows sent that were not stored yet at the cut-off; rows with the same key count once.

    What a correction replaced by then hides nothing: rows of one `identifier` are corrections.
    """
    if sent is None:
        return stored
    empty = _empty(table)
    rows = sent.reindex(columns=empty.columns).astype(empty.dtypes.to_dict())
    # A stored row known only after the cut-off must not hide the same one that was sent.
    cut_offs = stored["asset"].map(as_of).astype("datetime64[us, UTC]")
    current = last_corrections(stored[stored["known_time"] <= cut_offs], ["asset", identifier])
    known = set(_keys(current, key))
    is_new = []
    for values in _keys(rows, key):
        is_new.append(values not in known)
        known.add(values)
    new = rows[is_new]
    return new if stored.empty else pd.concat([stored, new], ignore_index=True)


def _keys(frame: pd.DataFrame, key: Sequence[str]) -> list[tuple[Any, ...]]:
    columns = [frame[name].astype(object).where(frame[name].notna(), None) for name in ("asset", *key)]
    return list(zip(*columns, strict=True))
