"""Values of channels in requests: the choices and steps that a contract declares hold there as for stored rows."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.contract.contract_types import Column, Contract
from data_contracts.validation.row_measures import MULTIPLE, measure
from serving.http.errors import ApiError
from serving.prediction.request_telemetry import RequestReadings, TelemetrySpec, read_telemetry

START = pd.Timestamp("2026-01-01T00:00Z")
COLUMNS = (
    Column("event_time", "timestamp", required=True),
    Column("mode", "integer", allowed=(1, 2, 7)),
    Column("angle", "number", multiple_of=0.1),
    Column("open", "boolean"),
)
CONTRACT = Contract("telemetry_valve", "1.0.0", "telemetry", COLUMNS, ("event_time",), asset_type="valve")


def send(channel: str, values: list[Any], *, rows: bool = False) -> RequestReadings:
    """Read hourly values of one channel as a request sends them."""
    times = [(START + pd.Timedelta(hours=hour)).isoformat() for hour in range(len(values))]
    content: Any = {"event_time": times, "channels": {channel: values}}
    if rows:
        content = [{"event_time": time, channel: value} for time, value in zip(times, values, strict=True)]
    spec = TelemetrySpec((channel,), (channel,), CONTRACT)
    return read_telemetry(content, {}, ("windows", 0), START + pd.Timedelta(days=2), spec)


@pytest.mark.parametrize(
    ("channel", "values", "expected"),
    [("mode", [1, None, 7, 3], "one of 1, 2, 7"), ("angle", [0.3, None, 12.7, 12.75], "a multiple of 0.1")],
)
def test_a_value_that_the_contract_does_not_allow_is_named(channel: str, values: list[Any], expected: str) -> None:
    """The first of them, by its path; nulls break no rule."""
    assert np.isnan(send(channel, values[:-1]).readings).tolist() == [[False, True, False]]
    for rows, path in (
        (False, f"windows[0].telemetry.channels.{channel}[3]"),
        (True, f"windows[0].telemetry[3].{channel}"),
    ):
        with pytest.raises(ApiError) as error:
            send(channel, values, rows=rows)
        assert (error.value.status, error.value.field, error.value.expected) == (422, path, expected)


def test_a_boolean_channel_takes_true_and_false_and_no_other_does() -> None:
    """As features see it: 1 and 0."""
    for rows in (False, True):
        assert np.array_equal(send("open", [True, None, False], rows=rows).readings, [[1, np.nan, 0]], equal_nan=True)
        with pytest.raises(ApiError, match="true"):
            send("mode", [True], rows=rows)


@given(st.integers(-1000, 1000).map(lambda step: step / 20))
def test_a_step_is_the_same_for_requests_and_stored_rows(angle: float) -> None:
    """A reading that import accepts is accepted in a request, and no other."""
    frame = pd.DataFrame({"event_time": [START], "mode": [1], "angle": [angle], "open": [True]})
    refused = bool(measure(frame, CONTRACT, START)[MULTIPLE + "angle"].iloc[0])
    try:
        send("angle", [angle])
    except ApiError:
        assert refused
    else:
        assert not refused
