"""Commands and answers as JSON: what is sent is read again, and no bytes are more than an error."""

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.records.twin_records import TwinCommand
from pipelines.live.payloads.commands import (
    CommandAnswer,
    ReceivedCommand,
    decode_answer,
    decode_command,
    encode_answer,
    encode_command,
)
from pipelines.live.payloads.payload_error import PayloadError

AT = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)


@given(VALUES, st.integers(1, 10**9))
def test_a_command_is_read_as_it_was_written(value: Any, number: int) -> None:
    """Whatever its value is."""
    fields = ("m1", number, 7, "limit", "set_point", value, "bar", "p1", AT, AT, AT + pd.Timedelta("1h"))
    command = TwinCommand("c" * 32, *fields, "pending", 0, AT, None, None, None)
    ends = int((AT + pd.Timedelta("1h")).timestamp() * 1e6)
    assert decode_command(encode_command(command)) == ReceivedCommand(
        "c" * 32, "set_point", "limit", value, number, ends
    )


@given(st.text(max_size=99), st.booleans(), st.none() | st.text(max_size=99))
def test_an_answer_is_read_as_it_was_written(command_id: str, accepted: bool, reason: str | None) -> None:
    """But for characters that no database takes."""
    clean = None if reason is None else reason.replace("\x00", " ")
    answer = decode_answer(encode_answer(CommandAnswer(command_id, accepted, reason)))
    assert answer == CommandAnswer(command_id.replace("\x00", " "), accepted, clean)


@given(
    st.binary() | st.recursive(st.none() | st.text() | st.booleans(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_any_bytes_are_an_error_at_most(payload: bytes) -> None:
    """Of the one kind."""
    for decode in (decode_answer, decode_command):
        with pytest.raises(PayloadError):
            decode(payload)


@pytest.mark.parametrize(
    ("document", "correlation", "words"),
    [
        ({"accepted": True}, None, "id: nothing"),
        ({"id": 7, "accepted": True}, None, "id: 7"),
        ({"id": "a", "accepted": True}, b"b", "the correlation data, 'b'"),
        ({"id": "a"}, None, "accepted: nothing"),
        ({"id": "a", "accepted": "yes"}, None, "accepted: 'yes'"),
        ({"id": "a", "accepted": False, "reason": 3}, None, "reason: 3"),
    ],
)
def test_an_answer_that_is_none(document: dict[str, Any], correlation: bytes | None, words: str) -> None:
    """The field is named."""
    with pytest.raises(PayloadError) as caught:
        decode_answer(json.dumps(document).encode(), correlation)
    assert words in f"{caught.value.found}; {caught.value.expected}"


def test_the_correlation_data_may_name_the_command() -> None:
    """For machines that only echo it."""
    assert decode_answer(b'{"accepted": true, "more": 1}', b"c1") == CommandAnswer("c1", True)
