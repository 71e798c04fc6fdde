"""Files that only their owner reads: predictions, names of people and tokens' digests are in them."""

import contextlib
import os
from pathlib import Path

from data_contracts.configuration.sqlite_urls import sqlite_file

_FOLDER, _FILE = 0o700, 0o600


def make_private(folder: Path) -> None:
    """Take the permissions of everybody but the owner from a folder and all that is in it; links are left alone."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                path.chmod(_FOLDER if path.is_dir() else _FILE)


def create_private(url: str) -> None:
    """Create the file of an SQLite database that is not there yet; SQLite itself would let everybody read it."""
    file = sqlite_file(url)
    if file is not None and not file.exists():
        # Another process may be creating it, and a folder that is missing is reported by whoever opens the file.
        with contextlib.suppress(OSError):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE))
