"""A batch in chunks is stored, refused and reported as the batch at once, whatever the size of its chunks."""

import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.bulk import staged_rows
from data_contracts.bulk.ingest_chunks import ingest_chunks
from data_contracts.bulk.staged_rows import StagedRows
from data_contracts.contract.contract_types import Column, Contract, QualityRule
from data_contracts.errors import ForewarnError, StorageError
from data_contracts.ingestion.ingest import ingest
from data_contracts.tables import tables
from data_contracts.tables.arrow_frames import to_arrow
from data_contracts.tables.table_access import location
from data_contracts.upkeep.unused_files import remove_unused
from data_contracts.workspace import Workspace, init_workspace

NOW = pd.Timestamp("2026-03-01T00:00Z")
START = pd.Timestamp("2026-02-01T00:00Z")
KEY = ("asset", "event_time", "known_time", "source")
CONTRACT = Contract(
    name="telemetry_press",
    version="1.0.0",
    kind="telemetry",
    columns=(
        Column("asset", "string", required=True),
        Column("event_time", "timestamp", required=True),
        Column("known_time", "timestamp", required=True),
        Column("source", "string", required=True, allowed=("physical", "simulation")),
        Column("force", "number", unit="kN", maximum=100.0, max_null_share=0.6, max_rate_per_second=0.01),
        Column("strokes", "integer", minimum=0),
        Column("serial", "string", unique=True),
        Column(
            "batch",
            "string",
            rules=(QualityRule("duplicateValues", (("mustBe", (0.0,)),)),),
        ),
    ),
    key=KEY,
    min_rows=3,
    max_age=pd.Timedelta(days=20),
    asset_type="press",
    rules=(
        QualityRule("rowCount", (("mustBeGreaterThan", (2.0,)),)),
        QualityRule("duplicateValues", (("mustBeLessThan", (70.0,)),), percent=True, columns=("asset", "force")),
    ),
)


def _mostly(good: st.SearchStrategy[Any], *bad: Any) -> st.SearchStrategy[Any]:
    return st.one_of(good, good, good, good, st.sampled_from(bad))


ROWS = st.fixed_dictionaries(
    {
        "asset": _mostly(st.sampled_from(["a", "b", "c"]), None),
        "minute": st.integers(0, 6),
        "late": _mostly(st.just(5), -10, 99_999),
        "source": _mostly(st.sampled_from(["physical", "simulation"]), "other"),
        "force": _mostly(st.sampled_from([1.0, 1.5, 2.0]), None, 150.0, "OFF", float("inf"), 90.0),
        "strokes": _mostly(st.integers(0, 3), None, -1, "2.5", "n/a"),
        "serial": _mostly(st.uuids().map(str), None, "twice"),
        "batch": _mostly(st.just(None), "x", "y"),
        "force__quality": _mostly(st.just("good"), None, "bad", "uncertain", "odd"),
    }
)


def _frame(rows: list[dict[str, Any]], *, qualities: bool) -> pd.DataFrame:
    minutes = pd.Series([row["minute"] for row in rows])
    events = (START + pd.to_timedelta(minutes, unit="min")).astype("datetime64[us, UTC]")
    late = pd.to_timedelta(pd.Series([row["late"] for row in rows]), unit="min")
    frame = pd.DataFrame({"asset": [row["asset"] for row in rows], "event_time": events})
    frame["known_time"] = (events + late).astype("datetime64[us, UTC]")
    for name in ("source", "force", "strokes", "serial", "batch", *(["force__quality"] if qualities else [])):
        frame[name] = pd.Series([row[name] for row in rows], dtype=object)
    return _inferred(frame)


def _inferred(frame: pd.DataFrame) -> pd.DataFrame:
    """Give columns the types that a reader gives them: one of texts among numbers holds objects."""
    typed = {}
    for name in frame.columns:
        values = frame[name]
        if values.dtype == object and not values.map(lambda cell: isinstance(cell, str)).any():
            typed[name] = values.astype("Int64" if name == "strokes" else "float64" if name == "force" else "str")
    return frame.assign(**typed)


