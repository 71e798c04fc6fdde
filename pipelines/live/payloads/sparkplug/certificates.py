"""Births and deaths of edge nodes and devices, and a host's request of a rebirth, as bytes."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from data_contracts.contract.contract_types import is_quality_column
from pipelines.live.payloads.message import EVENT_TIME
from pipelines.live.payloads.sparkplug.wire_format import definitions as sparkplug
from pipelines.live.payloads.sparkplug.wire_format.fields import (
    EIGHT_BYTES,
    FOUR_BYTES,
    bytes_field,
    varint,
    varint_field,
)
from pipelines.live.payloads.sparkplug.wire_format.metric_scan import FIELD_AT, FLAGS, HAS_NAME, VALUE_AT
from pipelines.live.payloads.sparkplug.wire_format.payload import read_payload

Value = float | int | bool | str | None


@dataclass(frozen=True)
class BirthMetric:
    """A metric as a birth announces it."""

    name: str
    datatype: int  # one of `definitions`
    value: Value = None  # None for null
    alias: int | None = None


def channel_metrics(columns: pa.Schema, asset_type: str, first_alias: int = 0) -> tuple[BirthMetric, ...]:
    """Return the metrics of an asset's birth: its type, and its channels with consecutive aliases and no value yet.

    Aliases have to be unique in the whole edge node, so that devices need different first ones.
    """
    channels = [field for field in columns if field.name != EVENT_TIME and not is_quality_column(field.name)]
    return (
        BirthMetric(sparkplug.ASSET_TYPE_NAMES[0], sparkplug.STRING, asset_type),
        *(
            BirthMetric(
                field.name,
                sparkplug.FLOAT if field.type == pa.float32() else sparkplug.DOUBLE,
                alias=first_alias + number,
            )
            for number, field in enumerate(channels)
        ),
    )


def encode_node_birth(now: int, bd_seq: int, seq: int = 0, metrics: Iterable[BirthMetric] = ()) -> bytes:
    """Return an NBIRTH; `now` in microseconds since 1970, `bd_seq` as in the will of the connection."""
    required = (
        BirthMetric(sparkplug.BIRTH_DEATH_SEQUENCE, sparkplug.INT64, bd_seq),
        BirthMetric(sparkplug.REBIRTH, sparkplug.BOOLEAN, False),
    )
    return payload_bytes(now, _metrics(now, (*required, *metrics)), seq)


def encode_device_birth(now: int, seq: int, metrics: Iterable[BirthMetric]) -> bytes:
    """Return a DBIRTH; `now` in microseconds since 1970."""
    return payload_bytes(now, _metrics(now, tuple(metrics)), seq)


def encode_node_death(bd_seq: int) -> bytes:
    """Return an NDEATH, which is set as the will of the connection; it has no sequence."""
    metric = BirthMetric(sparkplug.BIRTH_DEATH_SEQUENCE, sparkplug.INT64, bd_seq)
    return bytes_field(sparkplug.METRICS, _metric(None, metric))


def encode_device_death(now: int, seq: int) -> bytes:
    """Return a DDEATH; `now` in microseconds since 1970."""
    return payload_bytes(now, b"", seq)


def encode_rebirth(now: int) -> bytes:
    """Return the command to an edge node to send its births again; `now` in microseconds since 1970."""
    return payload_bytes(now, _metrics(now, (BirthMetric(sparkplug.REBIRTH, sparkplug.BOOLEAN, True),)), None)


def is_rebirth(payload: bytes) -> bool:
    """Return whether an NCMD asks for a rebirth; PayloadError if it cannot be read."""
    command = read_payload(payload)
    return any(
        metric[FLAGS] & HAS_NAME and metric[FIELD_AT] == sparkplug.BOOLEAN_VALUE and metric[VALUE_AT] != 0
        for row, metric in enumerate(command.metrics)
        if metric[FLAGS] & HAS_NAME and command.name(row) == sparkplug.REBIRTH
    )


def payload_bytes(now: int, metrics: bytes, seq: int | None) -> bytes:
    """Return a payload around its metrics; `now` in microseconds since 1970."""
    start = varint_field(sparkplug.TIMESTAMP, now // 1_000)
    return start + metrics + (b"" if seq is None else varint_field(sparkplug.SEQ, seq))


def _metrics(now: int, metrics: Sequence[BirthMetric]) -> bytes:
    return b"".join(bytes_field(sparkplug.METRICS, _metric(now, metric)) for metric in metrics)


def _metric(now: int | None, metric: BirthMetric) -> bytes:
    parts = [bytes_field(sparkplug.NAME, metric.name.encode())]
    if metric.alias is not None:
        parts.append(varint_field(sparkplug.ALIAS, metric.alias))
    if now is not None:
        parts.append(varint_field(sparkplug.METRIC_TIMESTAMP, now // 1_000))
    parts.append(varint_field(sparkplug.DATATYPE, metric.datatype))
    parts.append(
        varint_field(sparkplug.IS_NULL, 1) if metric.value is None else _value_field(metric.datatype, metric.value)
    )
    return b"".join(parts)


def _value_field(datatype: int, value: float | bool | str) -> bytes:
    if isinstance(value, str):
        return bytes_field(sparkplug.STRING_VALUE, value.encode())
    if datatype == sparkplug.FLOAT:
        return varint(sparkplug.FLOAT_VALUE << 3 | FOUR_BYTES) + struct.pack("<f", value)
    if datatype == sparkplug.DOUBLE:
        return varint(sparkplug.DOUBLE_VALUE << 3 | EIGHT_BYTES) + struct.pack("<d", value)
    if datatype == sparkplug.BOOLEAN:
        return varint_field(sparkplug.BOOLEAN_VALUE, int(value))
    if datatype in (sparkplug.INT64, sparkplug.UINT64):
        return varint_field(sparkplug.LONG_VALUE, int(value))
    return varint_field(sparkplug.INT_VALUE, int(value) & 0xFFFF_FFFF)
