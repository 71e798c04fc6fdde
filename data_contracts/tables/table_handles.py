"""Open tables, kept from read to read: whether one is still the latest is told by its log's folder alone."""

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

CHECKPOINT_EVERY = 8
"""So many commits are summed up at a time: opening a table means reading the log since."""
_EMPTY_LOG = "No files in log segment"

_MOST = 64
_LOCK = threading.Lock()
_HELD: "OrderedDict[str, _Handle]" = OrderedDict()


@dataclass(frozen=True)
class _Handle:
    """A table as it was opened, and the commit it was opened at."""

    delta: DeltaTable
    version: int
    commit: tuple[int, int, int]


def open_table(location: str, version: int | None = None) -> DeltaTable | None:
    """Open a table.

    Parameters
    ----------
    location
        Where it is.
    version
        The version to open; the latest if None.

    Returns
    -------
    DeltaTable or None
        None when there is no table.

    Raises
    ------
    DeltaError
        If the table is corrupt or does not have that version.
    """
    if _is_missing(location):
        return None
    for is_last in (False, True):
        try:
            delta = DeltaTable(location, version=version)
            _refuse_empty_commits(location, int(delta.version()))
            return delta
        except DeltaError as error:
            # Another process that is just creating the table makes its log's folder first.
            if not isinstance(error, TableNotFoundError) and _EMPTY_LOG not in str(error):
                raise
            # A folder whose log is there but unreadable is no missing table: what it held must not be taken for
            # nothing. Perhaps, though, it came to be while we looked.
            if any(Path(location, "_delta_log").glob("*.json")):
                if is_last:
                    raise
                continue
            return None
    return None


def _is_missing(location: str) -> bool:
    """Whether there is certainly no table: of a folder of this machine that is told a hundred times faster."""
    return "://" not in location and not os.path.isdir(f"{location}/_delta_log")  # noqa: PTH112 - on every request


def _refuse_empty_commits(location: str, version: int) -> None:
    """Refuse a commit that a power cut has left empty: read as it is, its rows would be gone without a word."""
    log = Path(location, "_delta_log")
    for number in range(max(0, version - CHECKPOINT_EVERY), version + 1):
        commit = log / f"{number:020}.json"
        if commit.is_file() and not commit.stat().st_size:
            raise DeltaError(f"the commit {commit.name} is empty")


def open_latest(location: str) -> DeltaTable | None:
    """Return a table at its latest version, opening it only if there is a newer one than was opened last.

    Versions follow one another, so a table is the latest as long as the next commit is not there.

    Parameters
    ----------
    location
        Where the table is.

    Returns
    -------
    DeltaTable or None
        To read from and not to be changed: others read from it too. None when there is no table.

    Raises
    ------
    DeltaError
        If the table is corrupt.
    """
    with _LOCK:
        held = _HELD.get(location)
    if held is not None and _is_latest(location, held):
        return held.delta
    delta = open_table(location)
    if delta is None:
        return None
    version = int(delta.version())
    commit = _commit(location, version)
    if commit is not None:
        with _LOCK:
            _HELD[location] = _Handle(delta, version, commit)
            _HELD.move_to_end(location)
            if len(_HELD) > _MOST:
                _HELD.popitem(last=False)
    return delta


def _is_latest(location: str, held: _Handle) -> bool:
    # Another table may have been made in the place of one that was deleted.
    return _commit(location, held.version) == held.commit and _commit(location, held.version + 1) is None


def _commit(location: str, version: int) -> tuple[int, int, int] | None:
    """Tell a commit's file from every other; None if there is none, or the table is not in a folder of this machine."""
    try:
        told = os.stat(f"{location}/_delta_log/{version:020}.json")  # noqa: PTH116 - on every request
    except OSError:
        return None
    return told.st_ino, told.st_mtime_ns, told.st_size
