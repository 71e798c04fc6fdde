"""Each hour's telemetry checked as a batch, with the rules that say nothing about a single row.

Great Expectations takes seconds to import and a quarter of a gigabyte: a process of its own does it, at low priority.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

from data_contracts.contract.contract_types import STORED_VERSION
from data_contracts.contract.registered import find_telemetry_contract
from data_contracts.tables import tables
from data_contracts.validation.checks import check
from data_contracts.workspace import Workspace, open_workspace

SLICES = 12
"""An hour is sampled by so many slices, evenly spread over it."""
SLICE = pd.Timedelta(seconds=1)
"""How long a slice is, at least; an hour with few rows is read whole."""
MOST_ROWS = 300_000
_HOUR = pd.Timedelta(hours=1)
_LATENESS = pd.Timedelta(minutes=2)  # how long after its end an hour is checked
_FOLDER = "live"


class HourlyReports:
    """Starts the check of each hour after its end, one at a time."""

    def __init__(self, workspace: Workspace, *, enabled: bool) -> None:
        self._workspace = workspace
        self._enabled = enabled
        self._hour: pd.Timestamp | None = None  # that is under way
        self._types: dict[str, None] = {}
        self._due: list[tuple[str, pd.Timestamp]] = []
        self._process: subprocess.Popen[bytes] | None = None

    def note(self, asset_types: set[str]) -> None:
        """Know of which asset types there is telemetry in this hour."""
        self._types |= dict.fromkeys(sorted(asset_types))

    def run(self, now: float) -> None:
        """Start what is due, if nothing is under way."""
        if not self._enabled:
            return
        hour = (pd.Timestamp(now, unit="s", tz="UTC") - _LATENESS).floor("h")
        if self._hour is not None and hour > self._hour:
            self._due += [(name, self._hour) for name in self._types]
            self._types = {}
        self._hour = hour
        if self._due and (self._process is None or self._process.poll() is not None):
            asset_type, begins = self._due.pop(0)
            command = [sys.executable, "-m", __name__, str(self._workspace.root), asset_type, begins.isoformat()]
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def close(self) -> None:
        """End what is under way; a report that is missing is made by hand with this module."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)


def report_hour(workspace: Workspace, asset_type: str, begins: pd.Timestamp) -> Path | None:
    """Check an hour of stored telemetry as a batch, and write the report as JSON; None without telemetry or contract.

    More than `MOST_ROWS` rows are sampled: `SLICES` slices of `SLICE`, or shorter ones, evenly spread over the hour.
    """
    contract = find_telemetry_contract(workspace.contracts, asset_type)
    if contract is None:
        return None
    rows, whole = _sample(workspace, contract.table, begins)
    if rows.empty:
        return None
    now = max(begins + _HOUR, rows["known_time"].max())
    result = check(rows.drop(columns=STORED_VERSION, errors="ignore"), contract, now=now, ignore_extra=True)
    folder = workspace.reports / _FOLDER / asset_type
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{begins:%Y-%m-%dT%H}.json"
    content = {"asset_type": asset_type, "hour": begins.isoformat(), "sampled": not whole, **result.to_dict()}
    file.with_suffix(".tmp").write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")
    file.with_suffix(".tmp").replace(file)
    return file


def _sample(workspace: Workspace, table: str, begins: pd.Timestamp) -> tuple[pd.DataFrame, bool]:
    """Return rows of an hour, and whether they are all of them."""
    # The ends belong to the hour's first instant, but `read` excludes the start.
    start = begins - pd.Timedelta("1us")
    if tables.count_rows(workspace, table, start=start, end=start + _HOUR) <= MOST_ROWS:
        return tables.read(workspace, table, start=start, end=start + _HOUR), True
    parts = []
    for place in range(SLICES):
        since = start + place * (_HOUR / SLICES)
        length = SLICE
        while tables.count_rows(workspace, table, start=since, end=since + length) > MOST_ROWS // SLICES:
            length /= 2
        parts.append(tables.read(workspace, table, start=since, end=since + length))
    return pd.concat(parts, ignore_index=True), False


if __name__ == "__main__":
    os.nice(10)
    root, name, hour = sys.argv[1:4]
    report_hour(open_workspace(Path(root), os.environ), name, pd.Timestamp(hour))
