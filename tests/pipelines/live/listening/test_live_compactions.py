"""What a listener stores is compacted beside it, and its memory is given back."""

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
from pipelines.commands.housekeeping.outbox import deliver
from pipelines.commands.live.listen import listen
from pipelines.commands.operate import schedule

class Begun(Exception):
    pass

def begin():
    raise Begun("deltalake" in sys.modules)

long_running.run_long = begin
for command in (listen, schedule, lambda: deliver(follow=True)):
    try:
        command()
    except Begun as begun:
        print(begun)
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
    """What deltalake's allocator gives back is decided when it is loaded first, by each command that runs for long."""
    printed = subprocess.run([sys.executable, "-c", NEVER_BEFORE], capture_output=True, text=True, check=True)
    assert printed.stdout.split() == ["False"] * 3
