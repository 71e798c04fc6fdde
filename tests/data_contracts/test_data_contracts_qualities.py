"""Qualities of readings are kept beside them, where they are not good, and nothing computes with them."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import CONTRACTS, Column, Contract, load_contract
from data_contracts.contract.contract_types import is_quality_column
from data_contracts.errors import UsageError
from data_contracts.ingestion import quarantine
from data_contracts.ingestion.ingest import ingest
from data_contracts.tables import tables
from data_contracts.tables.history import read_history
from data_contracts.tables.readings import last_readings, read_qualities
from data_contracts.tables.telemetry_profiles import channel_profiles, text_channels
from data_contracts.validation.quality_flags import apply_qualities
from data_contracts.workspace import Workspace, init_workspace

NOW = pd.Timestamp("2026-03-02", tz="UTC")
TABLE = "telemetry/pump"
HOURS = pd.date_range("2026-03-01", periods=6, freq="h", tz="UTC").as_unit("us")


def contract(*qualities: Column) -> Contract:
    azure = load_contract("telemetry_azure_machine")
    keys = tuple(column for column in azure.columns if column.name not in azure.channels)
    channels = (Column("flow", "number", maximum=100.0), Column("heat", "number"))
    return replace(
        azure, name="telemetry_pump", asset_type="pump", columns=(*keys, *channels, *qualities), max_age=None
    )


def readings(**columns: list[object]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    keys = {"asset": "p1", "event_time": HOURS[:n], "known_time": HOURS[:n], "source": "physical"}
    return pd.DataFrame({**keys, "flow": [float(row) for row in range(n)], "heat": 50.0, **columns})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "w")


def names(workspace: Workspace) -> list[str]:
    table = DeltaTable(f"{workspace.tables_url}/{TABLE}")
    return [field.name for field in table.schema().fields if is_quality_column(field.name)]


def noted(workspace: Workspace, **options: object) -> list[tuple[int, str, str]]:
    found = read_qualities(workspace, TABLE, **options)  # type: ignore[arg-type] # as the test names them
    hours = [HOURS.get_loc(time) for time in found["event_time"]]
    return list(zip(hours, found["channel"], found["quality"], strict=True))


def test_declared_qualities_are_kept_where_they_are_not_good(workspace: Workspace) -> None:
    """Bad readings are null with their quality beside them, uncertain ones keep their value, good ones cost nothing."""
    declared = contract(Column("how_good", "string", quality_of="flow"))
    words = ["Good", "Bad: sensor", "Uncertain", None, "192", "Good"]
    result = ingest(workspace, readings(how_good=words), declared, now=NOW)
    assert result.nulled == {"flow": {"bad": 1}}
    assert noted(workspace) == [(1, "flow", "bad"), (2, "flow", "uncertain")]
    assert names(workspace) == ["flow__quality"]
    stored = tables.read(workspace, TABLE)["flow"]
    assert stored.isna().tolist() == [False, True, False, False, False, False]


def test_uncertain_readings_that_are_dropped_are_still_known_as_such(workspace: Workspace) -> None:
    declared = contract(Column("how_good", "string", quality_of="flow", uncertain="drop"))
    ingest(workspace, readings(how_good=["Good", "Uncertain", "Bad"]), declared, now=NOW)
    assert noted(workspace) == [(1, "flow", "uncertain"), (2, "flow", "bad")]
    assert tables.read(workspace, TABLE)["flow"].isna().tolist() == [False, True, True]


def test_a_quality_of_all_channels_is_one_column(workspace: Workspace) -> None:
    """It stands for every channel of the row."""
    declared = contract(Column("state", "string", quality_of="*"))
    ingest(workspace, readings(state=["Good", "Bad", "Uncertain"]), declared, now=NOW)
    assert noted(workspace) == [(1, "*", "bad"), (2, "*", "uncertain")]
    assert names(workspace) == ["__quality"]


def test_where_all_is_good_no_column_is_made(workspace: Workspace) -> None:
    """Neither by a declared column nor by one that is named like the quality of a channel."""
    declared = contract(Column("how_good", "string", quality_of="flow"))
    ingest(workspace, readings(how_good=["Good"] * 3, heat__quality=["ok", None, "192"]), declared, now=NOW)
    assert names(workspace) == []
    assert noted(workspace) == []


def test_a_column_named_like_its_channel_needs_no_declaration(workspace: Workspace) -> None:
    """It is applied and said; a word that is not known refuses its row, and another name its batch."""
    result = ingest(workspace, readings(flow__quality=["Good", "Bad", "Uncertain", "Flaky"]), contract(), now=NOW)
    assert (result.accepted, result.quarantined, result.nulled) == (3, 1, {"flow": {"bad": 1}})
    assert noted(workspace) == [(1, "flow", "bad"), (2, "flow", "uncertain")]
    with pytest.raises(Exception, match="does not have"):
        ingest(workspace, readings(flew__quality=["Good"] * 4), contract(), now=NOW)


def test_nothing_computes_with_qualities(workspace: Workspace) -> None:
    """They are no channels of a history, of profiles, or of what counts as a reading; an old table reads as before."""
    ingest(workspace, readings(flow=[1.0, 2.0]), contract(), now=NOW)
    assert noted(workspace) == []
    later = readings(flow=[None, 3.0], heat=[None, 3.0], flow__quality=["Bad", "Uncertain"])
    later = later.assign(event_time=HOURS[4:], known_time=HOURS[4:])
    ingest(workspace, later, contract(), now=NOW)
    assert read_history(workspace, "pump").channels == ("flow", "heat")
    assert not any(map(is_quality_column, tables.read(workspace, TABLE).columns))
    assert set(channel_profiles(workspace, TABLE)["channel"]) == {"flow", "heat"}
    assert text_channels(workspace, TABLE) == ()
    # A row that has a quality and no value is no reading.
    assert last_readings(workspace, TABLE, as_of=HOURS[4], assets=["p1"]) == {"p1": HOURS[1]}


def test_a_correction_corrects_the_quality(workspace: Workspace) -> None:
    """The row stored last counts, in its quality too; as of before it was known, the other."""
    ingest(workspace, readings(flow__quality=["Bad", "Bad", "Good"]), contract(), now=NOW)
    corrected = readings(flow__quality=[None, "Uncertain", "Bad"])
    ingest(workspace, corrected.iloc[:2], contract(), now=NOW)
    assert noted(workspace) == [(1, "flow", "uncertain")]
    late = corrected.iloc[2:].assign(known_time=NOW - pd.Timedelta(hours=1))
    ingest(workspace, late, contract(), now=NOW)
    assert noted(workspace) == [(1, "flow", "uncertain"), (2, "flow", "bad")]
    assert noted(workspace, as_of=HOURS[5]) == [(1, "flow", "uncertain")]
    assert noted(workspace, start=HOURS[1], end=HOURS[2]) == [(2, "flow", "bad")]
    assert noted(workspace, assets=["p2"]) == []


def test_quarantined_rows_keep_their_quality_until_they_are_replayed(workspace: Workspace) -> None:
    """Refused for another channel, a reading's quality waits with it."""
    rows = readings(flow=[1.0, 500.0], heat__quality=["Good", "Uncertain"])
    ingest(workspace, rows, contract(), now=NOW)
    assert noted(workspace) == []
    wider = replace(contract(), columns=tuple(replace(each, maximum=None) for each in contract().columns))
    assert quarantine.replay(workspace, wider, now=NOW).accepted == 1
    assert noted(workspace) == [(1, "heat", "uncertain")]


