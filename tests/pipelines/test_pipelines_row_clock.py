"""Rows as the clock over several files: numbered on from those stored, and the same file again changes nothing."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import load_contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace
from pipelines.importers.batch import ImportResult, import_batch
from pipelines.importers.files import read_files
from pipelines.importers.files import read_table as read_by_contract
from pipelines.importers.row_clock import continue_rows
from pipelines.jobs.ingest import ingest_files, ingest_inbox

NOW = pd.Timestamp("2026-01-01", tz="UTC")
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: own.telemetry_tool
name: telemetry_tool
version: 1.0.0
status: active
customProperties:
  - {property: assetType, value: tool}
  - {property: clock, value: cycle}
  - {property: fileLayout, value: {timeFormat: row}}
schema:
  - name: telemetry
    logicalType: object
    properties:
      - {name: asset, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: event_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 2}
      - {name: known_time, logicalType: timestamp, required: true}
      - {name: source, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 3}
      - {name: force, logicalType: number, logicalTypeOptions: {maximum: 1000}}
"""
LAYOUT = FileLayout(time_format="row")


def rows_of(workspace: Workspace) -> dict[str, list[tuple[int, float]]]:
    stored = tables.read(workspace, "telemetry/tool").drop_duplicates(["asset", "event_time", "force"])
    numbers = (stored["event_time"] - LAYOUT.start_time) // LAYOUT.cycle_duration
    return {
        str(asset): list(zip(numbers[rows.index].tolist(), rows["force"].tolist(), strict=True))
        for asset, rows in stored.groupby("asset")
    }


