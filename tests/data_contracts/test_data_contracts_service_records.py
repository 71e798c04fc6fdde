"""Assets that nobody recorded count as in service since their earliest reading."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import Contract, load_contract
from data_contracts.ingestion.ingest import ingest
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace

NOW = pd.Timestamp("2026-06-01", tz="UTC")
DAY_ONE = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
AZURE: Contract = load_contract("telemetry_azure_machine")
ASSETS = load_contract("assets")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "w")


def readings(*days: int, asset: str = "m1") -> pd.DataFrame:
    times = [DAY_ONE + pd.Timedelta(days=day) for day in days]
    rows = pd.DataFrame({"asset": asset, "event_time": times, "known_time": times, "source": "physical"})
    values = {"volt": 170.0, "rotate": 440.0, "pressure": 100.0, "vibration": 40.0}
    return rows.astype({"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"}).assign(**values)


def record(day: int, asset: str = "m1", **values: str) -> pd.DataFrame:
    time = DAY_ONE + pd.Timedelta(days=day)
    return pd.DataFrame(
        {"asset": [asset], "event_time": time, "known_time": time, "asset_type": "azure_machine"}
    ).assign(**values)


def service_days(workspace: Workspace) -> list[tuple[str, int]]:
    records = tables.read(workspace, "assets")
    return [(row.asset, (row.event_time - DAY_ONE).days) for row in records.itertuples()]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations([(40, 41), (10, 11), (70,), (25, 26)]))
def test_the_earliest_reading_counts_whatever_the_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[tuple[int, ...]]
) -> None:
    """Law: the record is that of the earliest reading, once, after any order of batches."""
    workspace = init_workspace(tmp_path_factory.mktemp("w"))
    for days in order:
        ingest(workspace, readings(*days), AZURE, now=NOW)
    assert service_days(workspace) == [("m1", 10)]


def test_what_is_new_is_counted(workspace: Workspace) -> None:
    both = pd.concat([readings(9), readings(9, asset="m2")], ignore_index=True)
    assert vars(ingest(workspace, both, AZURE, now=NOW).service) == {"new": 2, "earlier": 0}
    assert vars(ingest(workspace, readings(4), AZURE, now=NOW).service) == {"new": 0, "earlier": 1}
    assert vars(ingest(workspace, readings(12), AZURE, now=NOW).service) == {"new": 0, "earlier": 0}
    assert service_days(workspace) == [("m1", 4), ("m2", 9)]


def test_a_refused_reading_is_not_the_first(workspace: Workspace) -> None:
    batch = pd.concat([readings(3).assign(volt=-9.0), readings(5, 6)], ignore_index=True)
    assert ingest(workspace, batch, AZURE, now=NOW).quarantined == 1
    assert service_days(workspace) == [("m1", 5)]


def test_a_record_of_its_own_says_otherwise_for_good(workspace: Workspace) -> None:
    """Whether it comes before the telemetry or after it, and whatever older telemetry follows."""
    ingest(workspace, pd.concat([readings(8), readings(8, asset="m2")]), AZURE, now=NOW)
    ingest(workspace, record(-400, plant="north"), ASSETS, now=NOW)
    ingest(workspace, readings(2), AZURE, now=NOW)
    assert service_days(workspace) == [("m1", -400), ("m2", 8)]
    assert tables.read(workspace, "assets").set_index("asset")["plant"].get("m1") == "north"


def test_that_an_asset_was_retired_keeps_its_start(workspace: Workspace) -> None:
    ingest(workspace, readings(8), AZURE, now=NOW)
    ingest(workspace, record(90, status="retired"), ASSETS, now=NOW)
    ingest(workspace, readings(2), AZURE, now=NOW)
    assert service_days(workspace) == [("m1", 2), ("m1", 90)]


def test_records_from_before_stay_as_they_are(workspace: Workspace) -> None:
    """A table that was made before records were marked holds somebody's records."""
    tables.append(workspace, "assets", record(8), "before")
    ingest(workspace, pd.concat([readings(2), readings(3, asset="m2")]), AZURE, now=NOW)
    assert service_days(workspace) == [("m1", 8), ("m2", 3)]


def test_an_earlier_version_keeps_what_it_had(workspace: Workspace) -> None:
    """What a model was trained on can be read again after the record has moved."""
    ingest(workspace, readings(8), AZURE, now=NOW)
    version = tables.latest_version(workspace, "assets")
    ingest(workspace, readings(2), AZURE, now=NOW)
    before = tables.read(workspace, "assets", version=version)
    assert list(before["event_time"]) == [DAY_ONE + pd.Timedelta(days=8)]
