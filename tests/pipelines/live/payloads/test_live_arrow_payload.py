"""The Arrow payload: any message survives bit for bit, and nothing but a PayloadError comes of other bytes."""

import struct
import zlib
from contextlib import suppress

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


@given(messages(), st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), max_size=8), st.integers(0, 60))
def test_damaged_bytes_are_a_payload_error(message: TelemetryMessage, changes: list[tuple[int, int]], cut: int) -> None:
    """Damage is found by its checksum; under a right checksum it is rows that can be read, or an error."""
    schema, registry = known(message)
    valid = encode_arrow(message, schema)
    damaged = bytearray(valid)
    for place, byte in changes:
        damaged[place % len(damaged)] = byte
    damaged = damaged[: len(damaged) - cut]
    if damaged != valid:
        with pytest.raises(PayloadError):
            decode_arrow(bytes(damaged), "a-1", registry)
    # As if the damage had been there before the checksum was made.
    with suppress(PayloadError):
        bits_of(decode_arrow(signed(bytes(damaged[:48]), bytes(damaged[48:])), "a-1", registry).rows)
    announced = bytearray(encode_schema(schema))
    for place, byte in changes:
        announced[place % len(announced)] = byte
    with suppress(PayloadError):
        decode_schema(bytes(announced[: len(announced) - cut]))


def _example(**columns: pa.Array) -> TelemetryMessage:
    rows = pa.record_batch({"event_time": pa.array([1_790_000_000_000_000], TIME_TYPE), **columns})
    return TelemetryMessage("a-1", 7, 3, 9, "cnc", rows)


@pytest.mark.parametrize(
    ("place", "byte", "reason", "message"),
    [
        (0, 65, "wrong format", r"begins with b'AW'\. Expected b'FW'"),
        (2, 2, "unknown version", r"version 2\. Expected 1"),
        (3, 2, "wrong format", r"flags 0x2"),
        (4, 0, "cut short", r"bytes after the header\. Expected \d+, as it says"),
        (8, 0, "unknown schema id", r"schema id 00"),
        (23, 255, "absurd time", r"epoch -"),
        (31, 255, "invalid value", r"sequence -"),
        (39, 127, "absurd time", r"sent 9151314442816847881"),
    ],
)
def test_what_is_wrong_in_the_header_is_named(place: int, byte: int, reason: str, message: str) -> None:
    """Each field of the header is checked, and named."""
    example = _example(x=pa.array([1.5]))
    schema, registry = known(example)
    payload = bytearray(encode_arrow(example, schema))
    payload[place] = byte
    if place not in (0, 2, 3, 4):
        payload = bytearray(signed(bytes(payload[:48]), bytes(payload[48:])))
    with pytest.raises(PayloadError, match=message) as caught:
        decode_arrow(bytes(payload), "a-1", registry)
    assert caught.value.reason == reason


def test_a_flipped_bit_is_found() -> None:
    """One bit of a reading that changes on the way is no reading."""
    example = _example(x=pa.array([1.5]))
    schema, registry = known(example)
    payload = bytearray(encode_arrow(example, schema))
    payload[-1] ^= 1
    with pytest.raises(PayloadError, match="another CRC-32"):
        decode_arrow(bytes(payload), "a-1", registry)


def test_compressed_rows_are_refused() -> None:
    """A few compressed bytes can claim any amount of memory."""
    rows = pa.record_batch({"event_time": pa.array(range(1000), TIME_TYPE), "x": pa.array(np.zeros(1000))})
    example = TelemetryMessage("a-1", 7, 3, 9, "cnc", rows)
    schema, registry = known(example)
    sink = pa.BufferOutputStream()
    for compression in ("zstd", "lz4"):
        options = pa.ipc.IpcWriteOptions(compression=compression)
        with pa.ipc.new_stream(sink := pa.BufferOutputStream(), rows.schema, options=options) as writer:
            writer.write_batch(rows)
        reader = pa.ipc.MessageReader.open_stream(sink.getvalue())
        reader.read_next_message()
        body = reader.read_next_message().serialize().to_pybytes()
        assert pa.ipc.read_record_batch(pa.py_buffer(body), rows.schema).equals(rows)
        with pytest.raises(PayloadError, match="a compressed record batch"):
            decode_arrow(signed(encode_arrow(example, schema)[:48], body), "a-1", registry)


def test_a_row_without_a_time_is_refused() -> None:
    """A reading of no time is no reading, and a time beyond the calendar neither."""
    schema = payload_schema("cnc", _example().rows.schema)
    registry = SchemaRegistry()
    registry.add(schema)
    for times, message in (([None], "1 rows without event_time"), ([2**62], "event_time 4611686018427387904")):
        rows = pa.record_batch({"event_time": pa.array(times, TIME_TYPE)})
        payload = encode_arrow(TelemetryMessage("a-1", 7, 3, 9, "cnc", rows), schema)
        with pytest.raises(PayloadError, match=message):
            decode_arrow(payload, "a-1", registry)


def test_rows_of_another_schema_are_not_encoded() -> None:
    """A message says the schema that its rows have."""
    schema = payload_schema("cnc", _example(x=pa.array([1.5])).rows.schema)
    for other in (_example(x=pa.array([1.5], pa.float32())), _example(y=pa.array([1.5]))):
        with pytest.raises(PayloadError, match="rows of cnc with the columns"):
            encode_arrow(other, schema)


@pytest.mark.parametrize(
    ("asset_type", "columns", "message"),
    [
        ("", {"event_time": TIME_TYPE}, "no asset type"),
        ("cnc", {}, "no columns"),
        ("cnc", {"x": pa.float64()}, "x: double as the first column"),
        ("cnc", {"event_time": pa.timestamp("ns", "UTC")}, r"event_time: timestamp\[ns, tz=UTC\] as the first"),
        ("cnc", {"event_time": TIME_TYPE, "x": pa.int64()}, "column 'x' of type int64"),
        ("cnc", {"event_time": TIME_TYPE, "x__quality": pa.float64()}, "column 'x__quality' of type double"),
        ("cnc", {"event_time": TIME_TYPE, "source": pa.float64()}, "a channel named like the column source"),
    ],
)
def test_a_schema_that_is_none(asset_type: str, columns: dict[str, pa.DataType], message: str) -> None:
    """What no message can have is refused when it is announced."""
    with pytest.raises(PayloadError, match=message):
        payload_schema(asset_type, pa.schema(columns))
    announced = pa.schema(columns).with_metadata({"asset_type": asset_type}).serialize().to_pybytes()
    with pytest.raises(PayloadError, match=message):
        decode_schema(announced)


def test_a_schema_has_the_id_of_its_content() -> None:
    """The id is that of asset type, names and types in order; another one, or another order, has another id."""
    columns = {"event_time": TIME_TYPE, "x": pa.float64(), "y": pa.float32()}
    others = [
        ("cnc", {**columns, "y": pa.float64()}),
        ("lathe", columns),
        ("cnc", {"event_time": TIME_TYPE, "y": pa.float32(), "x": pa.float64()}),
    ]
    schema = payload_schema("cnc", pa.schema(columns))
    ids = {schema.id, *(payload_schema(kind, pa.schema(other)).id for kind, other in others)}
    assert len(ids) == 4
    assert schema.id == "06864edd905870ff"
    with pytest.raises(PayloadError, match="the schema announced as"):
        SchemaRegistry().learn("0" * 16, encode_schema(schema))
