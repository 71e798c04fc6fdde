"""The latest readings: as telemetry reconciles, however they are stored, and the same as the live path keeps them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import Contract, telemetry_contract
from data_contracts.records.records import open_records
from data_contracts.tables import tables
from data_contracts.tables.telemetry import reconcile
from data_contracts.twin_state.current_readings import CurrentReadings, StoredFlush, read_current
from data_contracts.twin_state.latest_readings import latest_readings
from data_contracts.twin_state.state_types import OVERRIDE, PHYSICAL, SIMULATION, Reading, Twin
from data_contracts.twin_state.twins import state_of
from data_contracts.workspace import Workspace, init_workspace
from tests.data_contracts.twin_state.conftest import ASSET, NOW

HEAT, FLOW = "bearing_temperature", "coolant_flow"
CHANNELS, ASSETS = (HEAT, FLOW), ("cnc-01", "cnc-02")
TABLE, SECOND = "telemetry/cnc_machine", pd.Timedelta("1s")

Rows = list[dict[str, Any]]
# Few instants and numbers, so that corrections, values taken back and ties are common.
ROW = st.fixed_dictionaries(
    {
        "asset": st.sampled_from(ASSETS),
        "event_time": st.integers(0, 5).map(lambda step: NOW + step * SECOND),
        "known_time": st.integers(0, 5).map(lambda step: NOW + step * SECOND),
        "source": st.sampled_from([OVERRIDE, PHYSICAL, PHYSICAL, SIMULATION]),
        HEAT: st.none() | st.integers(0, 9).map(float),
        FLOW: st.none() | st.integers(0, 9).map(float),
    }
)
# Of one batch, rows of one key and known time are refused.
BATCH = st.lists(
    ROW,
    min_size=1,
    max_size=5,
    unique_by=lambda row: (row["asset"], row["event_time"], row["known_time"], row["source"]),
)


def frame_of(rows: Rows) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    times = dict.fromkeys(("event_time", "known_time"), "datetime64[us, UTC]")
    return frame.astype(times | dict.fromkeys(CHANNELS, "float64"))


def expected_readings(workspace: Workspace, asset: str, as_of: pd.Timestamp) -> set[tuple[Any, ...]]:
    """Reconcile everything that is stored, as features do, and take each channel's last value: slow and obvious."""
    stored = tables.read(workspace, TABLE, as_of=as_of, end=as_of, assets=[asset])
    found = set()
    for channel in CHANNELS:
        for simulated in (False, True):
            own = stored[(stored["source"] == SIMULATION) == simulated]
            merged = reconcile(own, [channel]).dropna(subset=[channel])
            if len(merged):
                found.add((channel, simulated, merged["event_time"].iloc[-1], merged[channel].iloc[-1]))
                break
    return found


def shown(readings: list[Reading]) -> set[tuple[Any, ...]]:
    return {(each.name, each.simulated, each.event_time, each.value) for each in readings}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(BATCH, min_size=1, max_size=3), step=st.integers(0, 5))
def test_the_latest_readings_are_those_of_reconciled_telemetry(
    tmp_path_factory: pytest.TempPathFactory, batches: list[Rows], step: int
) -> None:
    """Corrections, values taken back, several sources of an instant, late rows: as features reconcile them."""
    workspace = init_workspace(tmp_path_factory.mktemp("readings") / "ws")
    for number, rows in enumerate(batches):
        tables.append(workspace, TABLE, frame_of(rows), f"batch {number}")
    as_of = NOW + step * SECOND
    found = latest_readings(workspace, TABLE, ASSETS, CHANNELS, as_of)
    for asset in ASSETS:
        assert shown(found.readings[asset]) == expected_readings(workspace, asset, as_of)


def test_old_readings_are_found_up_to_sixty_days(plant: Workspace) -> None:
    """A channel that is read once a month is found; one that was read last a year ago is said to be looked for."""
    days = pd.Timedelta("1D")
    old = {"asset": ASSET, "event_time": NOW - 300 * days, "known_time": NOW - 300 * days, "source": PHYSICAL}
    rows = [old | {HEAT: 40.0, FLOW: 1.0}, old | {"event_time": NOW - 31 * days, HEAT: 50.0, FLOW: None}]
    tables.append(plant, TABLE, frame_of(rows), "rows")
    found = latest_readings(plant, TABLE, [ASSET], CHANNELS, NOW)
    assert [(each.name, each.value) for each in found.readings[ASSET]] == [(HEAT, 50.0)]
    assert found.looked_back_to == {ASSET: NOW - 60 * days}
    assert latest_readings(plant, "telemetry/none", [ASSET], CHANNELS, NOW).readings == {ASSET: []}


def commit(workspace: Workspace, rows: Rows, contract: Contract, batch: str) -> StoredFlush:
    """Store rows as a flush of the live path does, and return what it would hand over; one row is refused."""
    tables.append(workspace, TABLE, frame_of(rows), batch)
    version = tables.latest_version(workspace, TABLE)
    assert version is not None
    refused = rows[0] | {HEAT: 1e9, FLOW: 1e9, "event_time": NOW + 9 * SECOND}
    frame, assets = frame_of([*rows, refused]), sorted({row["asset"] for row in rows})
    return StoredFlush(
        contract=contract,
        version=version,
        assets=assets,
        codes=np.array([assets.index(asset) for asset in frame["asset"]], dtype=np.int64),
        event_us=frame["event_time"].astype("int64").to_numpy(),
        known_us=frame["known_time"].astype("int64").to_numpy(),
        good=np.array([True] * len(rows) + [False]),
        channels={name: frame[name].to_numpy() for name in CHANNELS},
    )


