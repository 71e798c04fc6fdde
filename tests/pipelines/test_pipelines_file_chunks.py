"""A large file read in chunks gives the rows, the notes and the refusals of the file at once."""

import tempfile
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract_types import Column, Contract
from data_contracts.contract.file_layout import PLAIN, FileLayout
from data_contracts.errors import ForewarnError
from data_contracts.ingestion.quarantine import list_rows
from data_contracts.tables import tables
from data_contracts.workspace import init_workspace
from pipelines.file_reading import raw_table
from pipelines.file_reading.chunked import asset_chunks, file_chunks
from pipelines.file_reading.chunked.open_chunks import open_chunks
from pipelines.file_reading.read import read_table
from pipelines.importers.batch import import_batch
from pipelines.importers.files import read_files
from pipelines.jobs.ingest import ingest_files

NOW = pd.Timestamp("2026-03-01T00:00Z")
CONTRACT = Contract(
    name="telemetry_pump",
    version="1.0.0",
    kind="telemetry",
    columns=(
        Column("asset", "string", required=True),
        Column("event_time", "timestamp", required=True),
        Column("known_time", "timestamp", required=True),
        Column("source", "string", required=True),
        Column("flow", "number", unit="l/min", maximum=900.0),
        Column("starts", "integer"),
        Column("running", "boolean"),
    ),
    key=("asset", "event_time", "known_time", "source"),
    asset_type="pump",
)
TIMES = ["2026-01-31T06:00:00Z", "2026-01-31T06:01:00+01:00", "2026-01-31 06:02:00", "31.01.2026 06:03", "", "off"]
FLOWS = ["1.5", "2", "1,5", "12,25", "1.234", "OFF", "", "nan", "1e3", " 7 ", "n/a", "12345678901234567890"]
STARTS = ["1", "2.0", "3.5", "0x1F", "9223372036854775807", "9223372036854775808", "-", "", "+4"]


@st.composite
def texts(draw: st.DrawFn) -> tuple[list[str], str]:
    """Return the lines of a file with a few kinds of cells each, and their separator."""
    pools = [draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3)) for pool in (TIMES, FLOWS, STARTS)]
    pools += [draw(st.sampled_from([["true", "false"], ["1", "x", ""]]))]
    mark = draw(st.sampled_from([",", ";", ";"]))
    trailing = draw(st.sampled_from(["", "", mark]))
    header = ["asset", "event_time", "flow [l/min]", "starts", "running", *draw(st.sampled_from([[], ["note"]]))]
    lines = [mark.join(header) + trailing]
    if draw(st.booleans()):
        lines.append(mark.join(["", "", "l/min", *[""] * (len(header) - 3)]) + trailing)
    for number in range(draw(st.integers(1, 14))):
        cells = [f"P-{number % 3}", *(draw(st.sampled_from(pool)) for pool in pools)]
        quoted = [f'"{cell}"' if mark in cell else cell for cell in cells]
        lines.append(mark.join([*quoted, *["x"] * (len(header) - 5)]) + trailing)
    return lines, mark


def _plain(frame: pd.DataFrame) -> list[list[Any]]:
    return [[None if pd.isna(cell) else cell for cell in frame[name]] for name in frame.columns]


def _at_once(paths: list[Path], layout: FileLayout) -> Any:
    try:
        table = read_table(paths, CONTRACT, layout, strict=False)
    except ForewarnError as error:
        return str(error)
    return list(table.frame.columns), _plain(table.frame), table.notes.to_dict()


def _in_chunks(paths: list[Path], layout: FileLayout, rows: int) -> Any:
    chunks = open_chunks(paths, CONTRACT, layout, strict=False, chunk_rows=rows)
    assert chunks is not None
    try:
        frames = list(chunks)
    except ForewarnError as error:
        return str(error)
    assert max(map(len, frames)) <= rows
    columns = [_plain(frame) for frame in frames]
    whole = [list(chain.from_iterable(parts)) for parts in zip(*columns, strict=True)]
    return list(frames[0].columns), whole, chunks.notes().to_dict()


