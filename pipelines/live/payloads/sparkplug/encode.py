"""Sparkplug B data of an edge node, by alias; births and deaths are in `certificates`."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_contracts.contract.contract_types import quality_column
from pipelines.live.payloads.message import EVENT_TIME, TelemetryMessage
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.sparkplug.certificates import payload_bytes
from pipelines.live.payloads.sparkplug.wire_format.metric_write import LARGEST_METRIC, write_metrics
from pipelines.live.payloads.sparkplug.wire_format.payload import unlike_specification
from pipelines.live.payloads.sparkplug.wire_format.properties import quality_properties

Integers = npt.NDArray[np.int64]


def encode_data(message: TelemetryMessage, aliases: Mapping[str, int], seq: int) -> bytes:
    """Return an NDATA or DDATA: a metric for each row and channel, null ones with is_null; epoch is in the birth.

    PayloadError for a channel without an alias, a time that is not of whole milliseconds since 1970, and a quality that
    Sparkplug has no code for.
    """
    channels = message.channels
    if missing := [channel for channel in channels if channel not in aliases]:
        raise unlike_specification(f"channel {missing[0]!r} without an alias", "one for each, as in the birth")
    n = message.rows.num_rows
    values, doubles, nulls = np.zeros((n, len(channels)), np.int64), np.zeros(len(channels), bool), []
    for number, channel in enumerate(channels):
        column = message.rows.column(channel)
        doubles[number] = column.type == pa.float64()
        values[:, number] = _bits(column)
        nulls.append(_nulls(column))
    sets, properties = _qualities(message, channels)
    bounds = np.cumsum([0, *map(len, properties)])
    out = np.empty(values.size * (LARGEST_METRIC + max(map(len, properties))), np.uint8)
    size = write_metrics(
        out,
        np.tile(np.array([aliases[channel] for channel in channels], np.int64), n),
        np.repeat(_milliseconds(message.rows.column(EVENT_TIME)), len(channels)),
        np.tile(doubles, n),
        values.reshape(-1),
        np.stack(nulls, axis=1).reshape(-1) if nulls else np.empty(0, bool),
        sets.reshape(-1),
        np.frombuffer(b"".join(properties), np.uint8),
        bounds,
        message.historical,
    )
    return payload_bytes(message.sent, out[:size].tobytes(), seq)


def _bits(column: pa.Array) -> Integers:
    width = column.type.bit_width // 8
    held = np.frombuffer(column.buffers()[1] or b"", f"<i{width}", len(column), width * column.offset)
    return held.astype(np.int64)


def _nulls(column: pa.Array) -> npt.NDArray[np.bool_]:
    if not column.null_count:
        return np.zeros(len(column), bool)
    nulls: npt.NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    return nulls


def _milliseconds(times: pa.Array) -> Integers:
    microseconds: Integers = times.cast(pa.int64()).to_numpy()
    if (wrong := (microseconds % 1_000 != 0) | (microseconds < 0)).any():
        raise PayloadError(
            "absurd time",
            f"event_time {microseconds[wrong][0]}",
            "whole milliseconds since 1970, as Sparkplug has",
            "Send finer times as an Arrow or JSON payload",
        )
    return microseconds // 1_000


def _qualities(message: TelemetryMessage, channels: tuple[str, ...]) -> tuple[Integers, list[bytes]]:
    """Return for each row and channel which properties it has, of those returned with it; the first are none."""
    sets = np.zeros((message.rows.num_rows, len(channels)), np.int64)
    known: dict[str | None, int] = {None: 0}
    for number, channel in enumerate(channels):
        name = quality_column(channel)
        if name in message.rows.schema.names:
            words = message.rows.column(name).to_pylist()
            sets[:, number] = [known.setdefault(word, len(known)) for word in words]
    return sets, [b"", *(quality_properties(word) for word in known if word is not None)]
