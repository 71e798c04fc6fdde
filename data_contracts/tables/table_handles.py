"""A cache of open tables: the files of a table's log show whether a cached one is still the latest version."""

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

CHECKPOINT_EVERY = 8  # commits; opening a table reads the log since the last checkpoint
# Of a stream, with a commit a second and a file each: a quarter of the bytes, and opening takes no longer.
STREAM_CHECKPOINT_EVERY = 32
_EMPTY_LOG = "No files in log segment"

_CACHE_SIZE = 64
_LOCK = threading.Lock()
_CACHE: "OrderedDict[str, _Handle]" = OrderedDict()


@dataclass(frozen=True)
class _Handle:
    """An open table, and the commit it was opened at."""

    delta: DeltaTable
    version: int
    commit: tuple[int, int, int]  # see `_commit`


def open_table(location: str, version: int | None = None) -> DeltaTable | None:
    """Open a table, at its latest version if None; return None if there is no table.

    A table that is corrupt or does not have that version raises a `DeltaError`.
    """
    if _is_missing(location):
        return None
    for is_last in (False, True):
        try:
            delta = DeltaTable(location, version=version)
            _refuse_empty_commits(location, int(delta.version()))
            return delta
        except DeltaError as error:
            # A process that is just creating the table creates its log's folder first.
            if not isinstance(error, TableNotFoundError) and _EMPTY_LOG not in str(error):
                raise
            # A folder with an unreadable log is not a missing table: its rows must not count as none. But the log may
            # have been written since, so the first failure is retried.
            if any(Path(location, "_delta_log").glob("*.json")):
                if is_last:
                    raise
                continue
            return None
    return None


def _is_missing(location: str) -> bool:
    """Return whether there is certainly no table; for a local folder this is a hundred times faster than opening it."""
    return "://" not in location and not os.path.isdir(f"{location}/_delta_log")  # noqa: PTH112 - on every request


def _refuse_empty_commits(location: str, version: int) -> None:
    """Raise an error for a commit that a power cut left empty: otherwise its rows would be missing silently."""
    log = Path(location, "_delta_log")
    for number in range(max(0, version - STREAM_CHECKPOINT_EVERY), version + 1):
        commit = log / f"{number:020}.json"
        if commit.is_file() and not commit.stat().st_size:
            raise DeltaError(f"the commit {commit.name} is empty")


def open_latest(location: str) -> DeltaTable | None:
    """Return a table at its latest version, opened only if it is newer than the cached one; None if there is no table.

    The table is shared, and must not be changed. Versions are consecutive, so a table is the latest as long as the next
    commit does not exist.
    """
    with _LOCK:
        cached = _CACHE.get(location)
    if cached is not None and _is_latest(location, cached):
        return cached.delta
    delta = open_table(location)
    if delta is None:
        return None
    version = int(delta.version())
    commit = _commit(location, version)
    if commit is not None:
        with _LOCK:
            _CACHE[location] = _Handle(delta, version, commit)
            _CACHE.move_to_end(location)
            if len(_CACHE) > _CACHE_SIZE:
                _CACHE.popitem(last=False)
    return delta


def _is_latest(location: str, cached: _Handle) -> bool:
    # A table may have been deleted, and another created in its place.
    return _commit(location, cached.version) == cached.commit and _commit(location, cached.version + 1) is None


def _commit(location: str, version: int) -> tuple[int, int, int] | None:
    """Return what identifies a commit's file: inode, mtime in ns and size; None if it is missing or not local."""
    try:
        status = os.stat(f"{location}/_delta_log/{version:020}.json")  # noqa: PTH116 - on every request
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
