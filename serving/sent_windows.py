"""Windows of telemetry sent with a request, made into a history like the stored one, so that one code reads both."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract import Contract, empty_table
from data_contracts.history import History
from serving.refusals import Refusal, unprocessable
from serving.schemas import INSTANT_EXPECTED, SentEvent, SentWorkOrder, Window, parse_instant, path_of, show

EVENT_TIME = "event_time"
_NUMBER = "a finite number, or null for no reading"
_CHANNEL_TYPES = {float, int, type(None)}


def build_history(
    windows: Sequence[Window], stored: History, needed: Sequence[str], contract: Contract | None, now: pd.Timestamp
) -> History:
    """Make one history of the windows sent, and of what is stored about their assets besides telemetry.

    A reading counts as known when it happened: whoever sends it knows it.

    Parameters
    ----------
    windows
        The windows, one an asset.
    stored
        What is stored about these assets; its telemetry is left aside.
    needed
        The channels that the model needs; each reading has to have them.
    contract
        The contract of the telemetry: other channels that may be sent, and the ranges of all; only `needed` if None.
    now
        The latest instant a cut-off may name.

    Returns
    -------
    History
        The history.

    Raises
    ------
    Refusal
        If a window breaks a rule; it names the field.
    """
    channels = tuple(dict.fromkeys((*needed, *(contract.channels if contract else ()))))
    frames = [_read_window(index, window, channels, needed, contract, now) for index, window in enumerate(windows)]
    telemetry = pd.concat(frames, ignore_index=True)
    as_of = {window.asset: window.as_of for window in windows}
    orders, told_by = _work_order_rows(windows), [EVENT_TIME, "kind", "component"]
    return replace(
        stored,
        channels=channels,
        telemetry=telemetry,
        events=_joined("events", stored.events, _event_rows(windows), [EVENT_TIME, "code"], as_of),
        work_orders=_joined("work_orders", stored.work_orders, orders, told_by, as_of),
    )


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


def _read_window(
    index: int,
    window: Window,
    channels: Sequence[str],
    needed: Sequence[str],
    contract: Contract | None,
    now: pd.Timestamp,
) -> pd.DataFrame:
    here = ("windows", index)
    check_as_of(window.as_of, str(path_of([*here, "as_of"])), now)
    _check_times([*here, "events"], [event.event_time for event in window.events], window.as_of)
    _check_times([*here, "work_orders"], [order.event_time for order in window.work_orders], window.as_of)
    rows, place = window.telemetry, (*here, "telemetry")
    _check_names(rows, place, channels, needed)
    times = _read_times(rows, place, window.as_of)
    columns = {channel: _read_channel(rows, channel, place, contract) for channel in channels}
    for channel in needed:
        if np.isnan(columns[channel]).all():
            raise unprocessable(path_of(place), f"no reading of {channel}", "at least one", "Send a reading of it")
    return pd.DataFrame(
        {"asset": window.asset, EVENT_TIME: times, "known_time": times, "source": "physical", **columns}
    )


def _check_times(place: Sequence[str | int], times: Sequence[pd.Timestamp], as_of: pd.Timestamp) -> None:
    for index, time in enumerate(times):
        if time > as_of:
            raise _after_cut_off([*place, index, EVENT_TIME], time.isoformat(), as_of)


def _check_names(
    rows: Sequence[Mapping[str, Any]], place: tuple[str | int, ...], channels: Sequence[str], needed: Sequence[str]
) -> None:
    known, wanted = {EVENT_TIME, *channels}, {EVENT_TIME, *needed}
    for index, row in enumerate(rows):
        names = row.keys()
        if not names <= known:
            name = next(name for name in names if name not in known)
            raise unprocessable(
                path_of([*place, index, name]), "an unknown channel", f"only {', '.join(channels)}", "Remove it"
            )
        if not wanted <= names:
            name = next(name for name in (EVENT_TIME, *needed) if name not in names)
            expected = "a reading of every channel the model uses, null where there is none"
            raise unprocessable(path_of([*place, index, name]), "nothing", expected, "Add it")


def _read_times(
    rows: Sequence[Mapping[str, Any]], place: tuple[str | int, ...], as_of: pd.Timestamp
) -> "pd.DatetimeIndex":
    times = []
    for index, row in enumerate(rows):
        try:
            times.append(parse_instant(row[EVENT_TIME]))
        except ValueError:
            raise unprocessable(path_of([*place, index, EVENT_TIME]), show(row[EVENT_TIME]), INSTANT_EXPECTED) from None
    for index, (earlier, later) in enumerate(pairwise(times), start=1):
        if later <= earlier:
            raise unprocessable(
                path_of([*place, index, EVENT_TIME]),
                f"{later.isoformat()}, not after the reading before it",
                "readings in order of time, each instant once",
                "Sort them, and send one reading an instant",
            )
    if times[-1] > as_of:
        late = next(index for index, time in enumerate(times) if time > as_of)
        raise _after_cut_off([*place, late, EVENT_TIME], times[late].isoformat(), as_of)
    return pd.DatetimeIndex(times).tz_convert("UTC").as_unit("us")


def _read_channel(
    rows: Sequence[Mapping[str, Any]], channel: str, place: tuple[str | int, ...], contract: Contract | None
) -> npt.NDArray[np.float64]:
    values = [row.get(channel) for row in rows]
    if not set(map(type, values)) <= _CHANNEL_TYPES:
        index = next(index for index, value in enumerate(values) if type(value) not in _CHANNEL_TYPES)
        raise unprocessable(path_of([*place, index, channel]), show(values[index]), _NUMBER)
    missing = np.fromiter((value is None for value in values), dtype=np.bool_, count=len(values))
    try:
        numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    except OverflowError:  # a whole number beyond what a float holds
        numbers = np.array([np.nan if value is None else _as_float(value) for value in values], dtype=np.float64)
    limit = contract.column(channel) if contract else None
    low = -np.inf if limit is None or limit.minimum is None else limit.minimum
    high = np.inf if limit is None or limit.maximum is None else limit.maximum
    finite = np.isfinite(numbers)
    wrong = ~missing & ~(finite & (numbers >= low) & (numbers <= high))
    if wrong.any():
        index = int(wrong.argmax())
        unit = f" {limit.unit}" if limit is not None and limit.unit else ""
        expected = f"{low:g} to {high:g}{unit}" if finite[index] else _NUMBER
        raise unprocessable(path_of([*place, index, channel]), show(values[index]), expected)
    return numbers


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf


def _after_cut_off(place: Sequence[str | int], time: str, as_of: pd.Timestamp) -> Refusal:
    return unprocessable(
        path_of(place), f"{time}, after as_of", f"nothing later than {as_of.isoformat()}", "Send what was known by then"
    )


def _event_rows(windows: Sequence[Window]) -> pd.DataFrame:
    return pd.DataFrame([_event_row(window, event, n) for window in windows for n, event in enumerate(window.events)])


def _event_row(window: Window, event: SentEvent, number: int) -> dict[str, Any]:
    return {
        "event_id": f"sent/{window.asset}/{number}",
        "asset": window.asset,
        EVENT_TIME: event.event_time,
        "known_time": event.event_time,
        "code": event.code,
    }


def _work_order_rows(windows: Sequence[Window]) -> pd.DataFrame:
    return pd.DataFrame(
        [_work_order_row(window, order, n) for window in windows for n, order in enumerate(window.work_orders)]
    )


def _work_order_row(window: Window, order: SentWorkOrder, number: int) -> dict[str, Any]:
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
    table: str, stored: pd.DataFrame, sent: pd.DataFrame, told_by: Sequence[str], as_of: Mapping[str, pd.Timestamp]
) -> pd.DataFrame:
    """Add to the stored rows those sent that were not known by the cut-off; what is sent twice over counts once."""
    if sent.empty:
        return stored
    shape = empty_table(table)
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
