import json
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.http.errors import ApiError
from serving.http.json_bodies import path_of
from serving.schemas.instants import parse_instant
from serving.schemas.predict_request import parse_request

WINDOW = {"asset": "a", "as_of": "2015-01-02T00:00:00Z", "telemetry": [{"event_time": "2015-01-01T00:00:00Z"}]}


def refused(body: bytes) -> ApiError | None:
    try:
        parse_request(body, 3)
    except ApiError as error:
        return error
    return None


def columns(channels: str, times: str = "[1, 2]") -> bytes:
    """Write a request of one window, given the JSON of its columns."""
    telemetry = f'{{"event_time": {times}, "channels": {channels}}}'
    return f'{{"windows": [{{"asset": "a", "as_of": "2015-01-01T00:00:00Z", "telemetry": {telemetry}}}]}}'.encode()


def parse(content: object) -> Any:
    return parse_request(json.dumps(content).encode(), 3)


@pytest.mark.parametrize(
    ("content", "field", "expected"),
    [
        ({}, None, "exactly one of assets and windows"),
        ({"assets": ["a"], "windows": [WINDOW]}, None, "exactly one of assets and windows"),
        ({"windows": [WINDOW], "as_of": "2015-01-01T00:00:00Z"}, None, "inside each window"),
        ({"assets": []}, "assets", "at least 1 item"),
        ({"assets": "a"}, "assets", "a valid list"),
        ({"assets": [1]}, "assets[0]", "a valid string"),
        ({"assets": [None]}, "assets[0]", "a valid string"),
        ({"assets": [""]}, "assets[0]", "at least 1 character"),
        ({"assets": ["a\0"]}, "assets[0]", "pattern"),
        ({"assets": ["a", "b", "a"]}, "assets[2]", "each asset once"),
        ({"assets": ["a", "b", "c", "d"]}, "assets", "at most 3"),
        ({"assets": ["a"], "asof": "x"}, "asof", "only assets, as_of, features, windows, explain"),
        ({"assets": ["a"], "as_of": "2015-01-01T00:00:00"}, "as_of", "offset from UTC"),
        ({"assets": ["a"], "as_of": "2015-13-01T00:00:00Z"}, "as_of", "offset from UTC"),
        ({"assets": ["a"], "as_of": "today"}, "as_of", "offset from UTC"),
        ({"assets": ["a"], "as_of": 1420070400}, "as_of", "offset from UTC"),
        ({"assets": ["a"], "as_of": "0001-01-01T00:00:00Z"}, "as_of", "from 1970"),
        ({"windows": [{**WINDOW, "telemetry": []}]}, "windows[0].telemetry", "at least 1 item"),
        ({"windows": [{**WINDOW, "telemetry": 1}]}, "windows[0].telemetry", "an object of columns"),
        ({"windows": [{**WINDOW, "units": {"volt": 1}}]}, "windows[0].units.volt", "a valid string"),
        ({"assets": ["a"], "features": "old"}, "features", "'latest' or 'stored'"),
        ({"windows": [WINDOW], "features": "stored"}, None, "features with assets"),
        ({"assets": ["a"], "explain": 1}, "explain", "a valid boolean"),
        ({"windows": [WINDOW, {**WINDOW, "asset": 3}]}, "windows[1].asset", "a valid string"),
        ({"windows": [WINDOW, WINDOW]}, "windows[1].asset", "each asset once"),
        ({"windows": [{"asset": "a", "telemetry": [{}]}]}, "windows[0].as_of", "this field"),
        ({"windows": [{**WINDOW, "site": "x"}]}, "windows[0].site", "only asset, as_of, telemetry"),
        ({"windows": [{**WINDOW, "events": [{"code": "e"}]}]}, "windows[0].events[0].event_time", "this field"),
        (
            {"windows": [{**WINDOW, "work_orders": [{"event_time": "2015-01-01T00:00:00Z", "kind": "repair"}]}]},
            "windows[0].work_orders[0].kind",
            "'routine', 'inspection' or 'corrective'",
        ),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused_with_the_path_of_its_field(
    content: object, field: str | None, expected: str
) -> None:
    """The error names the field to fix, and how."""
    with pytest.raises(ApiError) as refused:
        parse(content)
    assert (refused.value.status, refused.value.field) == (422, field)
    assert expected in refused.value.expected
    assert refused.value.found
    assert refused.value.remedy


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"assets": [NaN]}',
        b'{"assets": ["a"], "as_of": Infinity}',
        b'{"assets": ["a"], "as_of": -Infinity}',
        b'{"assets": ["a"], "assets": ["b"]}',
        b'{"assets": ["a"], "\\u0061ssets": ["b"]}',
        b'{"windows": [{"asset": "a:b", "telemetry": [{"event_time": "x:y:z", "volt": 1, "volt": 1}]}]}',
        b'{"assets": ["\\ud800"]}',
        columns('{"volt": [1, 2], "volt": [1, 2]}'),
        columns('{"volt": [1, 2], "vol\\u0074": [1, 2]}'),
        b'{"assets": ' + b"[" * 900 + b"]" * 900 + b', "a": 1, "a": 2}',
        b"[" * 100_000,
        b'{"assets": ' + b"9" * 5_000 + b"}",
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    """NaN, infinity, repeated names and broken text are not a JSON object, and so not a request."""
    with pytest.raises(ApiError) as refused:
        parse_request(body, 3)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("values", "dtype"),
    [("[1, 2]", np.int64), ("[1, 2.5]", np.float64), (f"[1, {2**63}]", np.float64), ("[-0.0, 1e-320]", np.float64)],
)
def test_lists_of_numbers_are_read_into_arrays(values: str, dtype: type) -> None:
    """They have the values that they are written with, to the last bit."""
    read = parse_request(columns(f'{{"volt": {values}}}'), 3).windows
    assert read is not None
    parsed = read[0].telemetry["channels"]["volt"]
    assert parsed.dtype == dtype
    assert np.array_equal(parsed.view(np.int64), np.array(json.loads(values), dtype=dtype).view(np.int64))
    assert read[0].telemetry["event_time"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "values", ["[]", "[1, null]", "[[1], [2]]", "[1, [2]]", '[1, "2"]', "[true, 1]", f"[1, {10**40}]", '["[", 1]']
)
def test_other_lists_are_read_as_they_are(values: str) -> None:
    """What is no list of numbers, or holds a list, or a number of too many digits, is what it was."""
    read = parse_request(columns(f'{{"volt": {values}, "a[b:c": 1}}'), 3).windows
    assert read is not None
    parsed = read[0].telemetry["channels"]["volt"]
    assert parsed == json.loads(values)
    assert list(map(type, parsed)) == list(map(type, json.loads(values)))


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.lists(
            st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70) | st.none(), max_size=5
        ),
        max_size=4,
    )
)
@example({"\0": [1.0]})
@example({"a": [1.0], "a\0b": [2.0], "": [3.0]})
@example({str(number): [float(number)] for number in range(300)})
def test_columns_are_read_as_json_is(channels: dict[str, list[float | None]]) -> None:
    """Arrays or lists, the values are those that Python's own reader finds."""
    read = parse_request(columns(json.dumps(channels)), 3).windows
    assert read is not None
    parsed = read[0].telemetry["channels"]
    assert {name: as_floats(values) for name, values in parsed.items()} == {
        name: as_floats(values) for name, values in channels.items()
    }


