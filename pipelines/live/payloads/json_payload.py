"""The JSON payload: one object with a list for each column.

A number is a number or null, never a text. NaN is null, as JSON has none; infinity cannot be said.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.contract.contract_types import ALL_CHANNELS, is_quality_column, quality_column
from pipelines.live.payloads.header_values import check_event_times, check_session
from pipelines.live.payloads.json_values import (
    integer_of,
    json_bytes,
    json_object,
    list_of,
    object_of,
    refused,
    shown,
    shown_name,
    text_of,
)
from pipelines.live.payloads.message import (
    EVENT_TIME,
    QUALITY_TYPE,
    TIME_TYPE,
    TelemetryMessage,
    column_problem,
)

_FIELDS = ("asset_type", "epoch", "sequence", "sent", "event_time", "channels", "historical", "quality")
_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS: frozenset[type] = frozenset({float, int, type(None)})
_WORDS: frozenset[type] = frozenset({str, int, type(None)})


def encode_json(message: TelemetryMessage) -> bytes:
    """Return a message as bytes; PayloadError for an infinite reading. Numbers of float32 are written exactly."""
    check_session(message.epoch, message.sequence, message.sent)
    qualities = {_channel_of(name): name for name in message.rows.schema.names if is_quality_column(name)}
    document: dict[str, Any] = {
        "asset_type": message.asset_type,
        "epoch": message.epoch,
        "sequence": message.sequence,
        "sent": message.sent,
        "event_time": message.rows.column(EVENT_TIME).cast(pa.int64()).to_pylist(),
        "channels": {name: _finite(name, message.rows.column(name)) for name in message.channels},
    }
    if qualities:
        document["quality"] = {channel: message.rows.column(name).to_pylist() for channel, name in qualities.items()}
    return json_bytes(document | ({"historical": True} if message.historical else {}))


def decode_json(payload: bytes, asset: str) -> TelemetryMessage:
    """Read a message; its channels are float64. PayloadError with the field's path for whatever is not one."""
    fields = json_object(payload)
    for name in fields:
        if name not in _FIELDS:
            raise refused("wrong format", shown_name(name), "an unknown field", f"one of {', '.join(_FIELDS)}")
    asset_type = text_of(fields, "asset_type")
    if not asset_type:
        raise refused("invalid value", "asset_type", "an empty text", "an asset type")
    epoch, sequence, sent = (integer_of(fields, name) for name in ("epoch", "sequence", "sent"))
    check_session(epoch, sequence, sent)
    historical = fields.get("historical", False)
    if not isinstance(historical, bool):
        raise refused("invalid value", "historical", shown(historical), "true or false")
    return TelemetryMessage(asset, epoch, sequence, sent, asset_type, _rows(fields), historical)


def _rows(fields: dict[str, Any]) -> pa.RecordBatch:
    times = _times(list_of(fields, "event_time", EVENT_TIME))
    columns = {EVENT_TIME: times}
    channels = object_of(fields, "channels")
    for name in channels:
        path = f"channels.{shown_name(name)}"
        if problem := column_problem(name):
            raise refused("invalid value", path, problem, "the name of a channel")
        columns[name] = _numbers(_as_long(list_of(channels, name, path), len(times), path), path)
    qualities = object_of(fields, "quality") if "quality" in fields else {}
    for channel in qualities:
        path = f"quality.{shown_name(channel)}"
        if channel != ALL_CHANNELS and channel not in channels:
            raise refused("invalid value", path, "no channel of this name", f'a channel, or "{ALL_CHANNELS}" for all')
        words = _as_long(list_of(qualities, channel, path), len(times), path)
        columns[quality_column(channel)] = _words(words, path)
    return pa.record_batch(columns)


def _times(values: list[Any]) -> pa.Array:
    if set(map(type, values)) != {int}:
        values = [_microseconds(value, f"{EVENT_TIME}[{number}]") for number, value in enumerate(values)]
    try:
        times = pa.array(values, pa.int64())
    except (pa.ArrowException, OverflowError) as error:
        raise refused("absurd time", EVENT_TIME, "a number beyond 64 bits", "microseconds since 1970") from error
    check_event_times(np.asarray(times))
    return times.cast(TIME_TYPE)


def _microseconds(value: Any, path: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        if time is not None and time.tzinfo is not None:
            return (time - _1970) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        pass
    raise refused("invalid value", path, shown(value), "whole microseconds since 1970, or ISO 8601 with an offset or Z")


def _as_long(values: list[Any], length: int, path: str) -> list[Any]:
    if len(values) != length:
        raise refused("unequal lengths", path, f"{len(values)} values", f"{length}, as in {EVENT_TIME}")
    return values


def _numbers(values: list[Any], path: str) -> pa.Array:
    _check_types(values, _NUMBERS, path, "a number or null")
    try:
        return pa.array(values, pa.float64())
    except (pa.ArrowException, OverflowError) as error:
        raise refused(
            "invalid value", path, "a whole number of 2**53 or more", "a smaller one: it is rounded"
        ) from error


def _words(values: list[Any], path: str) -> pa.Array:
    _check_types(values, _WORDS, path, "a quality's word, its number, or null")
    return pa.array([str(value) if isinstance(value, int) else value for value in values], QUALITY_TYPE)


def _check_types(values: list[Any], allowed: frozenset[type], path: str, expected: str) -> None:
    # Of all values at once: looking at each by itself would take longer than reading the document.
    if not set(map(type, values)) <= allowed:
        number, value = next((n, value) for n, value in enumerate(values) if type(value) not in allowed)
        raise refused("invalid value", f"{path}[{number}]", shown(value), expected)


def _finite(name: str, column: pa.Array) -> list[float | None]:
    numbers: list[float | None] = column.cast(pa.float64()).to_pylist()
    if pc.any(pc.is_inf(column)).as_py():
        raise refused("invalid value", f"channels.{name}", "an infinite reading", "a finite one, or null")
    return numbers


def _channel_of(quality: str) -> str:
    return quality.removesuffix(quality_column(ALL_CHANNELS)) or ALL_CHANNELS
