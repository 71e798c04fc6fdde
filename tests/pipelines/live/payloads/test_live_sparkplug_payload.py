"""The Sparkplug B wire format against Google's protocol buffers: each reads what the other writes."""

import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from pipelines.live.payloads.message import TIME_TYPE, TelemetryMessage
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.sparkplug.births import Birth, read_birth
from pipelines.live.payloads.sparkplug.certificates import (
    channel_metrics,
    encode_device_birth,
    encode_device_death,
    encode_node_birth,
    encode_node_death,
    encode_rebirth,
    is_rebirth,
)
from pipelines.live.payloads.sparkplug.encode import encode_data
from pipelines.live.payloads.sparkplug.rows import Readings, any_rows, read_rows
from pipelines.live.payloads.sparkplug.wire_format import metric_scan as scan
from pipelines.live.payloads.sparkplug.wire_format.payload import SparkplugPayload, read_payload
from tests.sparkplug_protobuf import Payload

UINT32, UINT64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
VALUES = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"int_value": UINT32}),
    st.fixed_dictionaries({"long_value": UINT64}),
    st.fixed_dictionaries({"float_value": st.floats(width=32, allow_nan=False)}),
    st.fixed_dictionaries({"double_value": st.floats(allow_nan=False)}),
    st.fixed_dictionaries({"boolean_value": st.booleans()}),
    st.fixed_dictionaries({"string_value": st.text(max_size=5)}),
    st.fixed_dictionaries({"bytes_value": st.binary(max_size=5)}),
)
OPTIONAL = {
    "name": st.text(max_size=5),
    "alias": UINT64,
    "timestamp": UINT64,
    "datatype": UINT32,
    "is_historical": st.booleans(),
    "is_transient": st.booleans(),
    "is_null": st.booleans(),
}
METRICS = st.tuples(st.fixed_dictionaries({}, optional=OPTIONAL), VALUES).map(lambda parts: parts[0] | parts[1])
PAYLOADS = st.builds(
    lambda fields, metrics: Payload(**fields, metrics=metrics).SerializeToString(),
    st.fixed_dictionaries(
        {}, optional={"timestamp": st.integers(0, 10**14), "seq": st.integers(0, 255), "uuid": st.text(max_size=3)}
    ),
    st.lists(METRICS, max_size=5),
)
FIELDS = {10: "int_value", 11: "long_value", 12: "float_value", 13: "double_value", 14: "boolean_value"}
TEXTS = {15: "string_value", 16: "bytes_value"}


def check_same(payload: SparkplugPayload, oracle: Any) -> None:
    """Compare each field of each metric with what protocol buffers read."""
    assert payload.sent == (1_000 * oracle.timestamp if oracle.HasField("timestamp") else None)
    assert payload.seq == (oracle.seq if oracle.HasField("seq") else None)
    assert len(payload.metrics) == len(oracle.metrics)
    for row, (ours, theirs) in enumerate(zip(payload.metrics, oracle.metrics, strict=True)):
        flags = int(ours[scan.FLAGS])
        assert bool(flags & scan.HAS_NAME) == theirs.HasField("name")
        assert bool(flags & scan.HAS_ALIAS) == theirs.HasField("alias")
        assert bool(flags & scan.HAS_TIME) == theirs.HasField("timestamp")
        assert bool(flags & scan.HISTORICAL) == theirs.is_historical
        assert bool(flags & scan.TRANSIENT) == theirs.is_transient
        assert bool(flags & scan.NULL) == theirs.is_null
        assert int(ours[scan.ALIAS_AT]) % 2**64 == theirs.alias
        assert int(ours[scan.TIME_AT]) % 2**64 == theirs.timestamp
        assert int(ours[scan.TYPE_AT]) % 2**32 == theirs.datatype
        assert payload.name(row) == theirs.name
        assert payload.properties(row) == (
            theirs.properties.SerializeToString() if theirs.HasField("properties") else b""
        )
        field = int(ours[scan.FIELD_AT])
        assert (FIELDS | TEXTS).get(field) == theirs.WhichOneof("value")
        if field in FIELDS:
            value = getattr(theirs, FIELDS[field])
            formats = {12: ("<f", "<I"), 13: ("<d", "<Q")}
            bits = (
                struct.unpack(formats[field][1], struct.pack(formats[field][0], value))[0]
                if field in formats
                else value
            )
            assert int(ours[scan.VALUE_AT]) % (2**32 if field in (10, 12) else 2**64) == bits or field == 14
            assert field != 14 or bool(ours[scan.VALUE_AT]) == value
        elif field in TEXTS:
            at, length = int(ours[scan.VALUE_AT]), int(ours[scan.LENGTH_AT])
            value = getattr(theirs, TEXTS[field])
            assert payload.encoded[at : at + length] == (value.encode() if isinstance(value, str) else value)


