"""Reports that a listener writes each hour, and comparisons of `forewarn whatif`."""

from pathlib import Path

import pandas as pd

from data_contracts.workspace import Workspace
from models.what_if.stored import FOLDER as WHAT_IF
from models.what_if.stored import made_at

HOURLY = "live"


def delete_reports(workspace: Workspace, until: pd.Timestamp, *, dry_run: bool) -> tuple[int, int]:
    """Delete the hourly reports of hours before a time, and comparisons made before it; return how many, and bytes."""
    old = [file for file in (workspace.reports / HOURLY).glob("*/*.json") if _is_before(file, until)]
    made = {file: made_at(file) for file in (workspace.reports / WHAT_IF).glob("*.json")}
    old += [file for file, at in made.items() if at is not None and at < until]
    size = sum(file.stat().st_size for file in old)
    if not dry_run:
        for file in old:
            file.unlink(missing_ok=True)
    return len(old), size


def _is_before(file: Path, until: pd.Timestamp) -> bool:
    hour = pd.to_datetime(file.stem, format="%Y-%m-%dT%H", utc=True, errors="coerce")
    return bool(hour + pd.Timedelta("1h") <= until)  # false for NaT: another file
