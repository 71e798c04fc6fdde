"""A large file read in chunks gives the rows, the notes and the refusals of the file at once."""

import tempfile
from dataclasses import replace
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
from pipelines.file_reading import file_chunks, raw_table
from pipelines.file_reading.file_chunks import open_chunks
from pipelines.file_reading.read import read_table
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
    return list(frames[0].columns), [sum(parts, []) for parts in zip(*columns, strict=True)], chunks.notes().to_dict()


@given(written=texts(), rows=st.integers(1, 6), zone=st.sampled_from([None, "Europe/Berlin"]))
@settings(max_examples=150, deadline=None)
def test_chunks_are_one_file(written: tuple[list[str], str], rows: int, zone: str | None) -> None:
    """Whatever its cells: values, texts of bad cells, notes and errors do not depend on the size of the chunks."""
    layout = replace(PLAIN, time_zone=zone, missing=("n/a",))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "export.csv")
        path.write_text("\n".join(written[0]) + "\n")
        assert _in_chunks([path], layout, rows) == _at_once([path], layout)