class Files:
    """A workspace, and files of tools to import into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = init_workspace(folder / "w")
        (folder / "tool.odcs.yaml").write_text(CONTRACT)
        self.contract = load_contract(str(folder / "tool.odcs.yaml"))

    def write(self, name: str, values: dict[str, list[float]]) -> Path:
        lines = [f"{asset},{value}\n" for asset, own in values.items() for value in own]
        (self.folder / name).write_text("asset,force\n" + "".join(lines))
        return self.folder / name

    def load(self, path: Path) -> ImportResult:
        return import_batch(self.workspace, read_files(self.contract, telemetry=path), now=NOW)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_second_file_goes_on_where_the_first_ended(files: Files) -> None:
    """Of each asset by itself, and it is said; an asset that is new begins with 1."""
    files.load(files.write("1.csv", {"a": [1, 2, 3], "b": [9]}))
    result = files.load(files.write("2.csv", {"a": [4, 5], "b": [8], "c": [7]}))
    assert rows_of(files.workspace) == {
        "a": [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)],
        "b": [(1, 9), (2, 8)],
        "c": [(1, 7)],
    }
    notes = result.reading["telemetry/tool"]
    assert notes.continued == {"a": 4, "b": 2}
    assert "a from row 4, b from row 2" in " ".join(notes.sentences())
    assert result.to_dict()["reading"]["telemetry/tool"]["continued"] == {"a": 4, "b": 2}


def test_the_same_files_again_change_nothing(files: Files) -> None:
    paths = [files.write("1.csv", {"a": [1, 2, 3], "b": [9]}), files.write("2.csv", {"a": [4, 5], "b": [8]})]
    for path in paths:
        files.load(path)
    before = tables.latest_version(files.workspace, "telemetry/tool")
    again = [files.load(path) for path in (*paths, *reversed(paths))]
    assert all(result.tables["telemetry/tool"].already for result in again)
    assert tables.latest_version(files.workspace, "telemetry/tool") == before


def test_a_file_that_has_grown_keeps_its_numbers(files: Files) -> None:
    """Its new rows follow; those imported before are not stored as others."""
    files.load(files.write("0.csv", {"a": [50, 51]}))
    files.load(files.write("1.csv", {"a": [1, 2, 3]}))
    files.load(files.write("1.csv", {"a": [1, 2, 3, 4, 5]}))
    assert [value for _, value in rows_of(files.workspace)["a"]] == [50, 51, 1, 2, 3, 4, 5]


def test_rows_in_quarantine_keep_their_numbers(files: Files) -> None:
    """Whether they are the first or the last of their file: they may be repaired and replayed."""
    first, second = files.write("1.csv", {"a": [5000, 2, 5000]}), files.write("2.csv", {"a": [5000, 5]})
    files.load(first)
    files.load(second)
    assert rows_of(files.workspace)["a"] == [(2, 2), (5, 5)]
    assert files.load(first).tables["telemetry/tool"].already
    assert files.load(second).tables["telemetry/tool"].already


def test_a_corrected_row_does_not_make_its_file_another(files: Files) -> None:
    path = files.write("1.csv", {"a": [1, 2, 3]})
    files.load(path)
    row = tables.read(files.workspace, "telemetry/tool").head(1).drop(columns="stored_version")
    tables.append(files.workspace, "telemetry/tool", row.assign(force=1.5), "corrected")
    assert files.load(path).tables["telemetry/tool"].already


def test_ingest_and_inbox_number_alike(files: Files) -> None:
    """Files that come by another way are numbered by the same rule."""
    files.load(files.write("1.csv", {"a": [1, 2]}))
    ingested = ingest_files(files.workspace, [files.write("2.csv", {"a": [3]})], files.contract, LAYOUT, now=NOW)
    assert ingested.to_dict()["reading"]["continued"] == {"a": 3}
    inbox = files.folder / "inbox" / "telemetry_tool"
    inbox.mkdir(parents=True)
    files.write("inbox/telemetry_tool/3.csv", {"a": [4]})
    result = ingest_inbox(files.workspace, files.folder / "inbox", now=NOW, settle=pd.Timedelta(0))
    assert [one.accepted for one in result.files] == [1]
    assert rows_of(files.workspace)["a"] == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_a_file_that_nobody_has_touched_is_not_read_again(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewritten with the size and time of before it is, and so is one whose rows are not in the table any more."""
    files.load(files.write("1.csv", {"a": [1, 2]}))
    inbox = files.folder / "inbox" / "telemetry_tool"
    inbox.mkdir(parents=True)
    files.write("inbox/telemetry_tool/2.csv", {"a": [3]})
    read = list[Path]()

    def run() -> list[bool]:
        read.clear()
        result = ingest_inbox(files.workspace, files.folder / "inbox", now=NOW, settle=pd.Timedelta(0))
        return [one.already for one in result.files]

    def noting(file: Path, *arguments: Any, **options: Any) -> Any:
        read.append(file)
        return read_by_contract(file, *arguments, **options)

    monkeypatch.setattr("pipelines.jobs.ingest.read_by_contract", noting)
    assert (run(), len(read)) == ([False], 1)
    assert (run(), len(read)) == ([True], 0)
    file = inbox / "2.csv"
    before, content = file.stat(), file.read_bytes()
    file.write_bytes(content.replace(b"3", b"5"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (run(), len(read)) == ([False], 1)
    shutil.rmtree(Path(files.workspace.tables_url) / "telemetry" / "tool")
    assert (run(), len(read)) == ([False], 1)


@given(st.lists(st.lists(st.integers(0, 10**6), min_size=1, max_size=4), min_size=1, max_size=4), st.data())
@settings(max_examples=20, deadline=None)
def test_any_order_of_repeats_stores_each_file_once(contents: list[list[int]], data: st.DataObject) -> None:
    """Files imported in order, each possibly again later on: their rows stand one after the other, once."""
    # Files of different values: equal ones cannot be told from the same file again.
    values = iter(np.random.default_rng(0).permutation(900))
    distinct = [[float(next(values)) for _ in content] for content in contents]
    with tempfile.TemporaryDirectory() as folder:
        files = Files(Path(folder))
        for number, content in enumerate(distinct):
            files.load(files.write(f"{number}.csv", {"a": content}))
            repeated = data.draw(st.integers(0, number))
            files.load(files.folder / f"{repeated}.csv")
        expected = [value for content in distinct for value in content]
        assert rows_of(files.workspace)["a"] == list(enumerate(expected, start=1))


def test_other_clocks_are_left_alone(files: Files) -> None:
    frame = pd.DataFrame({"asset": ["a"], "event_time": [NOW], "force": [1.0]})
    unchanged, continued = continue_rows(files.workspace, frame, files.contract, FileLayout())
    assert unchanged is frame
    assert continued == {}