def _chunks(frame: pd.DataFrame, size: int) -> Iterator[pd.DataFrame]:
    for start in range(0, len(frame), size):
        yield _inferred(frame.iloc[start : start + size].reset_index(drop=True))


def _stored(workspace: Workspace, table: str) -> list[str]:
    where = location(workspace, table)
    if not Path(where, "_delta_log").is_dir():
        return []
    rows = pd.DataFrame(DeltaTable(where).to_pyarrow_table().to_pylist())
    return sorted(f"{row}" for row in rows[sorted(rows.columns)].astype("str").to_dict("records"))


def _outcome(workspace: Workspace, result: Any) -> dict[str, Any]:
    """Return all that may be known of a workspace after a batch."""
    return {
        "result": result,
        "rows": _stored(workspace, CONTRACT.table),
        "quarantine": _stored(workspace, "quarantine"),
        "assets": _stored(workspace, "assets"),
    }


def _told(error: ForewarnError) -> dict[str, Any]:
    report = getattr(error, "report", None)
    return {"error": str(error), "report": None if report is None else report.to_dict()}


def _at_once(workspace: Workspace, frame: pd.DataFrame) -> dict[str, Any]:
    try:
        return _outcome(workspace, ingest(workspace, frame, CONTRACT, now=NOW).to_dict())
    except ForewarnError as error:
        return _outcome(workspace, _told(error))


def _in_chunks(workspace: Workspace, frame: pd.DataFrame, size: int) -> dict[str, Any]:
    try:
        result = ingest_chunks(workspace, _chunks(frame, size), CONTRACT, now=NOW).result
        return _outcome(workspace, result.to_dict())
    except ForewarnError as error:
        return _outcome(workspace, _told(error))


@given(rows=st.lists(ROWS, min_size=1, max_size=24), size=st.integers(6, 12), qualities=st.booleans())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_chunks_are_one_batch(rows: list[dict[str, Any]], size: int, qualities: bool) -> None:
    """Whatever is wrong with some rows: stored rows, quarantine, report and batch id are those of the batch at once."""
    frame = _frame(rows, qualities=qualities)
    with tempfile.TemporaryDirectory() as folder:
        whole = _at_once(init_workspace(Path(folder, "whole")), frame)
        chunked = _in_chunks(init_workspace(Path(folder, "chunked")), frame, size)
    assert chunked == whole


