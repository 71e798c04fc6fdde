"""Tables of many assets, asked for by many names."""

import contextlib
import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.ingestion import quarantine
from data_contracts.ingestion.ingest import ingest
from data_contracts.ingestion.refused_readings import count_newer, refused_readings
from data_contracts.tables import row_conditions, tables
from data_contracts.tables.history import open_history, read_history
from data_contracts.tables.table_access import open_to_read, query
from data_contracts.validation.report import ContractError
from data_contracts.workspace import init_workspace

TIME = pd.Timestamp("2026-03-01T00:00Z").as_unit("us")
ODD = ["", "o'brien", "a\x01b", "\x01", "\x02'", "Fräse 04", "%", "\\", "a,b", '"']


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Make a workspace of 60,000 assets, some of them with odd names, in two plants."""
    workspace = init_workspace(tmp_path_factory.mktemp("fleet") / "ws")
    names = [*ODD, *(f"pump-{number:06d}" for number in range(60_000))]
    rows = pd.DataFrame({"asset": names, "event_time": TIME, "known_time": TIME})
    plants = ["north" if number % 2 else "south" for number in range(len(names))]
    tables.append(workspace, "assets", rows.assign(asset_type="pump", plant=plants), "assets")
    tables.append(workspace, "telemetry/pump", rows.assign(source="physical", flow=1.0), "telemetry")
    tables.append(workspace, "failures", rows.assign(failure_id=rows["asset"], mode="seal"), "failures")
    return workspace


def test_a_history_of_many_assets_is_read_whole(fleet):
    """More names than the engine's stack holds as a list: nothing dies and nothing is left out."""
    history = read_history(fleet, "pump")
    assert [len(frame) for frame in (history.telemetry, history.assets, history.failures)] == [60_010] * 3
    assert len(read_history(fleet, "pump", plant="north").telemetry) == 30_005
    assert len(read_history(fleet, "pump", plant="north", start=TIME).failures) == 30_005
    latest, _ = tables.asset_watermarks(fleet, "telemetry/pump", assets=sorted(set(history.assets["asset"])))
    assert len(latest) == 60_010
    blocks = open_history(fleet, "pump", plant="north", block_rows=20_000).blocks()
    assert [len(block.telemetry) for block in blocks] == [20_000, 10_005]


def test_the_engine_holds_the_names_and_not_the_rows_of_the_table(fleet):
    """What it builds a table of in memory for the join is the names; else reading would take as much as all rows."""
    delta = open_to_read(fleet, "telemetry/pump")
    names = [f"pump-{number:06d}" for number in range(row_conditions.MOST_LISTED + 1)]
    statement = f"EXPLAIN SELECT flow FROM t{row_conditions.where(None, names, None, None)}"  # noqa: S608
    assert "mode=CollectLeft, join_type=RightSemi" in query(delta, statement)["plan"][-1].as_py()


@settings(max_examples=25, deadline=None)
@given(odd=st.sets(st.sampled_from(ODD), min_size=1), unknown=st.lists(st.text(max_size=3), max_size=3))
def test_names_select_the_same_however_many_there_are(fleet, odd, unknown):
    """Names with quotes, control characters and separators: as one text they select what a list selects."""
    names = [*odd, *(f"{name}?" for name in unknown), "pump-000007"]
    few = tables.read(fleet, "assets", assets=names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_conditions, "MOST_LISTED", 0)
        many = tables.read(fleet, "assets", assets=[*names, *names])
    pd.testing.assert_frame_equal(many, few)
    assert set(few["asset"]) == {*odd, "pump-000007"}


def test_refused_readings_are_counted_alike_however_many_assets_there_are(
    workspace, cnc, make_telemetry, now, monkeypatch
):
    """A batch refused and then accepted, rows in quarantine, assets with and without a good reading."""
    for day in range(3):
        batch = make_telemetry(day)
        bad = batch.assign(spindle_power=batch["spindle_power"].where(batch.index % 7 != day, -5.0))
        ingest(workspace, bad, cnc, now=now)
    with contextlib.suppress(ContractError):
        ingest(workspace, make_telemetry(3).drop(columns="tool_load"), cnc, now=now, batch_id="day 3")
    ingest(workspace, make_telemetry(3), cnc, now=now, batch_id="day 3")
    with contextlib.suppress(ContractError):
        ingest(workspace, make_telemetry(4).drop(columns="tool_load"), cnc, now=now)
    latest = make_telemetry(1)["event_time"].max()
    good = {"cnc-00": latest, "cnc-01": None, "cnc-02": latest - pd.Timedelta(hours=3), "o'brien": None}
    rows = pd.DataFrame([json.loads(row) for row in quarantine.list_rows(workspace)["row"]])
    at = pd.to_datetime(rows["event_time"], utc=True)
    never = pd.Timestamp(0, tz="UTC")
    expected = {asset: int(((rows["asset"] == asset) & (at > (since or never))).sum()) for asset, since in good.items()}
    summary = refused_readings(workspace, cnc.table)
    for _ in range(2):
        assert count_newer(workspace, cnc.table, good) == {asset: n for asset, n in expected.items() if n}
        assert refused_readings(workspace, cnc.table) == summary
        monkeypatch.setattr(row_conditions, "MOST_LISTED", 0)
    assert count_newer(workspace, cnc.table, {}) == {}
    many = good | {f"pump-{number}": None for number in range(30_000)}
    assert count_newer(workspace, cnc.table, many) == {asset: n for asset, n in expected.items() if n}
