"""The report on what is stored."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import NotFoundError
from data_contracts.tables import tables
from data_contracts.tables.blocks import stored_telemetry
from data_contracts.tables.blocks.stored_telemetry import StoredTelemetry
from data_contracts.workspace import Workspace, init_workspace
from pipelines.data_reports.data_report import DataReport, report_data
from pipelines.data_reports.data_suggestions import expected_positives
from pipelines.data_reports.outcome_choice import OutcomeChoice
from pipelines.jobs.data_report import describe_data
from tests.browser import Browser

START = pd.Timestamp("2025-05-01", tz="UTC").as_unit("us")
NOW = pd.Timestamp("2025-08-01", tz="UTC")
MINUTE = pd.Timedelta(minutes=1)
Fill = Callable[..., Workspace]


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    """Return a function that stores readings every ten minutes of the numbers of steps given for each asset."""
    workspace = init_workspace(tmp_path / "w")

    def store(steps: dict[str, list[int]], **columns: object) -> Workspace:
        rows = pd.DataFrame([(asset, step) for asset, own in steps.items() for step in own], columns=["asset", "step"])
        times = START + pd.to_timedelta(rows["step"] * 10, unit="min").astype("timedelta64[us]")
        frame = pd.DataFrame({"asset": rows["asset"], "event_time": times, "known_time": times, "source": "physical"})
        frame = frame.assign(load=np.arange(len(rows), dtype=float), **columns)
        tables.append(workspace, "telemetry/loom", frame, f"batch {len(rows)}")
        return workspace

    return store


def described(workspace: Workspace) -> DataReport:
    report = report_data(workspace, "loom", now=NOW)
    assert report is not None
    return report


def test_rhythm_and_gaps_are_measured_asset_by_asset(fill: Fill) -> None:
    """A pause of more than three intervals is a gap, and the longest is named with its end."""
    report = described(fill({"a": [*range(50), *range(200, 250)], "b": list(range(100)), "c": [0, 2, 4, 6, 8, 14]}))
    assert (report.assets, report.rows, report.interval_s) == (3, 206, 600.0)
    gaps = report.profiles["gaps"].astype(int).to_dict()
    assert gaps == {"a": 1, "b": 0, "c": 0}  # the pause of c is three of its own intervals
    assert report.profiles.loc["a", "gap_s"] == 151 * 600
    assert report.longest_gap == "25.2 h, 'a' until 2025-05-02 09:20"
    assert report.profiles.loc["c", "interval"] == 1200.0


def test_constant_dead_and_missing_channels_are_told(fill: Fill) -> None:
    workspace = fill({"a": list(range(10)), "b": list(range(10))}, flow=5.0, torque=np.nan)
    rows = tables.read(workspace, "telemetry/loom").iloc[:10]
    tables.append(workspace, "telemetry/loom", rows.assign(event_time=rows["event_time"] + MINUTE, torque=1.5), "more")
    channels = {channel.name: channel for channel in described(workspace).channels}
    assert (channels["flow"].constant, channels["flow"].dead, channels["flow"].missing) == (2, 0, 0.0)
    assert (channels["torque"].constant, channels["torque"].dead) == (1, 1)
    assert channels["torque"].missing == pytest.approx(2 / 3)
    assert channels["load"].constant == 0


def test_oddities_of_the_clock_are_counted(fill: Fill) -> None:
    """A reading twice, one known before it happened, one in the future, and one known before its forerunner."""
    workspace = fill({"a": list(range(10))})
    rows = tables.read(workspace, "telemetry/loom")
    tables.append(workspace, "telemetry/loom", rows.iloc[[3]].assign(load=9.0), "corrected")
    early = rows.iloc[[9]].assign(event_time=NOW + MINUTE, known_time=START)
    tables.append(workspace, "telemetry/loom", early, "odd")
    assert described(workspace).clock == {"repeated": 1, "early": 1, "future": 1, "late": 1}


def test_two_sources_of_one_instant_are_no_repetition(fill: Fill) -> None:
    workspace = fill({"a": list(range(10))})
    rows = tables.read(workspace, "telemetry/loom")
    tables.append(workspace, "telemetry/loom", rows.assign(source="simulation"), "simulated")
    report = described(workspace)
    assert report.clock["repeated"] == 0
    assert report.profiles.loc["a", "instants"] == 10


def test_positives_are_counted_where_there_are_readings(fill: Fill) -> None:
    """Failures of unknown assets and far outside count as stored only; cut-offs lie between readings and failures."""
    workspace = fill({"a": list(range(601)), "b": list(range(601))})
    times = [START + 3000 * MINUTE, START + 6000 * MINUTE, START - pd.Timedelta(days=300), START]
    failures = pd.DataFrame({"asset": ["a", "a", "b", "ghost"], "event_time": times, "known_time": times})
    failures = failures.assign(failure_id=["1", "2", "3", "4"], mode="warp")
    tables.append(workspace, "failures", failures, "all")
    report = report_data(workspace, "loom", now=NOW, horizon=pd.Timedelta(hours=10))
    assert report is not None
    assert (report.failures.stored, report.failures.matched, report.failures.assets) == (4, 2, 1)
    assert report.suggestion is not None
    assert report.failures.positives["10h"] == 2 * int(36_000 // report.suggestion.stride_s)
    assert report.failures.between_h == 50.0
    assert any("2 of 4 failures" in sentence for sentence in report.head)


def test_bookings_of_one_breakdown_count_once(fill: Fill) -> None:
    """Corrections of an id are no further failures, and bookings within the horizon are no further breakdowns."""
    workspace = fill({"a": list(range(601))})
    hours = {"1": 40, "2": 41, "3": 90}
    for batch, shift in enumerate((0, 1)):
        times = [START + pd.Timedelta(hours=hour) for hour in hours.values()]
        failures = pd.DataFrame({"failure_id": list(hours), "asset": "a", "event_time": times, "mode": "warp"})
        known = failures["event_time"] + pd.Timedelta(hours=shift)
        tables.append(workspace, "failures", failures.assign(known_time=known), f"batch {batch}")
    report = described(workspace)
    assert (report.failures.stored, report.failures.matched, report.failures.breakdowns) == (3, 3, 2)
    assert report.failures.modes == {"warp": 2}
    assert report.failures.between_h == 45.0
    assert "1 of them book a breakdown again, so that 2 are left" in " ".join(report.head)


def test_a_corrected_reading_counts_once(fill: Fill) -> None:
    """Its last correction: the value that was wrong is no longer in the range, and no longer missing."""
    workspace = fill({"a": list(range(10)), "b": list(range(10))})
    rows = tables.read(workspace, "telemetry/loom")
    wrong = rows["asset"].eq("a") & rows["load"].eq(3.0)
    tables.append(workspace, "telemetry/loom", rows[wrong].assign(load=np.nan, event_time=rows["event_time"]), "lost")
    for value in (999.0, 4.5):  # known at the same time: the one stored later counts
        tables.append(workspace, "telemetry/loom", rows[wrong].assign(load=value), f"as {value}")
    report = described(workspace)
    (load,) = report.channels
    assert (report.rows, report.readings) == (23, 20)
    assert report.head[0].startswith("20 readings of 2 assets")
    assert (load.low, load.high, load.missing) == (0.0, 19.0, 0.0)


def test_no_cut_off_lies_after_the_last_reading_or_before_the_failure_before() -> None:
    leads = pd.DataFrame({"span_s": [100.0, 1000.0, 1000.0], "silent_s": [0.0, 0.0, 700.0]})
    assert expected_positives(leads, [500.0, 1000.0], 10.0) == {"500s": 10 + 50, "1000s": 10 + 100 + 30}


@pytest.mark.parametrize("seconds", [0.01, 1.0, 600.0, 86_400.0])
def test_suggestions_follow_the_rhythm(tmp_path: Path, seconds: float) -> None:
    """From milliseconds to days: a stride no shorter than the readings' interval, and windows that hold several."""
    workspace = init_workspace(tmp_path / "w")
    times = START + pd.to_timedelta(np.arange(400) * seconds, unit="s").astype("timedelta64[us]")
    frame = pd.DataFrame({"asset": "a", "event_time": times, "known_time": times, "source": "physical", "load": 1.0})
    tables.append(workspace, "telemetry/loom", frame, "all")
    suggestion = described(workspace).suggestion
    assert suggestion is not None
    assert suggestion.stride_s >= seconds * 0.9
    windows = [pd.Timedelta(window).total_seconds() for window in suggestion.window]
    assert all(4 * seconds <= window <= 200 * seconds for window in windows)
    assert suggestion.horizon is None  # nothing fails


