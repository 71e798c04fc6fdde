"""What SQLite's errors mean, whoever the database is: the records, MLflow's, Prefect's."""

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Literal

_DISK: Final = "disk I/O error"
_MOST_FAULTS: Final = 3
_ROOM: Final = 2**20  # bytes; less than SQLite needs to open a database
_REMEDIES: Final = (
    (("malformed", "not a database", "database corruption"),
     "The file is damaged: move it away, and restore it from a backup; `forewarn doctor --deep` says what else is"),
    (("disk is full", "No space left", "no space left"),
     "Free space on its disk, then try again; what was stored before is whole"),
    ((_DISK, "File too large", "Input/output error"),
     "Its disk fails or refuses a write: see the system's log, quotas and limits of file sizes; restore it from a "
     "backup if `forewarn doctor --deep` finds it damaged"),
    (("readonly", "read-only", "Read-only"),
     "Make the file and its folder writable, or name another workspace with --workspace"),
    (("unable to open", "Is a directory"),
     "Check that its folder exists and is writable, and that it is a file"),
    (("locked", "busy"), "Another program holds it: end that one, or try again. Nothing of this call was stored"),
)  # fmt: skip


def with_disk_state(reason: str, file: Path | None) -> str:
    """Add to SQLite's words that its disk is full: of the files beside a database it only says that they failed."""
    if _DISK not in reason or file is None:
        return reason
    try:
        free = shutil.disk_usage(file.parent).free
    except OSError:
        return reason
    return f"{reason}; there is no space left on its disk" if free < _ROOM else reason


def find_faults(file: Path, check: Literal["integrity_check", "quick_check"] = "integrity_check") -> Sequence[str]:
    """Read a database's file and return what is wrong with it; the quick check leaves out that indexes are right."""
    if not file.stat().st_size:
        return ["it has 0 bytes"]
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            answers = [str(row[0]) for row in connection.execute(f"PRAGMA {check}({_MOST_FAULTS})")]
    except sqlite3.Error as error:
        return [str(error)]
    return [] if answers == ["ok"] else answers


def sqlite_remedy(reason: str) -> str:
    """Say what to do about an error of SQLite, or of the disk under it; empty if nothing is known.

    Examples
    --------
    >>> sqlite_remedy("database or disk is full")
    'Free space on its disk, then try again; what was stored before is whole'
    """
    return next((remedy for words, remedy in _REMEDIES if any(word in reason for word in words)), "")
