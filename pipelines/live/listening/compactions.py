"""Compaction beside the listener: what it holds in memory, and what a commit costs, grow with a table's files.

A process of its own does it, at low priority. Removal of what was rewritten is left to `forewarn upkeep`.
"""

import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from data_contracts.upkeep.compaction import compact
from data_contracts.upkeep.table_files import has_undated_rows
from data_contracts.workspace import Workspace, open_workspace
from pipelines.settings.settings import read_settings


class Compactions:
    """Starts the compaction of the tables that are stored in, every so often, one at a time."""

    def __init__(self, workspace: Workspace, *, every: pd.Timedelta | None) -> None:
        # An object store has tools of its own.
        self._every_s = None if every is None or "://" in workspace.tables_url else every.total_seconds()
        self._workspace = workspace
        self._tables: dict[str, None] = {}
        self._last: float | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def note(self, tables: Collection[str]) -> None:
        """Know of tables that something was stored in."""
        self._tables |= dict.fromkeys(tables)

    def run(self, now: float) -> None:
        """Start one if it is time; `now` is of a monotonic clock, in seconds."""
        if self._last is None:
            self._last = now
        if self._every_s is None or not self._tables or now - self._last < self._every_s:
            return
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-m", __name__, str(self._workspace.root), *self._tables]
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            self._tables, self._last = {}, now

    def close(self) -> None:
        """End what is under way; it is a commit a stretch, and what is not done yet is left for the next time."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)


def compact_settled(workspace: Workspace, tables: Sequence[str], *, settled: pd.Timedelta, now: pd.Timestamp) -> None:
    """Rewrite the small files of tables that hold nothing newer than `settled`."""
    for table in tables:
        if not has_undated_rows(workspace, table):
            compact(workspace, table, settled_until=now - settled)


if __name__ == "__main__":
    os.nice(10)
    root, *names = sys.argv[1:]
    opened = open_workspace(Path(root), os.environ)
    settled_after = read_settings(opened, os.environ).upkeep.settled
    compact_settled(opened, names, settled=settled_after, now=pd.Timestamp.now("UTC").as_unit("us"))
