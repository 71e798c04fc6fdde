"""The checks: each breach fails its check, and nothing else does."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import Contract
from data_contracts.validation.checks import check, examine
from data_contracts.validation.report import ContractError
from data_contracts.validation.row_measures import rates


def _failed(frame: pd.DataFrame, contract: Contract, now: pd.Timestamp) -> set[tuple[str, str]]:
    return {(result.check, result.column) for result in check(frame, contract, now=now).breaches}


def _with(column: str, value: object):
    def spoil(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame[column].astype(object) if value is None else frame[column].copy()
        values.iloc[3] = value
        return frame.assign(**{column: values.astype(frame[column].dtype)})

    return spoil


@pytest.mark.parametrize(
    ("spoil", "breach"),
    [
        (lambda frame: frame.iloc[:0], ("row_count", "")),
        (lambda frame: frame.drop(columns="asset"), ("columns", "")),
        (lambda frame: frame.assign(extra=1), ("columns", "")),
        (lambda frame: pd.concat([frame, frame[["tool_load"]]], axis=1), ("columns", "")),
        (lambda frame: frame.assign(tool_load=True), ("type", "tool_load")),
        (lambda frame: frame.assign(asset=1.5), ("type", "asset")),
        (lambda frame: frame.assign(event_time="2024-05-01"), ("type", "event_time")),
        (lambda frame: frame.rename(columns={"spindle_power": "spindle_power [W]"}), ("unit", "spindle_power")),
        (lambda frame: frame.assign(tool_load=np.nan), ("null_share", "tool_load")),
        (
            lambda frame: frame.assign(tool_load=frame["tool_load"].where(frame.index % 3 == 0)),
            ("null_share", "tool_load"),
        ),
        (_with("tool_load", -1.0), ("range", "tool_load")),
        (_with("tool_load", np.inf), ("range", "tool_load")),
        (_with("source", "guess"), ("allowed", "source")),
        (_with("asset", None), ("required", "asset")),
        (_with("event_time", pd.Timestamp("2025-01-01", tz="UTC")), ("time_order", "")),
        (lambda frame: pd.concat([frame, frame.iloc[[5]]]), ("unique", "")),
        (lambda frame: pd.concat([frame, frame.iloc[[5]].assign(tool_load=1.5)]), ("unique", "")),
    ],
)
@pytest.mark.ml_test("Data 1")
def test_each_breach_is_found_and_nothing_else(cnc, make_telemetry, now, spoil, breach):
    """A batch spoiled in one way fails that check; an empty one fails every check of having values, too."""
    frame = make_telemetry()
    assert _failed(frame, cnc, now) == set()
    failed = _failed(spoil(frame), cnc, now)
    assert breach in failed
    assert {name for name, _ in failed} <= {
        breach[0],
        "null_share",
        *(["freshness"] if breach[0] == "row_count" else []),
    }


@pytest.mark.ml_test("Data 1")
def test_nothing_passes_vacuously(cnc, make_telemetry, now):
    """An empty frame fails for its rows and for every channel, and a report without checks has not passed."""
    failed = _failed(make_telemetry().iloc[:0], cnc, now)
    assert failed == {("row_count", ""), ("freshness", "")} | {("null_share", channel) for channel in cnc.channels}
    report = check(pd.DataFrame(), cnc, now=now)
    assert not report.passed
    assert not replace(report, results=()).passed


def test_a_unit_may_be_declared_in_the_header_or_beside(cnc, make_telemetry, now):
    """A declared unit is compared however it is written: with a degree sign, in the header, or in the attributes."""
    frame = make_telemetry().rename(columns={"bearing_temperature": "bearing_temperature [°C]"})
    assert check(frame, cnc, now=now).passed
    frame = make_telemetry()
    frame.attrs["units"] = {"bearing_temperature": "degF"}
    assert _failed(frame, cnc, now) == {("unit", "bearing_temperature")}


def test_late_and_shuffled_rows_are_legal(cnc, make_telemetry, now):
    """The order of rows carries no meaning, and a stuck sensor breaks no contract; that they are late is said."""
    frame = make_telemetry().sample(frac=1, random_state=0).assign(tool_load=4.0)
    frame["known_time"] += pd.Timedelta(days=3)
    assert check(frame, replace(cnc, max_age=None), now=now).passed
    examined = examine(frame, cnc, now=now)
    assert [(breach.check, breach.level) for breach in examined.report.breaches] == [("freshness", "notice")]
    assert examined.report.batch_passed


def test_freshness_counts_to_when_the_batch_became_known(cnc, make_telemetry, now):
    """Late telemetry breaks the promise, which is said and refuses nothing; history brought in later was not late."""
    frame, contract = make_telemetry(), replace(cnc, max_age=pd.Timedelta(days=3))
    assert check(frame, contract, now=now + pd.Timedelta(days=900)).passed
    late = frame.assign(known_time=frame["known_time"].max() + pd.Timedelta(days=4))
    assert _failed(late, contract, now + pd.Timedelta(days=20)) == {("freshness", "")}
    examined = examine(late, contract, now=now + pd.Timedelta(days=20))
    assert (examined.report.passed, examined.report.batch_passed, examined.reasons) == (False, True, {})


def test_fewer_rows_than_demanded_fail(cnc, make_telemetry, now):
    """A batch that is too short fails for its number of rows."""
    assert _failed(make_telemetry(), replace(cnc, min_rows=73), now) == {("row_count", "")}


def test_a_temperature_that_jumps_is_one_bad_row(cnc, make_telemetry, now):
    """More than 100 degrees Celsius in a second is a breach of the row that jumps, not of the one after it."""
    frame = make_telemetry(assets=2, hours=6)
    frame["event_time"] = frame["event_time"].iloc[0] + pd.to_timedelta(np.tile(np.arange(6), 2), unit="s")
    frame["known_time"] = frame["event_time"]
    frame["bearing_temperature"] = [20.0, 20, 150, 20, 119, 20, 20, 119, 20, np.nan, 20, 20]
    shuffled = frame.sample(frac=1, random_state=2)
    reasons = examine(frame, cnc, now=now).reasons
    assert list(reasons) == [2]
    assert shuffled.index[list(examine(shuffled, cnc, now=now).reasons)].tolist() == [2]
    assert "100 degC/s" in reasons[2][0]


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.sampled_from([0.0, 1.0, 5.0, 20.0]), min_size=2, max_size=12), limit=st.sampled_from([1.5, 6.0])
)
def test_rates_match_a_slow_twin(values, limit):
    """Each row's rate is its change since the last row that was within the limit."""
    start = pd.Timestamp("2024-05-01T00:00Z").as_unit("us")
    times = start + pd.to_timedelta(range(len(values)), unit="s")
    frame = pd.DataFrame({"asset": "m", "source": "physical", "event_time": times, "known_time": times, "a": values})
    expected, last = [np.nan], 0
    for row in range(1, len(values)):
        expected.append(abs(values[row] - values[last]) / (row - last))
        last = last if expected[-1] > limit else row
    np.testing.assert_allclose(rates(frame, "a", limit).to_numpy(), expected)


