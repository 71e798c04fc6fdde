"""Open tables, kept from read to read: whether one is still the latest is told by its log's folder alone."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable

_MOST = 64
_LOCK = threading.Lock()
_HELD: "OrderedDict[str, _Handle]" = OrderedDict()


@dataclass(frozen=True)
class _Handle:
    """A table as it was opened, and the commit it was opened at."""

    delta: DeltaTable
    version: int
    commit: tuple[int, int, int]


def latest(location: str, open_table: Callable[[], DeltaTable | None]) -> DeltaTable | None:
    """Return a table at its latest version, opening it only if there is a newer one than was opened last.

    Versions follow one another, so a table is the latest as long as the next commit is not there.

    Parameters
    ----------
    location
        Where the table is.
    open_table
        Opens it; gives None when there is none.

    Returns
    -------
    DeltaTable or None
        To read from and not to be changed: others read from it too.
    """
    with _LOCK:
        held = _HELD.get(location)
    if held is not None and _is_latest(location, held):
        return held.delta
    delta = open_table()
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
        told = Path(location, "_delta_log", f"{version:020}.json").stat()
    except OSError:
        return None
    return told.st_ino, told.st_mtime_ns, told.st_size
