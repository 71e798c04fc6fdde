"""The Arrow payload: any message survives bit for bit, and nothing but a PayloadError comes of other bytes."""

import struct
import zlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.live.payloads.arrow_payload import decode_arrow, encode_arrow
from pipelines.live.payloads.message import TIME_TYPE, TelemetryMessage
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.schemas import (
    PayloadSchema,
    SchemaRegistry,
    decode_schema,
    encode_schema,
    payload_schema,
)

TIMES = st.integers(-62_135_596_800_000_000, 253_370_764_800_000_000 - 1)
CLOCKS = st.integers(0, 7_258_118_400_000_000 - 1)
QUALITIES = st.sampled_from(["good", "uncertain", "bad", None])


@st.composite
def messages(draw: st.DrawFn) -> TelemetryMessage:
    """Any message: float32 and float64 channels, nulls, NaN of any bits, qualities, sliced or not."""
    n = draw(st.integers(0, 12))
    columns: dict[str, pa.Array] = {"event_time": pa.array(draw(_lists(TIMES, n)), TIME_TYPE)}
    for number in range(draw(st.integers(0, 4))):
        width = draw(st.sampled_from([32, 64]))
        bits = np.array(draw(_lists(st.integers(0, 2**width - 1), n)), f"u{width // 8}")
        nulls = np.array(draw(_lists(st.booleans(), n)), bool)
        columns[f"channel_{number}"] = pa.array(bits.view(f"f{width // 8}"), mask=nulls)
        if draw(st.booleans()):
            columns[f"channel_{number}__quality"] = pa.array(draw(_lists(QUALITIES, n)), pa.string())
    rows = pa.record_batch(columns)
    schema = payload_schema("cnc", rows.schema)
    rows = rows.replace_schema_metadata(schema.columns.metadata).slice(draw(st.integers(0, n)))
    clocks = draw(CLOCKS), draw(CLOCKS)
    return TelemetryMessage(
        "a-1", clocks[0], draw(st.integers(0, 2**53 - 1)), clocks[1], "cnc", rows, draw(st.booleans())
    )


def _lists(values: st.SearchStrategy[object], n: int) -> st.SearchStrategy[list[object]]:
    return st.lists(values, min_size=n, max_size=n)


def bits_of(rows: pa.RecordBatch) -> list[object]:
    """Return what rows hold, with the bits of the numbers."""
    kinds = {pa.float32(): (pa.uint32(), "u4"), pa.float64(): (pa.uint64(), "u8")}
    held: list[object] = [rows.schema.names, [str(kind) for kind in rows.schema.types]]
    for column in rows.columns:
        kind = kinds.get(column.type)
        held.append(column.view(kind[0]).to_pylist() if kind else column.to_pylist())
    return held


def known(message: TelemetryMessage) -> tuple[PayloadSchema, SchemaRegistry]:
    """Return the schema of a message, and a registry that learned it as it was announced."""
    schema, registry = payload_schema(message.asset_type, message.rows.schema), SchemaRegistry()
    registry.learn(schema.id, encode_schema(schema))
    return schema, registry


def signed(header: bytes, body: bytes) -> bytes:
    """Return a payload with the length and checksum that its other bytes have."""
    start = header[:4] + struct.pack("<I", len(body)) + header[8:40]
    return start + struct.pack("<II", zlib.crc32(body, zlib.crc32(start)), 0) + body


@given(messages())
def test_a_message_survives_bit_for_bit(message: TelemetryMessage) -> None:
    """Encoding and decoding a message changes no bit of it."""
    schema, registry = known(message)
    decoded = decode_arrow(encode_arrow(message, schema), "a-1", registry)
    assert bits_of(decoded.rows) == bits_of(message.rows)
    for name in ("asset", "epoch", "sequence", "sent", "asset_type", "historical"):
        assert getattr(decoded, name) == getattr(message, name)
    assert decoded.channels == message.channels


@given(st.binary(max_size=200))
def test_other_bytes_are_a_payload_error(payload: bytes) -> None:
    """Whatever bytes arrive, PayloadError is all that comes of them."""
    with pytest.raises(PayloadError):
        decode_arrow(payload, "a-1", SchemaRegistry())
    with pytest.raises(PayloadError):
        decode_schema(payload)
