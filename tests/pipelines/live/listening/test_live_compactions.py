"""A listener's memory, files and commits do not grow with what it has stored."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pytest

from data_contracts.streams.stream_table import StreamTable
from data_contracts.tables import tables
from data_contracts.tables.table_access import open_to_read
from data_contracts.upkeep.table_files import table_files
from data_contracts.workspace import init_workspace
from pipelines.live.listening.compactions import Compactions, compact_settled

TABLE = "telemetry/press"
BEGIN = pd.Timestamp("2026-05-01T10:00Z")
NEVER_BEFORE = """
import sys
from pipelines.cli import long_running
import pipelines.commands.live.listen as command
loaded = []
long_running.run_long = lambda: loaded.append("deltalake" in sys.modules)
try:
    command.listen()
except Exception:
    pass
print(loaded)
"""
MANY_FLUSHES = """
import gc, json, sys
from pipelines.cli.long_running import run_long
run_long()
from pathlib import Path
import pandas as pd, pyarrow as pa
from data_contracts.streams.stream_table import StreamTable
from data_contracts.tables.table_access import open_to_read
from data_contracts.upkeep.table_files import table_files
from data_contracts.workspace import init_workspace
from pipelines.live.listening.compactions import Compactions

def own_mib():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous")) / 1024

workspace = init_workspace(Path(sys.argv[1]))
stream, compactions = StreamTable(workspace, "telemetry/press"), Compactions(workspace, every=pd.Timedelta("250s"))
begin = pd.Timestamp("2026-05-01T10:00Z").as_unit("us")
memory, most_files = [], 0
for number in range(int(sys.argv[2])):
    times = pa.array([begin + pd.Timedelta(number, "s")] * 200, pa.timestamp("us", tz="UTC"))
    names = [f"press-{place}" for place in range(200)]
    channels = {f"channel_{place}": pa.array([float(number + place)] * 200) for place in range(8)}
    rows = pa.table({"asset": names, "event_time": times, "known_time": times, **channels})
    stream.append(rows, {f"{name}/1": number for name in names})
    compactions.note([stream.table])
    compactions.run(float(number))
    if number % 10 == 9:
        memory.append(own_mib())
compactions.close()
print(json.dumps({"memory": memory, "files": len(table_files(open_to_read(workspace, stream.table)))}))
"""


def rows_at(number: int) -> pa.Table:
    times = pa.array([BEGIN + pd.Timedelta(number, "s")], pa.timestamp("us", tz="UTC"))
    return pa.table({"asset": ["m1"], "event_time": times, "known_time": times, "force": [float(number)]})


@pytest.fixture
def workspace(tmp_path):
    """Return a workspace with twenty commits of a second each."""
    made = init_workspace(tmp_path / "ws")
    stream = StreamTable(made, TABLE)
    for number in range(20):
        stream.append(rows_at(number), {"m1/1": number})
    return made


def n_files(workspace) -> int:
    return len(table_files(open_to_read(workspace, TABLE)))


def test_a_process_beside_the_listener_rewrites_what_is_settled(workspace):
    """Every so often, and the listener's next commit goes on from there; the rows stay as they are."""
    before, stream = tables.read(workspace, TABLE), StreamTable(workspace, TABLE)
    stream.transaction("m1/1")
    compactions = Compactions(workspace, every=pd.Timedelta("10min"))
    compactions.note([TABLE])
    compactions.run(0.0)
    compactions.run(599.0)
    assert n_files(workspace) == 20
    compactions.run(600.0)
    compactions._process.wait()
    assert n_files(workspace) == 1
    pd.testing.assert_frame_equal(tables.read(workspace, TABLE), before)
    stream.append(rows_at(20), {"m1/1": 20})
    assert len(tables.read(workspace, TABLE)) == 21
    compactions.close()


@pytest.mark.parametrize("every", [None, pd.Timedelta("1s")])
def test_what_is_never_due_starts_nothing(workspace, every, monkeypatch):
    """Neither with "never" nor for tables in an object store, nor where nothing was stored."""
    monkeypatch.setattr(subprocess, "Popen", None)
    far = replace(workspace, tables_url="s3://bucket/tables")
    for each, stored in (
        (Compactions(workspace, every=every), [] if every else [TABLE]),
        (Compactions(far, every=every), [TABLE]),
    ):
        each.note(stored)
        each.run(0.0)
        each.run(1e6)
        each.close()


def test_what_is_not_settled_stays(workspace):
    """Files with readings that are newer than `settled` are left for the next time."""
    now = BEGIN + pd.Timedelta("15s")
    compact_settled(workspace, [TABLE, "telemetry/none"], settled=pd.Timedelta("5s"), now=now)
    assert n_files(workspace) == 20 - 11 + 1


def test_the_allocator_is_configured_before_it_is_loaded():
    """What deltalake's allocator gives back is decided when it is loaded first."""
    printed = subprocess.run([sys.executable, "-c", NEVER_BEFORE], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[False]"


@pytest.mark.verify
def test_memory_does_not_grow_with_history(tmp_path):
    """After 1,500 commits a process holds what it held after 500, with a file a commit but for compaction."""
    command = [sys.executable, "-c", MANY_FLUSHES, str(tmp_path / "ws"), "1500"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout)
    early, late = (sorted(found["memory"][place : place + 10])[5] for place in (40, 140))
    # A commit makes garbage of some kilobytes, so it goes up and down by some MiB; it grew by 20 before.
    assert late - early < 12.0, found["memory"]
    assert found["files"] < 1000  # compaction is at low priority, and may lag