def test_the_page_and_the_json_hold_what_the_report_says(fill: Fill, tmp_path: Path) -> None:
    """Names are escaped, the page needs nothing from outside, and JSON has no NaN."""
    workspace = fill({"<b>loud</b>": list(range(30)), "c": [1]})
    result = describe_data(workspace, None, now=NOW, html=tmp_path / "out" / "page.html")
    page = (tmp_path / "out" / "page.html").read_text()
    assert "&lt;b&gt;loud&lt;/b&gt;" in page
    assert "<b>loud" not in page
    assert not any(outside in page for outside in ("src=", 'href="http', "@import", "<link", "<script"))
    assert result.reports[0].head[0] in page
    assert json.loads(json.dumps(result.to_dict(), default=str))["reports"][0]["assets"] == 2


@pytest.mark.slow
def test_the_page_in_a_browser(fill: Fill, tmp_path: Path, browser: Browser) -> None:
    describe_data(fill({"<b>loud</b>": list(range(30)), "c": [1]}), None, now=NOW, html=tmp_path / "page.html")
    browser.check((tmp_path / "page.html").as_uri())


def test_an_unknown_type_and_an_empty_workspace_are_errors(fill: Fill, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="Did you mean 'loom'"):
        describe_data(fill({"a": [1, 2]}), "lom", now=NOW)
    with pytest.raises(NotFoundError, match="no telemetry is stored"):
        describe_data(init_workspace(tmp_path / "empty"), None, now=NOW)