@given(st.lists(st.sampled_from(["Good", "Bad", "Uncertain", None]), min_size=1, max_size=6), st.booleans())
@settings(deadline=None)
def test_what_is_noted_is_what_is_not_good(words: list[str | None], drop: bool) -> None:
    """Row by row, whatever is dropped; values are null where the quality is bad, or dropped."""
    column = Column("how_good", "string", quality_of="flow", uncertain="drop" if drop else "keep")
    frame = readings(how_good=list(words)).astype({"how_good": "str"})
    applied = apply_qualities(frame, contract(column)).frame
    expected = [word.lower() if word in ("Bad", "Uncertain") else None for word in words]
    kept = applied["flow__quality"].tolist() if "flow__quality" in applied else [None] * len(words)
    assert kept == expected
    assert applied["flow"].isna().tolist() == [word == "Bad" or (drop and word == "Uncertain") for word in words]


def test_a_channel_may_not_be_named_like_a_quality(tmp_path: Path) -> None:
    """The contract is refused, with what to write instead."""
    text = (CONTRACTS / "telemetry_azure_machine.odcs.yaml").read_text()
    twin = next(line for line in text.splitlines() if "twinInterface" in line)
    keys = text.partition("properties:")[0].replace(twin + "\n", "")
    fields = ("{name: asset, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}",)
    fields += tuple(
        f"{{name: {name}, logicalType: {kind}, required: true}}"
        for name, kind in (("event_time", "timestamp"), ("known_time", "timestamp"), ("source", "string"))
    )
    file = tmp_path / "pump.odcs.yaml"
    columns = "".join(f"\n      - {field}" for field in (*fields, "{name: volt__quality, logicalType: number}"))
    file.write_text(f"{keys}properties:{columns}\n")
    with pytest.raises(UsageError, match=r"volt__quality.*qualityOf"):
        load_contract(file)
