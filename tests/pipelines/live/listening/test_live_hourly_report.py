"""Each hour of live telemetry is checked as a batch, in a process of its own."""

import json
import time

import numpy as np
import pandas as pd
import pytest

from data_contracts.contract.contract_types import Column, Contract
from data_contracts.contract.registered import register
from data_contracts.tables import tables
from data_contracts.workspace import init_workspace
from pipelines.live.listening import hourly_report
from pipelines.live.listening.hourly_report import HourlyReports, report_hour

HOUR = pd.Timestamp("2026-05-01T10:00Z")
PRESS = Contract(
    "press",
    "1",
    "telemetry",
    (
        Column("asset", "string", required=True),
        Column("event_time", "timestamp", required=True),
        Column("known_time", "timestamp", required=True),
        Column("source", "string", required=True),
        Column("force", "number", max_null_share=0.1),
    ),
    ("asset", "event_time", "source", "known_time"),
    asset_type="press",
)


@pytest.fixture
def workspace(tmp_path):
    """Return a workspace with three hours of readings, of which a fifth has no value."""
    made = init_workspace(tmp_path / "ws")
    register(made.contracts, PRESS, now=HOUR)
    times = pd.date_range(HOUR - pd.Timedelta("1h"), periods=3 * 3600, freq="s").as_unit("us")
    force = np.where(np.arange(len(times)) % 5 == 0, np.nan, 1.0)
    frame = pd.DataFrame(
        {"asset": "m1", "event_time": times, "known_time": times, "source": "physical", "force": force}
    )
    tables.append(made, PRESS.table, frame, "all")
    return made


def test_an_hour_is_checked_as_a_batch(workspace):
    """What says nothing about a single row, such as a share of nulls, is in the hour's report; its rows alone count."""
    file = report_hour(workspace, "press", HOUR)
    content = json.loads(file.read_text())
    assert (content["rows"], content["sampled"], content["passed"]) == (3600, False, False)
    failed = [each["check"] for each in content["checks"] if not each["passed"]]
    assert failed == ["null_share"]
    assert report_hour(workspace, "press", HOUR + pd.Timedelta("9h")) is None
    assert report_hour(workspace, "lathe", HOUR) is None


def test_a_big_hour_is_sampled_evenly(workspace, monkeypatch):
    """Slices all over the hour, no more rows than allowed."""
    monkeypatch.setattr(hourly_report, "MOST_ROWS", 1000)
    monkeypatch.setattr(hourly_report, "SLICE", pd.Timedelta("2min"))
    content = json.loads(report_hour(workspace, "press", HOUR).read_text())
    assert content["sampled"]
    assert 12 * 30 <= content["rows"] <= 1000


@pytest.mark.slow
def test_the_report_is_made_after_the_end_of_its_hour(workspace):
    """Once, and only of asset types that sent something."""
    reports = HourlyReports(workspace, enabled=True)
    begins = HOUR.timestamp()
    reports.run(begins + 600)
    reports.note({"press"})
    reports.run(begins + 3600 + 60)
    folder = workspace.reports / "live" / "press"
    assert not folder.exists()
    reports.run(begins + 3600 + 180)
    ends = time.monotonic() + 120
    while not (folder / "2026-05-01T10.json").exists():
        assert time.monotonic() < ends
        time.sleep(0.2)
    reports.run(begins + 2 * 3600 + 180)
    reports.close()
    assert [file.name for file in folder.iterdir()] == ["2026-05-01T10.json"]
