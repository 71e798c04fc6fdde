"""What the command line says of files' layout is kept with the contract, and said; what is of one file is not."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.contract.contract import Column, Contract, load_contract
from data_contracts.contract.file_layout import PLAIN, FileLayout
from data_contracts.contract.registered import find_contract
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace
from pipelines.importers.batch import ImportResult, import_batch
from pipelines.importers.files import read_files
from pipelines.importers.remembered_layout import with_layout
from pipelines.jobs.ingest import IngestedFiles, ingest_files

NOW = pd.Timestamp("2026-06-01T00:00Z")
CONTRACT = Contract(
    "pump",
    "1",
    "telemetry",
    (
        Column("asset", "string", required=True),
        Column("event_time", "timestamp", required=True),
        Column("source", "string", required=True),
        Column("known_time", "timestamp", required=True),
        Column("heat", "number"),
    ),
    ("asset", "event_time", "source", "known_time"),
    asset_type="pump",
)


def _file(path: Path, day: int) -> Path:
    lines = [f"{day:02d}.01.2026 {hour:02d}:00;{hour},5;x" for hour in range(8)]
    path.write_text("event_time;heat;note\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "workspace")


GIVEN = replace(
    PLAIN, time_format="dd.mm.yyyy HH:MM", time_zone="Europe/Berlin", asset="p1", ignore_extra=True, missing=("-",)
)


def _ingest(workspace: Workspace, path: Path, contract: Contract, layout: FileLayout) -> IngestedFiles:
    return ingest_files(workspace, [path], contract, layout, now=NOW)


def test_the_next_file_needs_no_options(workspace: Workspace, tmp_path: Path) -> None:
    """By the contract's name alone it is read as the first was; its digest is as before."""
    first = _ingest(workspace, _file(tmp_path / "a.csv", 1), CONTRACT, GIVEN)
    for words in (
        "kept with the contract pump",
        "time zone Europe/Berlin",
        "time format dd.mm.yyyy HH:MM",
        "missing -",
    ):
        assert words in first.remembered
    assert "p1" not in first.remembered
    assert first.to_dict()["remembered"] == first.remembered
    kept = find_contract(workspace.contracts, "pump")
    assert kept.digest == CONTRACT.digest
    layout = kept.file_layout
    assert layout is not None
    # The asset, and leaving out what nobody knows, are of one file.
    assert (layout.asset, layout.ignore_extra) == (None, False)
    second = _ingest(workspace, _file(tmp_path / "b.csv", 2), kept, replace(layout, asset="p2", ignore_extra=True))
    assert (second.remembered, second.registration.new) == ("", False)
    stored = tables.read(workspace, "telemetry/pump")
    times = stored.groupby("asset")["event_time"].min()
    assert [times["p1"], times["p2"]] == [pd.Timestamp("2025-12-31T23:00Z"), pd.Timestamp("2026-01-01T23:00Z")]


def test_an_import_says_it_and_another_option_replaces_it(workspace: Workspace, tmp_path: Path) -> None:
    """Among the notes, and the contract's changes name the one that is new."""

    def imported(name: str, day: int, contract: Contract, layout: FileLayout) -> ImportResult:
        files = _file(tmp_path / name, day)
        return import_batch(workspace, read_files(contract, telemetry=files, layout=layout), now=NOW)

    first = imported("a.csv", 1, CONTRACT, GIVEN)
    assert any(note.startswith("kept with the contract pump for files to come: ") for note in first.notes)
    kept = find_contract(workspace.contracts, "pump")
    elsewhere = replace(GIVEN, time_zone="Asia/Tokyo")
    second = imported("b.csv", 2, kept, elsewhere)
    assert any("files to come: time zone Asia/Tokyo;" in note for note in second.notes)
    assert second.contract.changes == ("files: time zone Europe/Berlin, now Asia/Tokyo",)
    third = imported("c.csv", 3, find_contract(workspace.contracts, "pump"), elsewhere)
    assert (third.notes, third.contract.new) == ((), False)


def test_what_is_of_one_file_leaves_the_contract_s_own() -> None:
    """An asset on the command line does not replace the pattern that the contract has; shipped contracts stay."""
    own = replace(CONTRACT, file_layout=FileLayout(asset_from="{asset}.csv"))
    assert with_layout(own, FileLayout(asset="p9")) is own
    changed = with_layout(own, FileLayout(asset="p9", decimal=","))
    assert changed.file_layout == FileLayout(asset_from="{asset}.csv", decimal=",")
    shipped = load_contract("telemetry_turbofan")
    assert with_layout(shipped, GIVEN) is shipped
    assert with_layout(own, None) is own