def test_a_row_may_have_several_reasons(cnc, make_telemetry, now):
    """Every check that a row fails is among its reasons."""
    frame = _with("source", "guess")(_with("tool_load", -1.0)(make_telemetry()))
    result = examine(frame, cnc, now=now)
    assert {reason.split(":")[0] for reason in result.reasons[3]} == {"range tool_load", "allowed source"}
    assert list(result.reasons) == [3]
    assert result.report.batch_passed


def test_a_report_reads_as_frame_dictionary_and_error(cnc, make_telemetry, now):
    """A report lists its checks, becomes JSON values, and raises an error that names the breaches."""
    report = check(_with("tool_load", -1.0)(make_telemetry()), cnc, now=now)
    frame, content = report.to_frame(), report.to_dict()
    assert frame.loc[~frame["passed"], ["check", "column", "rows"]].to_numpy().tolist() == [["range", "tool_load", 1]]
    assert (content["passed"], content["rows"], len(content["checks"])) == (False, 72, len(report.results))
    with pytest.raises(ContractError, match="range tool_load") as caught:
        report.raise_if_failed()
    assert caught.value.report is report
    check(make_telemetry(), cnc, now=now).raise_if_failed()


def test_whole_numbers_and_other_time_zones_are_taken(cnc, make_telemetry, now):
    """What loses nothing is converted: whole numbers to numbers, any time zone to UTC."""
    frame = make_telemetry()
    converted = frame.assign(tool_load=range(len(frame)), event_time=frame["event_time"].dt.tz_convert("Asia/Tokyo"))
    result = examine(converted, cnc, now=now)
    assert result.report.passed
    pd.testing.assert_series_equal(result.frame["event_time"], frame["event_time"])
    assert result.frame["tool_load"].dtype == "float64"
