"""Rows that match nothing."""

from pathlib import Path

import pandas as pd
import pytest

from data_contracts.contract.registered import empty_table
from data_contracts.ingestion.unmatched import find_unmatched
from data_contracts.tables import tables
from data_contracts.tables.service_records import follow_readings
from data_contracts.workspace import Workspace, init_workspace

START = pd.Timestamp("2025-06-01", tz="UTC").as_unit("us")
DAY = pd.Timedelta(days=1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a workspace with twenty days of telemetry of two types."""
    opened = init_workspace(tmp_path / "w")
    days = pd.DataFrame({"event_time": START + pd.to_timedelta(range(21), unit="D").as_unit("us")})
    for asset_type, names in {"press": ["Press-01", "Press-02"], "oven": ["oven 9"]}.items():
        rows = days.merge(pd.DataFrame({"asset": names}), how="cross")
        rows = rows.assign(known_time=rows["event_time"], source="physical", load=1.0)
        tables.append(opened, f"telemetry/{asset_type}", rows, "all")
    return opened


def reports(*rows: tuple[str, float], table: str = "failures") -> dict[str, pd.DataFrame]:
    times = [START + day * DAY for _, day in rows]
    frame = pd.DataFrame({"asset": [asset for asset, _ in rows], "event_time": times, "known_time": times})
    return {table: frame.astype({"event_time": "datetime64[us, UTC]"})}


def test_what_matches_is_not_named(workspace: Workspace) -> None:
    """Assets of any type are known, and a failure may come some time after the last reading."""
    found = find_unmatched(workspace, reports(("Press-01", 3), ("oven 9", 20), ("Press-02", 32)))
    assert not found
    assert found.sentences == ()


def test_unknown_assets_are_counted_and_named_with_what_was_meant(workspace: Workspace) -> None:
    rows = [("press-1", 1), ("press-1", 2), ("OVEN 9", 3), ("Pres-02", 4), ("boiler", 5), ("Press-01", 6)]
    found = find_unmatched(workspace, reports(*rows))
    failures = found.of("failures")
    assert failures is not None
    assert (failures.rows, failures.unknown, failures.outside, failures.more_assets) == (6, 5, 0, 0)
    meant = {each.asset: (each.rows, each.meant) for each in failures.assets}
    assert meant == {
        "press-1": (2, "Press-01"),
        "OVEN 9": (1, "oven 9"),
        "Pres-02": (1, "Press-02"),
        "boiler": (1, None),
    }
    (sentence,) = found.sentences
    assert "5 of 6 failures are of assets without telemetry: 'press-1' (2; did you mean 'Press-01'?" in sentence


def test_many_unknown_assets_are_counted_beyond_a_handful(workspace: Workspace) -> None:
    found = find_unmatched(workspace, reports(*((f"x{number}", 1) for number in range(40)), table="events"))
    events = found.of("events")
    assert events is not None
    assert (len(events.assets), events.more_assets, events.unknown) == (5, 35, 40)
    assert "and 35 more assets" in found.sentences[0]


def test_rows_far_outside_of_the_telemetry_are_counted(workspace: Workspace) -> None:
    """Rows a year off match nothing; one shortly before the first reading may be right."""
    found = find_unmatched(workspace, reports(("Press-01", -365), ("Press-01", -2), ("oven 9", 400)))
    failures = found.of("failures")
    assert failures is not None
    assert (failures.unknown, failures.outside) == (0, 2)
    assert "2 of 3 failures lie long before or after" in found.sentences[0]
    assert "'Press-01' at 2024-06-01 00:00" in found.sentences[0]


def test_records_and_telemetry_are_compared_both_ways(workspace: Workspace) -> None:
    """Where somebody recorded assets, those without telemetry are named, and those with telemetry only."""
    records = empty_table(workspace.contracts, "assets").assign(asset=["PRESS-01", "oven 9"], event_time=START)
    tables.append(workspace, "assets", records.assign(known_time=START, asset_type="press"), "file")
    found = find_unmatched(workspace, {})
    assets, unrecorded = found.of("assets"), found.unrecorded
    assert assets is not None
    assert [(each.asset, each.meant, each.differs_in) for each in assets.assets] == [
        ("PRESS-01", "Press-01", "capitals")
    ]
    assert unrecorded is not None
    assert {each.asset: each.meant for each in unrecorded.assets} == {"Press-01": "PRESS-01", "Press-02": None}
    assert len(found.sentences) == 2


def test_records_that_follow_from_readings_say_nothing(workspace: Workspace) -> None:
    follow_readings(workspace, "press", tables.read(workspace, "telemetry/press"))
    assert not find_unmatched(workspace, {})


def test_ids_of_telemetry_that_are_nearly_the_same_are_named(workspace: Workspace) -> None:
    rows = tables.read(workspace, "telemetry/press")
    tables.append(workspace, "telemetry/press", rows.assign(asset=rows["asset"].str.lower()), "lower")
    found = find_unmatched(workspace, {})
    assert found.alike == (("Press-01", "press-01"), ("Press-02", "press-02"))
    assert "differ in capitals" in found.sentences[0]
    assert found.to_dict()["alike"] == [["Press-01", "press-01"], ["Press-02", "press-02"]]


def test_without_reports_given_all_that_is_stored_is_looked_at(workspace: Workspace) -> None:
    failures = reports(("boiler", 1))["failures"].assign(failure_id="F1", mode="burst")
    tables.append(workspace, "failures", failures, "all")
    failures = find_unmatched(workspace).of("failures")
    assert failures is not None
    assert failures.unknown == 1