def test_qualities_are_counted(fill: Fill) -> None:
    """How many readings of which channel are bad or uncertain; nothing where none is."""
    workspace = fill({"a": list(range(10))})
    assert described(workspace).qualities == {}
    rows = tables.read(workspace, "telemetry/loom").head(4)
    flagged = rows.assign(load__quality=["bad", "uncertain", "bad", None], __quality=[None, None, None, "bad"])
    tables.append(workspace, "telemetry/loom", flagged, "flagged")
    report = described(workspace)
    assert report.qualities == {"*": {"bad": 1}, "load": {"bad": 2, "uncertain": 1}}
    assert "readings that are not good, by their quality: all channels 1 bad; load 2 bad, 1 uncertain" in report.head
    assert [channel.name for channel in report.channels] == ["load"]
    assert report.text_channels == ()


def test_telemetry_is_read_some_assets_at_a_time(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gaps, corrections, qualities, crossings and the undeclared come out as from all of it at once."""
    workspace = fill({name: [*range(20), *range(30 + place, 40 + place)] for place, name in enumerate("abcdef")})
    rows = tables.read(workspace, "telemetry/loom").iloc[::7]
    tables.append(workspace, "telemetry/loom", rows.assign(load=200.0, load__quality="uncertain"), "corrected")
    wear = OutcomeChoice(condition="load", threshold=100.0)
    whole = report_data(workspace, "loom", now=NOW, outcome=wear)
    read, longest = StoredTelemetry.read, list[int]()

    def counted(stored: StoredTelemetry, block: int) -> pd.DataFrame:
        longest.append(len(block_rows := read(stored, block)))
        return block_rows

    monkeypatch.setattr(StoredTelemetry, "read", counted)
    monkeypatch.setattr(stored_telemetry, "BLOCK_ROWS", 50)
    in_blocks = report_data(workspace, "loom", now=NOW, outcome=wear)
    assert whole is not None
    assert in_blocks is not None
    assert in_blocks.to_dict() == whole.to_dict()
    assert in_blocks.failures.stored == whole.failures.stored > 0
    assert max(longest) <= 50 < whole.rows
    assert len(longest) > 4 * whole.assets
