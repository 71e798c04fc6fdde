"""The JSON payload: what can be said in JSON survives exactly; anything else is refused with the field's path."""

import json
import math
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.streams.sessions import StreamGap
from pipelines.live.payloads.confirmations import Confirmation, decode_confirmation, encode_confirmation
from pipelines.live.payloads.gap_notices import decode_gap, encode_gap
from pipelines.live.payloads.json_payload import decode_json, encode_json
from pipelines.live.payloads.message import TIME_TYPE, TelemetryMessage
from pipelines.live.payloads.payload_error import PayloadError

VALID: dict[str, Any] = {
    "asset_type": "cnc",
    "epoch": 1_790_000_000_000_000,
    "sequence": 3,
    "sent": 1_790_000_001_000_000,
    "event_time": [1_790_000_000_000_000, 1_790_000_000_010_000],
    "channels": {"vibration": [0.25, None], "current": [1, 2.5]},
    "quality": {"vibration": ["good", "bad"], "*": [192, None]},
}
NAMES = st.text(min_size=1, max_size=8).filter(
    lambda name: not name.endswith("__quality") and name not in ("asset", "event_time", "known_time", "source")
)
FLOATS = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))


@st.composite
def messages(draw: st.DrawFn) -> TelemetryMessage:
    n = draw(st.integers(0, 8))
    columns = {
        "event_time": pa.array(draw(st.lists(st.integers(-(10**16), 10**16), min_size=n, max_size=n)), TIME_TYPE)
    }
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        columns[name] = pa.array(draw(st.lists(FLOATS, min_size=n, max_size=n)), pa.float64())
        if draw(st.booleans()):
            words = st.lists(st.sampled_from(["good", "bad", None]), min_size=n, max_size=n)
            columns[f"{name}__quality"] = pa.array(draw(words), pa.string())
    clock = st.integers(0, 7 * 10**15)
    sequence, historical = draw(st.integers(0, 2**53 - 1)), draw(st.booleans())
    return TelemetryMessage("a-1", draw(clock), sequence, draw(clock), "cnc", pa.record_batch(columns), historical)


@given(messages())
def test_a_message_survives_exactly(message: TelemetryMessage) -> None:
    """What is finite or null comes back the same, with the sign of zero."""
    decoded = decode_json(encode_json(message), "a-1")
    assert {name: column.to_pylist() for name, column in zip(decoded.rows.schema.names, decoded.rows, strict=True)} == {
        name: column.to_pylist() for name, column in zip(message.rows.schema.names, message.rows, strict=True)
    }
    for name in message.channels:
        signs = [
            [value and math.copysign(1, value) for value in rows.column(name).to_pylist()]
            for rows in (decoded.rows, message.rows)
        ]
        assert signs[0] == signs[1]
    for name in ("asset", "epoch", "sequence", "sent", "asset_type", "historical"):
        assert getattr(decoded, name) == getattr(message, name)


def test_float32_has_the_same_value_as_in_any_payload() -> None:
    """A float32 is written with the value it has, not with the shortest text that would give it again."""
    rows = pa.record_batch({"event_time": pa.array([0], TIME_TYPE), "x": pa.array([0.1], pa.float32())})
    decoded = decode_json(encode_json(TelemetryMessage("a-1", 0, 0, 0, "cnc", rows)), "a-1")
    assert decoded.rows.column("x").to_pylist() == rows.column("x").cast(pa.float64()).to_pylist()


def test_no_number_is_null_and_infinity_cannot_be_said() -> None:
    """NaN becomes null; an infinite reading is an error at the edge, not a silent null."""

    def encoded(value: float) -> bytes:
        rows = pa.record_batch({"event_time": pa.array([0], TIME_TYPE), "x": pa.array([value], pa.float64())})
        return encode_json(TelemetryMessage("a-1", 0, 0, 0, "cnc", rows))

    assert decode_json(encoded(math.nan), "a-1").rows.column("x").null_count == 1
    with pytest.raises(PayloadError, match=r"channels\.x: an infinite reading"):
        encoded(-math.inf)