@given(written=texts(), rows=st.integers(1, 6), zone=st.sampled_from([None, "Europe/Berlin"]))
@settings(max_examples=150, deadline=None)
def test_chunks_are_one_file(written: tuple[list[str], str], rows: int, zone: str | None) -> None:
    """Whatever its cells: values, texts of bad cells, notes and errors do not depend on the size of the chunks."""
    layout = replace(PLAIN, time_zone=zone, missing=("n/a",))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "export.csv")
        path.write_text("\n".join(written[0]) + "\n")
        assert _in_chunks([path], layout, rows) == _at_once([path], layout)


def test_units_commas_and_files_that_overlap_are_told_of_the_whole(tmp_path: Path) -> None:
    """A decimal comma that only the last row shows counts for all rows; of two exports each common row counts once."""
    header = "asset;event_time;flow;starts;running"
    lines = [f"P-{number % 2};2026-01-31T06:{number:02d}:00Z;{number};1;true" for number in range(8)]
    lines.append("P-0;2026-01-31T07:00:00Z;7,25;1;true")
    one, other, empty = (tmp_path / name for name in ("a.csv", "b.csv", "c.csv"))
    one.write_text("\n".join([header, ";;l/min;;", *lines[:6], lines[5], lines[8]]) + "\n")
    other.write_text("\n".join([header, *lines[4:], lines[8]]) + "\n")
    empty.write_text(header + "\n")
    whole, chunked = init_workspace(tmp_path / "whole"), init_workspace(tmp_path / "chunked")
    files = [one, other, empty]
    first = ingest_files(whole, files, CONTRACT, PLAIN, now=NOW)
    second = ingest_files(chunked, files, CONTRACT, PLAIN, now=NOW, chunk_rows=3)
    assert second.to_dict() == first.to_dict()
    assert first.reading.repeated == 3  # what one file has twice is for the checks to refuse
    assert first.result.quarantined == 2
    pd.testing.assert_frame_equal(tables.read(chunked, CONTRACT.table), tables.read(whole, CONTRACT.table))
    pd.testing.assert_frame_equal(list_rows(chunked), list_rows(whole))
    again = ingest_files(chunked, files, CONTRACT, PLAIN, now=NOW, chunk_rows=4)
    assert again.result.already
    assert again.result.batch_id == first.result.batch_id


@pytest.mark.parametrize("nulls", [0, 3])
def test_parquet_is_read_by_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nulls: int) -> None:
    """Typed columns become the same values in parts: floats that are whole, whole numbers with gaps, local times."""
    monkeypatch.setattr(raw_table, "_PARQUET_ROWS", 4)
    count = 11
    table = pa.table(
        {
            "asset": pa.array(["a", "b", None] * 3 + ["a", "b"]).dictionary_encode(),
            "event_time": pa.array([pd.Timestamp("2026-01-31T06:00") + pd.Timedelta(n, "min") for n in range(count)]),
            "flow": pa.array([None] * nulls + list(range(nulls, count)), pa.int64()),
            "starts": pa.array([float(n) if n != 9 else 2.5 for n in range(count)]),
            "running": pa.array([True, None] * 5 + [False]),
        }
    )
    path = tmp_path / "export.parquet"
    pa.parquet.write_table(table, path, row_group_size=5)
    layout = replace(PLAIN, time_zone="Europe/Berlin")
    assert _in_chunks([path], layout, 3) == _at_once([path], layout)


def test_small_files_and_other_layouts_are_read_at_once(tmp_path: Path) -> None:
    """Nothing is to be gained for a small file; where the row is the clock, its place in the file counts."""
    path = tmp_path / "export.csv"
    path.write_text("asset,event_time,flow,starts,running\nP-1,2026-01-31T06:00:00Z,1,1,true\n")
    assert open_chunks(path, CONTRACT) is None
    assert open_chunks(path, CONTRACT, replace(PLAIN, time_format="row"), chunk_rows=1) is None
    assert file_chunks.CHUNK_ROWS > 1


