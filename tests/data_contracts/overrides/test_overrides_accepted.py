"""Accepted overrides are part of every history that is read, by what was known at its cut-off."""

from pathlib import Path

import pandas as pd
import pytest

from data_contracts.overrides.accepted import accepted_overrides
from data_contracts.records.records import open_records
from data_contracts.tables import tables
from data_contracts.tables.history import read_history
from data_contracts.tables.telemetry import reconcile
from data_contracts.twin_state.transitions import Change, write
from data_contracts.twin_state.twins import find_twin
from data_contracts.workspace import Workspace

NOW = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
HOUR = pd.Timedelta("1h")
HEAT = "bearing_temperature"


@pytest.fixture
def plant(workspace: Workspace) -> Workspace:
    """Return a workspace with five hourly readings of two machines."""
    known = {"event_time": NOW - 300 * HOUR, "known_time": NOW - 300 * HOUR, "asset_type": "cnc_machine"}
    names = ["cnc-01", "cnc-02"]
    tables.append(workspace, "assets", pd.DataFrame([{"asset": name} | known for name in names]), "assets")
    rows = [
        {"asset": name, "event_time": NOW + at * HOUR, "known_time": NOW + at * HOUR, "source": "physical", HEAT: 150.0}
        for name in names
        for at in range(5)
    ]
    tables.append(workspace, "telemetry/cnc_machine", pd.DataFrame(rows), "rows")
    return workspace


def heats(workspace: Workspace, as_of: pd.Timestamp | None = None) -> list[float]:
    history = read_history(workspace, "cnc_machine", as_of=as_of, assets=["cnc-01"])
    return reconcile(history.telemetry, [HEAT])[HEAT].tolist()


def test_a_history_has_the_effective_values_of_its_time(plant: Workspace) -> None:
    """Before the override was known the sensor's values, afterwards the override's; rejected ones are none."""
    twin, engine = find_twin(plant, "cnc-01"), open_records(plant.records_url)
    change = Change(HEAT, 60.0, NOW + 4 * HOUR, NOW + HOUR)
    assert write(engine, twin, [change], actor="ada", reason="hung", now=NOW + 2 * HOUR).accepted
    assert not write(engine, twin, [Change(HEAT, 999.0, NOW + 9 * HOUR)], actor="a", reason="x", now=NOW).accepted
    assert heats(plant, NOW + HOUR) == [150.0, 150.0]
    assert heats(plant, NOW + 2 * HOUR) == [150.0, 60.0, 60.0]
    assert heats(plant) == [150.0, 60.0, 60.0, 60.0, 150.0]
    both = read_history(plant, "cnc_machine").telemetry
    assert set(both.loc[both["source"] == "manual_override", "asset"]) == {"cnc-01"}
    assert both[["asset", "event_time", "known_time"]].equals(
        both[["asset", "event_time", "known_time"]].sort_values(["asset", "event_time", "known_time"])
    )


def test_simulated_values_of_the_log_are_no_telemetry(plant: Workspace) -> None:
    """What a program wrote as simulated changes no history: simulated telemetry is stored as telemetry."""
    twin, engine = find_twin(plant, "cnc-01"), open_records(plant.records_url)
    write(engine, twin, [Change(HEAT, 60.0)], actor="model", reason=None, now=NOW, source="simulation")
    assert heats(plant) == [150.0] * 5
    assert accepted_overrides(engine, assets=None, as_of=None) == []


def test_reading_a_history_makes_no_database(plant: Workspace) -> None:
    """A workspace without records is read as it is."""
    assert heats(plant) == [150.0] * 5
    assert not (Path(plant.root) / "records.db").exists()


def test_more_assets_than_a_statement_holds(plant: Workspace) -> None:
    """Of many named assets those are chosen that were named."""
    twin, engine = find_twin(plant, "cnc-01"), open_records(plant.records_url)
    write(engine, twin, [Change(HEAT, 60.0, NOW + HOUR)], actor="ada", reason="hung", now=NOW)
    names = [f"other-{number}" for number in range(50_000)]
    assert accepted_overrides(engine, assets=names, as_of=None) == []
    assert len(accepted_overrides(engine, assets=[*names, "cnc-01"], as_of=NOW)) == 1
    assert accepted_overrides(engine, assets=["cnc-01"], as_of=NOW - HOUR) == []