def test_a_valid_document() -> None:
    """Whole numbers are numbers, qualities may be words or numbers, and times may be texts with an offset."""
    texts = ["2026-09-21T14:13:20Z", "2026-09-21T16:13:20.010+02:00"]
    for times in (VALID["event_time"], texts):
        rows = decode_json(json.dumps(VALID | {"event_time": times}).encode(), "a-1").rows
        assert rows.column("event_time").cast(pa.int64()).to_pylist() == VALID["event_time"]
    assert rows.drop_columns("event_time").to_pydict() == {
        "vibration": [0.25, None],
        "vibration__quality": ["good", "bad"],
        "current": [1.0, 2.5],
        "__quality": ["192", None],
    }


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        ({"channels": {"x": [1.0, "NaN"]}}, "invalid value", r"channels\.x\[1\]: 'NaN'"),
        ({"channels": {"x": [True, 1.0]}}, "invalid value", r"channels\.x\[0\]: True"),
        ({"channels": {"x": [2**53 + 1, 1]}}, "invalid value", r"channels\.x: a whole number"),
        ({"channels": {"x": [1.0]}}, "unequal lengths", r"channels\.x: 1 values\. Expected 2"),
        ({"channels": {"x": 1.0}}, "invalid value", r"channels\.x: 1\.0\. Expected a list"),
        ({"channels": {"asset": [1, 2]}}, "invalid value", r"channels\.asset: a channel named like the column"),
        ({"channels": {"x__quality": [1, 2]}}, "invalid value", r"channels\.x__quality: a channel named like"),
        ({"quality": {"vibration": ["good", 1.5]}}, "invalid value", r"quality\.vibration\[1\]: 1\.5"),
        ({"quality": {"other": ["good", "bad"]}}, "invalid value", r"quality\.other: no channel"),
        ({"quality": {"*": ["good"]}}, "unequal lengths", r"quality\.\*: 1 values"),
        ({"event_time": [1.5, 2]}, "invalid value", r"event_time\[0\]: 1\.5"),
        ({"event_time": ["2026-09-21T14:13:20", 2]}, "invalid value", r"event_time\[0\]: '2026-.*offset or Z"),
        ({"event_time": [0, 2**63]}, "absurd time", r"event_time: a number beyond 64 bits"),
        ({"event_time": [0, 2**62]}, "absurd time", r"event_time 4611686018427387904"),
        ({"sent": 2**62}, "absurd time", r"sent 4611686018427387904"),
        ({"epoch": -1}, "absurd time", r"epoch -1"),
        ({"sequence": -1}, "invalid value", r"sequence -1"),
        ({"sequence": 1.0}, "invalid value", r"sequence: 1\.0\. Expected a whole number"),
        ({"sequence": None}, "invalid value", r"sequence: None"),
        ({"asset_type": ""}, "invalid value", r"asset_type: an empty text"),
        ({"historical": 1}, "invalid value", r"historical: 1\. Expected true or false"),
        ({"qualities": {}}, "wrong format", r"qualities: an unknown field"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], reason: str, message: str) -> None:
    """Each wrong value is refused with its path, what it is and what it should be."""
    with pytest.raises(PayloadError, match=message) as caught:
        decode_json(json.dumps({**VALID, "quality": {}, **change}).encode(), "a-1")
    assert caught.value.reason == reason


@pytest.mark.parametrize("name", ["asset_type", "epoch", "sequence", "sent", "event_time", "channels"])
def test_a_missing_field_is_named(name: str) -> None:
    """A field that is not there is not guessed."""
    with pytest.raises(PayloadError, match=rf"{name}: nothing"):
        decode_json(json.dumps({field: value for field, value in VALID.items() if field != name}).encode(), "a-1")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(sorted(VALID)), ANYTHING, max_size=3), st.binary(max_size=50))
def test_other_bytes_are_a_payload_error(changes: dict[str, Any], noise: bytes) -> None:
    """Of mutated documents and arbitrary bytes nothing comes but a message or a PayloadError."""
    mutated = json.dumps(VALID | changes).encode()
    for decode in (decode_json, decode_gap, lambda payload, _: decode_confirmation(payload)):
        for payload in (mutated, mutated[: len(noise) * 7], noise):
            with suppress(PayloadError):
                decode(payload, "a-1")


def test_confirmations_and_notices_survive() -> None:
    """A confirmation and an edge's notice come back as they were."""
    confirmation = Confirmation(1_790_000_000_000_000, 41)
    assert decode_confirmation(encode_confirmation(confirmation)) == confirmation
    for gap in (
        StreamGap("a-1", 7, "edge_dropped", 3, 9, 100, 900, "the spool is full"),
        StreamGap("a-1", 7, "agent_buffer", None, None, 100, 900),
    ):
        assert decode_gap(encode_gap(gap), "a-1") == gap


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"from_sequence": 9, "to_sequence": 3}, r"to_sequence: 3, before from_sequence 9"),
        ({"to_sequence": None}, r"to_sequence: one of from_sequence and to_sequence"),
        ({"kind": "late"}, r"kind: 'late'\. Expected edge_dropped, with sequences"),
        ({"from_sequence": None, "to_sequence": None}, r"kind: 'edge_dropped'\. Expected agent_buffer, gap, restart"),
        ({"detail": 3}, r"detail: 3"),
        ({"epoch": "7"}, r"epoch: '7'"),
        ({"from_sequence": -1}, r"from_sequence: -1\. Expected a whole number from 0"),
        ({"last_event_time": 2**62}, r"last_event_time: 4611686018427387904"),
    ],
)
def test_a_wrong_notice_is_named(change: dict[str, Any], message: str) -> None:
    """A notice that says nothing consistent is refused with the field's path."""
    valid = {"epoch": 7, "from_sequence": 3, "to_sequence": 9, "kind": "edge_dropped", "detail": ""}
    with pytest.raises(PayloadError, match=message):
        decode_gap(json.dumps(valid | change).encode(), "a-1")