def test_an_import_in_chunks_is_an_import(tmp_path: Path) -> None:
    """Beside other tables, too: the same rows, records, notes and what matches nothing; again it changes nothing."""
    telemetry, failures = tmp_path / "telemetry.csv", tmp_path / "failures.csv"
    rows = [f"P-{n % 3},2026-01-31T06:{n:02d}:00Z,{n if n != 4 else 5000},1,true" for n in range(9)]
    telemetry.write_text("\n".join(["asset,event_time,flow,starts,running", *rows]) + "\n")
    failures.write_text("failure_id,asset,event_time,mode\nF1,P-1,2026-01-31T06:08:00Z,leak\nF2,P-9,2026-01-31,leak\n")

    def imported(name: str, chunk_rows: int | None) -> tuple[Any, Any]:
        workspace = init_workspace(tmp_path / name)
        batch = read_files(CONTRACT, telemetry=telemetry, failures=failures, time_zone="UTC", chunk_rows=chunk_rows)
        assert (batch.chunks is None) == (chunk_rows is None)
        result = import_batch(workspace, batch, now=NOW)
        batch = read_files(CONTRACT, telemetry=telemetry, failures=failures, time_zone="UTC", chunk_rows=chunk_rows)
        again = import_batch(workspace, batch, now=NOW)
        assert all(table.already for name, table in again.tables.items())
        return result.to_dict(), {name: tables.read(workspace, name).to_dict() for name in tables.versions(workspace)}

    assert str(imported("chunked", 4)) == str(imported("whole", None))


LONG = replace(PLAIN, shape="long", time_zone="Europe/Berlin")
VALUES = ["1", "2", "1,5", "12,25", "OFF", "", "1e3"]


@st.composite
def long_files(draw: st.DrawFn) -> list[str]:
    """Return one or two long files about the same machines, with lines that repeat, differ, or are not good."""
    tags = draw(
        st.lists(st.sampled_from([f"P-{n}.{name}" for n in range(5) for name in ("flow", "starts", "x")]), min_size=1)
    )
    values = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=4))
    qualities = draw(st.sampled_from([["Good"], ["Good", "Bad", "Uncertain"]]))
    files = []
    for _ in range(draw(st.integers(1, 2))):
        lines = ["time;tag;value;quality"]
        for number in range(draw(st.integers(1, 25))):
            cells = f"2026-01-31 06:{number % 4:02d}", draw(st.sampled_from(tags)), draw(st.sampled_from(values))
            lines.append(";".join([*cells, draw(st.sampled_from(qualities))]))
        files.append("\n".join(lines) + "\n")
    return files


def _stored(folder: Path, name: str, files: list[Path], layout: FileLayout, rows: int | None) -> Any:
    workspace = init_workspace(folder / name)
    try:
        result = ingest_files(workspace, files, CONTRACT, layout, now=NOW, chunk_rows=rows)
    except ForewarnError as error:
        return type(error), sorted(list_rows(workspace)["row"])
    said = result.to_dict()
    # Rows come asset by asset, so that another cell may be the first that cannot be read.
    said["reading"].pop("examples", None)
    held = list_rows(workspace)
    return said["batch_id"], str(said["reading"]), tables.read(workspace, CONTRACT.table), sorted(held["row"])


@given(files=long_files(), rows=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_a_long_table_some_assets_at_a_time_is_the_whole(files: list[str], rows: int) -> None:
    """Whatever repeats or differs, in one file or two: the same batch, rows, notes and refusals."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(asset_chunks, "_PORTION", 3)
        patch.setattr(asset_chunks, "_A_BLOCK", 1)
        paths = [Path(folder, f"{number}.csv") for number in range(len(files))]
        for path, text in zip(paths, files, strict=True):
            path.write_text(text)
        whole, parts = (_stored(Path(folder), str(size), paths, LONG, size) for size in (None, rows))
        assert [str(each) for each in parts] == [str(each) for each in whole]


def test_files_joined_some_assets_at_a_time_are_the_whole(tmp_path: Path) -> None:
    """Columns of several files, rows that repeat and rows that contradict each other; a channel in one file only."""
    rows = [(f"P-{number % 5}", f"2026-01-31T06:{number // 5:02d}:00Z", number) for number in range(30)]
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    lines = [f"{asset},{time},{number},{number}" for asset, time, number in rows[:25]]
    one.write_text("\n".join(["asset,event_time,flow [l/min],starts", *lines]) + "\n")
    lines = [
        f"{asset},{time},{'true' if number % 2 else 'false'},{number + number // 20}" for asset, time, number in rows
    ]
    other.write_text("\n".join(["asset,event_time,running,starts", *lines]) + "\n")
    whole, parts = (_stored(tmp_path, str(size), [one, other], replace(PLAIN, join=True), size) for size in (None, 7))
    assert [str(each) for each in parts] == [str(each) for each in whole]
    assert len(whole[2]) >= 20
