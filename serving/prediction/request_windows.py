"""Windows of telemetry sent with a request, made into what is read of stored ones, so that one code predicts both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract.contract import Contract, empty_table
from data_contracts.contract.twins import SOURCE_PRIORITY
from data_contracts.tables.history import History
from features.telemetry.reconciliation import Rows
from serving.http.errors import unprocessable
from serving.http.json_bodies import path_of
from serving.prediction.request_telemetry import (
    EVENT_TIME,
    Expected,
    IntArray,
    RequestReadings,
    after_cut_off,
    read_telemetry,
)
from serving.schemas.instants import microseconds_of
from serving.schemas.predict_request import RequestEvent, RequestWorkOrder, Window

_SOURCE = "physical"
_RANK = SOURCE_PRIORITY.index(_SOURCE)


@dataclass(frozen=True)
class RequestWindows:
    """Windows that were read, beside which there may be more in store.

    Parameters
    ----------
    windows
        As they were sent, one an asset, without their telemetry.
    channels
        The channels that may be sent.
    readings
        The telemetry of each.
    rows
        The telemetry of the channels that the model needs, sorted, the assets numbered as the windows.
    """

    windows: Sequence[Window]
    channels: tuple[str, ...]
    readings: Sequence[RequestReadings]
    rows: Rows

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets, in the order of the windows."""
        return tuple(window.asset for window in self.windows)

    @property
    def as_of(self) -> IntArray:
        """Their cut-offs, in microseconds since 1970."""
        return np.array([microseconds_of(window.as_of) for window in self.windows])

    def history(self, stored: History) -> History:
        """Make a history of what was sent and what is stored.

        Parameters
        ----------
        stored
            What is stored about these assets; its telemetry is left aside.

        Returns
        -------
        History
            As `data_contracts.tables.history.read_history` gives one.
        """
        as_of = {window.asset: window.as_of for window in self.windows}
        orders, told_by = _work_order_rows(self.windows), [EVENT_TIME, "kind", "component"]
        return replace(
            stored,
            channels=self.channels,
            telemetry=_telemetry(self.assets, self.readings, self.channels),
            events=_joined("events", stored.events, _event_rows(self.windows), [EVENT_TIME, "code"], as_of),
            work_orders=_joined("work_orders", stored.work_orders, orders, told_by, as_of),
        )


def read_windows(
    windows: Sequence[Window], needed: Sequence[str], contract: Contract | None, now: pd.Timestamp
) -> RequestWindows:
    """Read the windows sent.

    A reading counts as known when it happened: whoever sends it knows it.

    Parameters
    ----------
    windows
        The windows, one an asset.
    needed
        The channels that the model needs; each reading has to have them.
    contract
        The contract of the telemetry: other channels that may be sent, and the ranges of all; only `needed` if None.
    now
        The latest instant a cut-off may name.

    Returns
    -------
    RequestWindows

    Raises
    ------
    Refusal
        If a window breaks a rule; it names the field.
    """
    channels = tuple(dict.fromkeys((*needed, *(contract.channels if contract else ()))))
    expected = Expected(channels, tuple(needed), contract)
    read = [_read_window(index, window, expected, now) for index, window in enumerate(windows)]
    # As it was sent, telemetry takes ten times the room, and what was read may wait for challengers.
    bare = [window.model_copy(update={"telemetry": None}) for window in windows]
    return RequestWindows(bare, channels, read, _rows(read, len(needed)))


def check_as_of(as_of: pd.Timestamp, field: str, now: pd.Timestamp) -> None:
    """Refuse a cut-off that lies in the future.

    Parameters
    ----------
    as_of
        The cut-off.
    field
        The path of its field.
    now
        The latest instant that is allowed.

    Raises
    ------
    Refusal
        If it is later than `now`.
    """
    if as_of > now:
        raise unprocessable(field, f"{as_of.isoformat()}, in the future", "a cut-off that has passed", "Ask again then")


def _read_window(index: int, window: Window, expected: Expected, now: pd.Timestamp) -> RequestReadings:
    here = ("windows", index)
    check_as_of(window.as_of, str(path_of([*here, "as_of"])), now)
    _check_times([*here, "events"], [event.event_time for event in window.events], window.as_of)
    _check_times([*here, "work_orders"], [order.event_time for order in window.work_orders], window.as_of)
    return read_telemetry(window.telemetry, window.units, here, window.as_of, expected)


def _check_times(place: Sequence[str | int], times: Sequence[pd.Timestamp], as_of: pd.Timestamp) -> None:
    for index, time in enumerate(times):
        if time > as_of:
            raise after_cut_off(path_of([*place, index, EVENT_TIME]), microseconds_of(time), as_of)


def _rows(read: Sequence[RequestReadings], n_needed: int) -> Rows:
    """Put windows one after another: sorted by asset and time, as they came."""
    asset = np.repeat(np.arange(len(read)), [len(window.times) for window in read])
    times = np.concatenate([window.times for window in read])
    readings = np.ascontiguousarray(np.concatenate([window.readings[:n_needed] for window in read], axis=1).T)
    return Rows(asset, times, times, np.full(len(times), _RANK), readings)


def _telemetry(assets: Sequence[str], read: Sequence[RequestReadings], channels: tuple[str, ...]) -> pd.DataFrame:
    lengths = [len(window.times) for window in read]
    times = pd.DatetimeIndex(np.concatenate([w.times for w in read]).view("datetime64[us]"), tz="UTC")
    keys: dict[str, Any] = {
        # Repeating a text that is there is faster than reading the same one a thousand times.
        "asset": pd.array(list(assets), dtype="str").repeat(lengths),
        EVENT_TIME: times,
        "known_time": times,
        "source": pd.array([_SOURCE], dtype="str").repeat(sum(lengths)),
    }
    frame = pd.DataFrame(np.concatenate([window.readings for window in read], axis=1).T, columns=_labels(channels))
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


def _joined(
    table: str,
    stored: pd.DataFrame,
    sent: pd.DataFrame | None,
    told_by: Sequence[str],
    as_of: Mapping[str, pd.Timestamp],
) -> pd.DataFrame:
    """Add to the stored rows those sent that were not known by the cut-off; what is sent twice over counts once."""
    if sent is None:
        return stored
    shape = _empty(table)
    rows = sent.reindex(columns=shape.columns).astype(shape.dtypes.to_dict())
    # A stored row known only after the cut-off must not make the same one that was sent disappear.
    then = stored["asset"].map(as_of).astype("datetime64[us, UTC]")
    known = set(_keys(stored[stored["known_time"] <= then], told_by))
    fresh = []
    for key in _keys(rows, told_by):
        fresh.append(key not in known)
        known.add(key)
    new = rows[fresh]
    return new if stored.empty else pd.concat([stored, new], ignore_index=True)


def _keys(frame: pd.DataFrame, told_by: Sequence[str]) -> list[tuple[Any, ...]]:
    columns = [frame[name].astype(object).where(frame[name].notna(), None) for name in ("asset", *told_by)]
    return list(zip(*columns, strict=True))
