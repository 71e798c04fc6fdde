"""Files of a workspace that other processes read by their path while this one lives; a killed one's are removed."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

FOLDER: Final = "parts"
"""Where they are, in the workspace."""
_SUFFIX: Final = ".rows"


def create_shared(root: Path) -> IO[bytes]:
    """Create a file in a workspace, locked until it is closed, and remove those that nobody has locked."""
    folder = root / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    # Between its creation and its lock a file would look unused.
    with _locked(folder):
        for leftover in folder.glob(f"*{_SUFFIX}"):
            _remove_if_unused(leftover)
        handle, name = tempfile.mkstemp(dir=folder, suffix=_SUFFIX)
        os.close(handle)
        file = Path(name).open("w+b")  # noqa: SIM115 - as long as it is read
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
    return file


def remove_shared(file: IO[bytes]) -> None:
    """Delete a shared file and close it."""
    Path(file.name).unlink(missing_ok=True)
    file.close()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _remove_if_unused(path: Path) -> None:
    with suppress(OSError), path.open("rb") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