@given(PAYLOADS)
def test_payloads_are_read_as_protocol_buffers_read_them(encoded: bytes) -> None:
    """Every field of a payload, its numbers bit for bit, is the one that Google's reader has."""
    check_same(read_payload(encoded), Payload.FromString(encoded))


@given(PAYLOADS, st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), max_size=4), st.integers(0, 12))
def test_damaged_payloads_are_read_alike_or_refused(encoded: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    """Of damaged payloads nothing comes but an error, or what Google's reader makes of the same bytes."""
    damaged = bytearray(encoded)
    for place, byte in changes:
        if damaged:
            damaged[place % len(damaged)] = byte
    damaged = damaged[: max(len(damaged) - cut, 0)]
    with suppress(PayloadError, DecodeError):
        payload, oracle = read_payload(bytes(damaged)), Payload.FromString(bytes(damaged))
        # Sets of properties are read when they are needed; Google's reader writes those anew.
        if all(not metric.HasField("properties") for metric in oracle.metrics):
            check_same(payload, oracle)


@given(st.binary(max_size=60))
def test_other_bytes_are_a_payload_error(encoded: bytes) -> None:
    """Of arbitrary bytes nothing comes but a payload or a PayloadError, and nothing beyond their end."""
    with suppress(PayloadError):
        payload = read_payload(encoded)
        read_birth(payload, {})
        is_rebirth(encoded)


WORDS = st.sampled_from(["good", "uncertain", "bad", None])


@st.composite
def messages(draw: st.DrawFn) -> TelemetryMessage:
    """Draw what Sparkplug can carry: whole milliseconds, each once and in order; any bits, nulls, qualities."""
    times = sorted(draw(st.sets(st.integers(0, 2**42), min_size=1, max_size=8)))
    n = len(times)
    columns: dict[str, pa.Array] = {"event_time": pa.array([1_000 * time for time in times], TIME_TYPE)}
    for number in range(draw(st.integers(1, 4))):
        width = draw(st.sampled_from([32, 64]))
        bits = np.array(draw(st.lists(st.integers(0, 2**width - 1), min_size=n, max_size=n)), f"u{width // 8}")
        nulls = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
        columns[f"channel_{number}"] = pa.array(bits.view(f"f{width // 8}"), mask=nulls)
        words = draw(st.lists(WORDS, min_size=n, max_size=n))
        if any(words):
            columns[f"channel_{number}__quality"] = pa.array(words, pa.string())
    historical, sent = draw(st.booleans()), 1_000 * draw(st.integers(0, 2**42))
    return TelemetryMessage("a-1", 0, 0, sent, "cnc", pa.record_batch(columns), historical)


def bits_of(rows: pa.RecordBatch) -> dict[str, list[object]]:
    kinds = {pa.float32(): pa.uint32(), pa.float64(): pa.uint64()}
    return {
        field.name: (column.view(kinds[field.type]) if field.type in kinds else column).to_pylist()
        for field, column in zip(rows.schema, rows.columns, strict=True)
    }


@given(messages(), st.integers(0, 2**40))
def test_data_survive_bit_for_bit(message: TelemetryMessage, first_alias: int) -> None:
    """Readings of 32 and 64 bits, nulls and qualities are the same after a way by alias; and Google reads as many."""
    metrics = channel_metrics(message.rows.schema, "cnc", first_alias)
    birth = read_birth(read_payload(encode_device_birth(message.sent, 1, metrics)), {})
    aliases = {metric.name: metric.alias for metric in metrics if metric.alias is not None}
    encoded = encode_data(message, aliases, 2)
    readings, by_any_way = read_rows(read_payload(encoded), birth), any_rows(read_payload(encoded), birth)
    assert readings is not None
    assert by_any_way is not None
    assert bits_of(by_any_way.rows) == bits_of(readings.rows)
    assert by_any_way.historical == readings.historical
    assert bits_of(readings.rows) == bits_of(message.rows)
    assert readings.historical == message.historical
    assert birth.asset_type == "cnc"
    check_same(read_payload(encoded), Payload.FromString(encoded)) if not np.isnan(_numbers(message)).any() else None
    assert len(Payload.FromString(encoded).metrics) == message.rows.num_rows * len(message.channels)


def _numbers(message: TelemetryMessage) -> np.ndarray:
    columns = [message.rows.column(name).to_numpy(zero_copy_only=False).astype(float) for name in message.channels]
    return np.concatenate(columns)


def test_certificates_as_google_reads_them() -> None:
    """Births, deaths and the request of a rebirth have what the specification wants of them."""
    now = 1_790_000_000_123_456
    columns = pa.schema({"event_time": TIME_TYPE, "x": pa.float32(), "y": pa.float64()})
    node = Payload.FromString(encode_node_birth(now, bd_seq=7))
    assert (node.timestamp, node.seq) == (1_790_000_000_123, 0)
    assert [(m.name, m.datatype, m.long_value, m.boolean_value) for m in node.metrics] == [
        ("bdSeq", 4, 7, False),
        ("Node Control/Rebirth", 11, 0, False),
    ]
    device = Payload.FromString(encode_device_birth(now, 1, channel_metrics(columns, "cnc", first_alias=16)))
    assert [(m.name, m.alias, m.datatype, m.is_null, m.string_value) for m in device.metrics] == [
        ("asset_type", 0, 12, False, "cnc"),
        ("x", 16, 9, True, ""),
        ("y", 17, 10, True, ""),
    ]
    assert all(metric.timestamp == 1_790_000_000_123 for metric in [*node.metrics, *device.metrics])
    death = Payload.FromString(encode_node_death(7))
    assert not death.HasField("seq")
    assert [(metric.name, metric.long_value) for metric in death.metrics] == [("bdSeq", 7)]
    assert Payload.FromString(encode_device_death(now, 9)).seq == 9
    rebirth = Payload.FromString(encode_rebirth(now))
    assert not rebirth.HasField("seq")
    assert [(m.name, m.datatype, m.boolean_value) for m in rebirth.metrics] == [("Node Control/Rebirth", 11, True)]
    assert is_rebirth(encode_rebirth(now))
    assert not is_rebirth(encode_node_birth(now, bd_seq=7))


@pytest.mark.parametrize("microseconds", [-1_000, 1_500])
def test_times_that_sparkplug_has_not(microseconds: int) -> None:
    """A time between milliseconds is not rounded, it is refused."""
    rows = pa.record_batch({"event_time": pa.array([microseconds], TIME_TYPE), "x": pa.array([1.0])})
    with pytest.raises(PayloadError, match=f"event_time {microseconds}"):
        encode_data(TelemetryMessage("a-1", 0, 0, 0, "cnc", rows), {"x": 1}, 2)


def test_a_channel_without_an_alias_is_not_encoded() -> None:
    """Data go by the aliases of the birth."""
    rows = pa.record_batch({"event_time": pa.array([0], TIME_TYPE), "x": pa.array([1.0])})
    with pytest.raises(PayloadError, match="channel 'x' without an alias"):
        encode_data(TelemetryMessage("a-1", 0, 0, 0, "cnc", rows), {}, 2)


METRICS_OF_DATA = st.lists(
    st.fixed_dictionaries(
        {"alias": st.integers(0, 3)},
        optional={
            "timestamp": st.integers(0, 4),
            "is_null": st.booleans(),
            "is_historical": st.booleans(),
            "is_transient": st.booleans(),
            "float_value": st.floats(width=32, allow_nan=False),
        },
    ),
    max_size=6,
)


@given(METRICS_OF_DATA, st.sampled_from([(9, 9, 9), (10, 9, 10), (3, 9, 10)]))
def test_the_fast_way_is_the_way_of_any_message(metrics: list[dict[str, Any]], datatypes: tuple[int, ...]) -> None:
    """Whatever a message holds, it is read, or refused, as by the way that has no shortcut."""
    names = [{"name": f"c{n}", "alias": n, "datatype": kind, "is_null": True} for n, kind in enumerate(datatypes)]
    birth = read_birth(read_payload(Payload(timestamp=1, seq=1, metrics=names).SerializeToString()), {})
    payload = read_payload(Payload(timestamp=1, seq=2, metrics=metrics).SerializeToString())

    def outcome(read: Callable[[SparkplugPayload, Birth], Readings | None]) -> object:
        try:
            readings = read(payload, birth)
        except PayloadError as error:
            return str(error)
        return readings and (bits_of(readings.rows), readings.historical, readings.rows.schema.types)

    assert outcome(read_rows) == outcome(any_rows)
