"""Removal of what no reader needs any more: files that were rewritten or deleted from, and the log of versions past."""

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from data_contracts.tables.table_access import REWRITTEN, location, open_to_read, storage
from data_contracts.upkeep.exchange import exchange
from data_contracts.upkeep.table_files import file_system
from data_contracts.workspace import Workspace

GRACE: Final = pd.Timedelta(hours=2)
"""A file stays so long after it left the table: somebody may be reading it, or may just be writing it."""
LOG_KEPT: Final = pd.Timedelta(hours=1)
"""The log stays so long; `data_contracts.streams.stream_table` opens its table again well within it."""
_LOG_FILE: Final = re.compile(r"(\d{20})(\.json|\.checkpoint.*\.parquet)")


@dataclass(frozen=True)
class Removal:
    """What was removed, or would be."""

    files: int = 0
    size: int = 0  # bytes
    log_files: int = 0
    log_size: int = 0  # bytes


def remove_unused(
    workspace: Workspace,
    table: str,
    *,
    now: pd.Timestamp,
    kept_versions: Collection[int] = (),
    grace: pd.Timedelta = GRACE,
    log_kept: pd.Timedelta = LOG_KEPT,
    dry_run: bool = False,
) -> Removal:
    """Remove the data files that a table no longer has, and its log up to a checkpoint, but of `kept_versions`.

    The log of a table in an object store is left to the store's own rules.
    """
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return Removal()
        hours, folder = int(grace // pd.Timedelta(hours=1)), location(workspace, table)
        unused = list(delta.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True))
        log = _past_log(folder, kept_versions, before=now - log_kept)
        files = file_system(delta).get_file_info(unused) if unused else []
        sizes = [file.size or 0 for file in files], [_size(path) for path in log]
        removal = Removal(len(unused), sum(sizes[0]), len(log), sum(sizes[1]))
        if dry_run or not (unused or log):
            return removal
        # A version of its own: whoever has the table open opens it again, and reads no log that is about to go.
        exchange(workspace, table, (), (), {REWRITTEN: None}, data_change=False)
        if unused:
            DeltaTable(folder).vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True)
        if log:
            _keep_checkpoints(folder, kept_versions)
            for path in log:
                path.unlink(missing_ok=True)
        return removal


def _past_log(folder: str, kept_versions: Collection[int], *, before: pd.Timestamp) -> Sequence[Path]:
    """Return the log files before the last checkpoint that is older than a time, the oldest first."""
    if "://" in folder:
        return ()
    parts = [(int(match[1]), path) for path in _log(folder).iterdir() if (match := _LOG_FILE.fullmatch(path.name))]
    limit = before.timestamp()
    old = sorted((version, path) for version, path in parts if path.stat().st_mtime < limit)
    first = max((version for version, path in old if ".checkpoint" in path.name), default=0)
    return [path for version, path in old if version < first and version not in kept_versions]


def _keep_checkpoints(folder: str, versions: Collection[int]) -> None:
    """Write the checkpoints of versions that are to be opened without the log before them."""
    missing = [version for version in versions if not any(_log(folder).glob(f"{version:020}.checkpoint*.parquet"))]
    for version in missing:
        # A version that cannot be opened was not kept when its log was removed.
        with suppress(DeltaError):
            DeltaTable(folder, version=version).create_checkpoint()
    if missing:
        # Whoever opens the table begins with the checkpoint that was written last.
        DeltaTable(folder).create_checkpoint()


def _log(folder: str) -> Path:
    return Path(folder, "_delta_log")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # removed meanwhile
        return 0