def as_floats(values: Any) -> list[float | None]:
    return [None if value is None else float(value) for value in values]


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: (
            st.lists(x) | st.dictionaries(st.sampled_from(["assets", "windows", "as_of", "asset", "telemetry"]), x)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_raises_anything_but_an_api_error(body: bytes) -> None:
    """A body is a request or it is refused with a 4xx; nothing else comes of it."""
    error = refused(body)
    assert error is None or (400 <= error.status < 500 and json.dumps(error.to_dict()))


@given(st.integers(40_000_000, 4_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_an_instant_is_the_same_however_its_offset_is_written(seconds: int, minutes: int) -> None:
    """What counts is the instant, not the offset it was written with."""
    instant = datetime.fromtimestamp(seconds, UTC)
    written = instant.astimezone(timezone(timedelta(minutes=minutes))).isoformat()
    assert parse_instant(written) == instant


def test_a_path_names_lists_by_position() -> None:
    """A field's path reads as one would write it."""
    assert path_of(("windows", 0, "telemetry", 3, "volt")) == "windows[0].telemetry[3].volt"
    assert path_of(()) is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"windows": [{}] * 200_000}, "windows[0].asset"),
        ({"assets": [1] * 500_000}, "assets[0]"),
        ({"windows": [WINDOW | {"events": [{}] * 90_000}]}, "windows[0].events[0].event_time"),
        ({"windows": [WINDOW | {"events": [{}] * 60_000, "work_orders": [{}] * 60_000}]}, None),
        ({"windows": [[]] * 600_000}, None),
        ({f"n{number}": 1 for number in range(200_000)}, None),
        ({"windows": [WINDOW | {"units": {f"n{number}": 1 for number in range(200_000)}}]}, None),
    ],
)
def test_to_refuse_a_request_costs_no_more_memory_than_to_read_it(body: Any, field: str | None) -> None:
    """However much is wrong with it: one fault is answered, and the others are not even collected."""
    text = json.dumps(body).encode()
    tracemalloc.start()
    try:
        with pytest.raises(ApiError) as refused:
            parse_request(text, 1000)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (refused.value.status, refused.value.field) == (422, field)
    assert most < 100 * 2**20
