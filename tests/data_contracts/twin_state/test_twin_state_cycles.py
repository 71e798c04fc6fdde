"""States of assets whose times count cycles, each from its own beginning: now is the latest cycle."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.contract.contract import telemetry_contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.contract.registered import register
from data_contracts.records.records import open_records
from data_contracts.tables import tables
from data_contracts.twin_state.state_types import OVERRIDE, PHYSICAL, SIMULATION, TwinState
from data_contracts.twin_state.transitions import Change, write
from data_contracts.twin_state.twins import find_twin, state_of
from data_contracts.workspace import Workspace, init_workspace

NOW = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
ZERO, HOUR = pd.Timestamp("2000-01-01T00:00Z").as_unit("us"), pd.Timedelta("1h")
HEAT, FLOW = "bearing_temperature", "coolant_flow"


@pytest.fixture
def engines(tmp_path: Path) -> Workspace:
    """Return a workspace with engines of 30, and of 300,000 cycles: some 34 years of an hour each."""
    made, contract = init_workspace(tmp_path / "ws"), telemetry_contract("cnc_machine")
    layout = FileLayout(time_format="cycle", cycle="1h", start="2000-01-01T00:00Z")
    register(
        made.contracts,
        replace(contract, name="engines", asset_type="engine", clock="cycle", file_layout=layout),
        now=NOW,
    )
    rows = [
        {"asset": asset, "event_time": ZERO + number * HOUR, "source": PHYSICAL, HEAT: float(number % 1000), FLOW: None}
        for asset, last in (("e1", 30), ("e2", 300_000))
        for number in range(last - 29, last + 1)
    ]
    frame = pd.DataFrame(rows).astype({FLOW: "float64"})
    frame.loc[frame.index[2], FLOW] = 7.0
    frame["known_time"] = frame["event_time"]
    tables.append(made, "telemetry/engine", frame, "rows")
    known = {"event_time": NOW, "known_time": NOW, "asset_type": "engine", "model": "m", "plant": "p", "line": "l"}
    tables.append(made, "assets", pd.DataFrame([{"asset": asset} | known for asset in ("e1", "e2")]), "assets")
    return made


def state(workspace: Workspace, asset: str, as_of: pd.Timestamp | None = None) -> TwinState:
    engine = open_records(workspace.records_url)
    return state_of(workspace, engine, find_twin(workspace, asset), now=NOW, as_of=as_of)


def latest(
    workspace: Workspace, asset: str, name: str, as_of: pd.Timestamp | None = None
) -> tuple[float, float] | None:
    """Return a property's value and cycle."""
    current = state(workspace, asset, as_of).properties[name].current
    return None if current is None else (current.value, (current.event_time - ZERO) / HOUR)


def test_now_is_the_latest_cycle_of_each_asset(engines: Workspace) -> None:
    """However long ago, or ahead, the time is that it stands for; a channel's last value may be of an earlier one."""
    assert latest(engines, "e1", HEAT) == (30.0, 30)
    assert latest(engines, "e1", FLOW) == (7.0, 3)
    assert latest(engines, "e2", HEAT) == (0.0, 300_000)
    assert latest(engines, "e2", FLOW) is None


def test_an_earlier_time_is_the_cycle_that_it_stands_for(engines: Workspace) -> None:
    """Nothing of a later cycle counts; a time after the last cycle is that one."""
    assert latest(engines, "e1", HEAT, ZERO + 12 * HOUR) == (12.0, 12)
    assert latest(engines, "e1", FLOW, ZERO + 2 * HOUR) is None
    assert latest(engines, "e1", HEAT, NOW - HOUR) == (30.0, 30)
    assert latest(engines, "e1", HEAT, ZERO - HOUR) is None


def test_an_override_has_a_time_all_the_same(engines: Workspace) -> None:
    """It counts before the telemetry until it ends, and covers the latest cycle."""
    changes = [Change(HEAT, 60.0, NOW + HOUR, None)]
    engine = open_records(engines.records_url)
    write(engine, find_twin(engines, "e1"), changes, actor="ada", reason="hangs", now=NOW, source=OVERRIDE)
    heat = state(engines, "e1").properties[HEAT]
    assert heat.current is not None
    assert (heat.current.value, heat.current.event_time) == (60.0, NOW)
    assert [each.value for each in heat.covered] == [30.0]


def test_simulated_cycles_count_where_no_sensor_reports(engines: Workspace) -> None:
    """A cycle that is simulated ahead does not hide what the sensors said of earlier ones."""
    ahead = {"asset": "e1", "event_time": ZERO + 40 * HOUR, "known_time": ZERO + 40 * HOUR, "source": SIMULATION}
    tables.append(engines, "telemetry/engine", pd.DataFrame([ahead | {HEAT: 99.0, "vibration_rms": 5.0}]), "ahead")
    assert latest(engines, "e1", HEAT) == (30.0, 30)