STEP = st.tuples(st.sampled_from(["flush", "flush", "flush", "file", "restart"]), BATCH)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=1, max_size=5))
def test_what_the_live_path_keeps_is_what_the_table_says(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Rows]]
) -> None:
    """After any flushes, files of others in between and restarts, a flush leaves what reading the table would give."""
    workspace = init_workspace(tmp_path_factory.mktemp("current") / "ws")
    engine, contract = open_records(workspace.records_url), telemetry_contract("cnc_machine")
    current, as_of = CurrentReadings(workspace, engine), NOW + 10 * SECOND
    for number, (what, rows) in enumerate(steps):
        if what == "restart":
            current = CurrentReadings(workspace, engine)
        elif what == "file":
            tables.append(workspace, TABLE, frame_of(rows), f"file {number}")
        else:
            own = [row | {"source": PHYSICAL} for row in rows]
            keys = {(row["asset"], row["event_time"], row["known_time"]): row for row in own}
            current.fold([commit(workspace, list(keys.values()), contract, f"flush {number}")], as_of)
            for asset in ASSETS:
                kept = read_current(engine, TABLE, asset)
                found = latest_readings(workspace, TABLE, [asset], CHANNELS, as_of).readings[asset]
                assert shown([] if kept is None else kept[1]) == shown(found), number


def test_a_state_comes_from_the_table_where_the_live_path_is_behind(
    plant: Workspace, engine: sa.Engine, twin: Twin, cnc: Contract
) -> None:
    """What somebody else stored since counts at once, and so does a value that the kept readings do not know."""
    at = {"asset": ASSET, "event_time": NOW, "known_time": NOW, "source": PHYSICAL, HEAT: 50.0, FLOW: 5.0}
    current = CurrentReadings(plant, engine)
    current.fold([commit(plant, [at], cnc, "flush")], NOW)
    later, now = NOW + SECOND, NOW + 2 * SECOND
    kept = read_current(engine, TABLE, ASSET)
    assert kept is not None
    # The kept row is what is read as long as it is current: a mark in it shows that.
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE twin_readings SET readings = replace(readings, '50.0', '51.0')"))
    marked = state_of(plant, engine, twin, now=now).properties[HEAT].current
    assert marked is not None
    assert marked.value == 51.0
    tables.append(plant, TABLE, frame_of([at | {"event_time": later, "known_time": later, HEAT: 60.0}]), "file")
    fresh = state_of(plant, engine, twin, now=now).properties
    assert fresh[HEAT].current is not None
    assert fresh[HEAT].current.value == 60.0


def test_readings_of_a_clock_that_is_ahead_are_not_known_yet(
    plant: Workspace, engine: sa.Engine, twin: Twin, cnc: Contract
) -> None:
    """Kept readings from the future count when their time comes; until then those before them do."""
    at = {"asset": ASSET, "event_time": NOW, "known_time": NOW, "source": PHYSICAL, HEAT: 50.0, FLOW: 5.0}
    ahead = at | {"event_time": NOW + 3 * SECOND, "known_time": NOW + 3 * SECOND, HEAT: 60.0}
    CurrentReadings(plant, engine).fold([commit(plant, [at, ahead], cnc, "flush")], NOW)

    def heat(now: pd.Timestamp) -> object:
        current = state_of(plant, engine, twin, now=now).properties[HEAT].current
        return None if current is None else current.value

    assert (heat(NOW + SECOND), heat(NOW + 3 * SECOND)) == (50.0, 60.0)


def test_records_that_cannot_be_written_do_not_stop_what_is_stored(
    plant: Workspace, engine: sa.Engine, cnc: Contract, caplog: pytest.LogCaptureFixture
) -> None:
    """A fold that fails is logged, and the next one makes up for it."""
    at = {"asset": ASSET, "event_time": NOW, "known_time": NOW, "source": PHYSICAL, HEAT: 50.0, FLOW: 5.0}
    current = CurrentReadings(plant, engine)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE twin_readings RENAME TO away"))
    current.fold([commit(plant, [at], cnc, "first")], NOW)
    assert "are behind" in caplog.text
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE away RENAME TO twin_readings"))
    other = at | {"asset": "cnc-02"}
    current.fold([commit(plant, [other], cnc, "second")], NOW)
    for asset in ASSETS:
        kept = read_current(engine, TABLE, asset)
        assert kept is not None
        assert len(kept[1]) == 2


def test_a_table_that_was_made_anew_is_read_anew(plant: Workspace, engine: sa.Engine, cnc: Contract) -> None:
    """Kept readings of a table that is gone are none of the table in its place."""
    at = {"asset": ASSET, "event_time": NOW, "known_time": NOW, "source": PHYSICAL, HEAT: 50.0, FLOW: 5.0}
    current = CurrentReadings(plant, engine)
    flush = commit(plant, [at], cnc, "flush")
    current.fold([replace(flush, version=flush.version + 7)], NOW)
    current.fold([commit(plant, [at | {HEAT: 51.0, "known_time": NOW + SECOND}], cnc, "again")], NOW + SECOND)
    kept = read_current(engine, TABLE, ASSET)
    assert kept is not None
    assert {(each.name, each.value) for each in kept[1]} == {(HEAT, 51.0), (FLOW, 5.0)}