def _days(days: int = 30) -> pd.DataFrame:
    """Return good rows, one of an unknown source among them."""
    times = (START + pd.to_timedelta(range(days), unit="h")).astype("datetime64[us, UTC]")
    frame = pd.DataFrame({"asset": ["a", "b"] * (days // 2), "event_time": times, "known_time": times})
    frame["source"] = ["other", *["physical"] * (days - 1)]
    return frame.assign(force=1.0, strokes=pd.array([1] * days, "Int64"), serial=None, batch=None)


KILLED = """
import os, pickle, sys
from pathlib import Path
from data_contracts.bulk import ingest_chunks, staged_rows
from data_contracts.workspace import open_workspace
contract, chunks, now = pickle.loads(Path(sys.argv[2]).read_bytes())
commits, commit = [], staged_rows._commit
def killed(*arguments):
    commits.append(1)
    if len(commits) > int(sys.argv[3]):
        os.kill(os.getpid(), 9)
    return commit(*arguments)
staged_rows._commit, staged_rows._FILE_ROWS = killed, 1
ingest_chunks.ingest_chunks(open_workspace(Path(sys.argv[1]), {}), chunks, contract, now=now)
"""


@pytest.mark.parametrize("commits", [0, 1])
def test_a_killed_process_leaves_nothing_half(tmp_path: Path, commits: int) -> None:
    """Killed before both commits or between them: no good row is stored; again, every row is in one place, once."""
    frame, rules = _days(), replace(CONTRACT, rules=())
    whole, killed = init_workspace(tmp_path / "whole"), init_workspace(tmp_path / "killed")
    expected = ingest(whole, frame, rules, now=NOW)
    given_chunks = tmp_path / "chunks"
    given_chunks.write_bytes(pickle.dumps((rules, list(_chunks(frame, 10)), NOW)))
    command = [sys.executable, "-c", KILLED, str(killed.root), str(given_chunks), str(commits)]
    assert subprocess.run(command, check=False).returncode == -9
    assert len(_stored(killed, CONTRACT.table)) == 0
    assert len(_stored(killed, "quarantine")) == commits
    result = ingest_chunks(killed, _chunks(frame, 12), rules, now=NOW).result
    assert (result.accepted, result.quarantined) == (expected.accepted, expected.quarantined) == (29, 1)
    assert _stored(killed, CONTRACT.table) == _stored(whole, CONTRACT.table)
    assert _stored(killed, "quarantine") == _stored(whole, "quarantine")
    # The files that the killed process wrote are in no version, so that upkeep removes them.
    unused = DeltaTable(location(killed, CONTRACT.table)).vacuum(0, enforce_retention_duration=False, full=True)
    assert len(unused) == 3
    assert not list(killed.root.glob("tmp*"))  # what is kept on disk meanwhile has no name


def test_others_may_append_meanwhile(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Live rows that come while a file is written move its version on; its rows have the version that stored them."""
    rules, frame = replace(CONTRACT, rules=()), _days()
    ingest(workspace, frame.assign(asset="live", known_time=frame["event_time"] + pd.Timedelta("1h")), rules, now=NOW)
    real, others = staged_rows.write_sorted, iter(range(2))

    def write_sorted(*arguments: Any, **options: Any) -> Any:
        written = real(*arguments, **options)
        if (number := next(others, None)) is not None:
            late = pd.Timedelta(2 + number, "h")
            tables.append(workspace, CONTRACT.table, frame.assign(known_time=frame["event_time"] + late), f"{number}")
        return written

    monkeypatch.setattr(staged_rows, "write_sorted", write_sorted)
    result = ingest_chunks(workspace, _chunks(frame, 10), rules, now=NOW).result
    assert result.accepted == 29
    delta = DeltaTable(location(workspace, CONTRACT.table))
    mine = next(entry["version"] for entry in delta.history() if delta.version() == entry["version"])
    stored = pd.DataFrame(delta.to_pyarrow_table().to_pylist())
    assert (stored["stored_version"] == mine).sum() == 29
    assert len(stored) == 29 + 30 + 30 + 29
    before = tables.read(workspace, CONTRACT.table, version=mine - 1)
    assert len(before) == 29 + 30 + 30


def test_files_of_a_batch_that_takes_long_are_not_taken_for_leftovers(workspace: Workspace) -> None:
    """They stay as long as the process goes on; were they removed nevertheless, nothing is stored, and it says so."""
    table, folder = "telemetry/mill", Path(workspace.tables_url) / "telemetry" / "mill"
    tables.append(workspace, table, _days(2), "before")
    staged = StagedRows(workspace, table)
    for _ in range(2):
        staged.add(to_arrow(_days(2)))
        staged._write()
        for file in folder.glob("sorted-*.parquet"):
            long_ago = time.time() - 3 * 3600
            os.utime(file, (long_ago, long_ago))
    staged.add(to_arrow(_days(2)))
    staged._write()
    assert remove_unused(workspace, table, now=pd.Timestamp.now("UTC")).files == 0
    assert staged.commit({"batch": 1})
    assert len(tables.read(workspace, table)) == 4 * len(_days(2))
    lost = StagedRows(workspace, table)
    lost.add(to_arrow(_days(2)))
    lost._write()
    (folder / lost._files[0].path).unlink()
    with pytest.raises(StorageError, match="1 files of this batch were removed"):
        lost.commit({"lost": 1})
    assert len(tables.read(workspace, table)) == 4 * len(_days(2))
