"""A folder that is there once all of it is: it is filled under another name, and renamed at the end."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from data_contracts.copies.file_copy import sync_folder
from data_contracts.errors import StorageError, UsageError
from pipelines.workspaces.manifest import INCOMPLETE

_MARK = "INCOMPLETE"


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a folder to fill, which becomes `target` if the block ends well.

    What a run that was killed has left under that name is deleted. `UsageError` if the target has anything in it,
    `StorageError` if it cannot be written.
    """
    refuse_filled(target)
    filled = target.with_name(target.name + INCOMPLETE)
    try:
        if filled.exists():
            if not (filled / _MARK).is_file():
                raise UsageError(f"{filled} exists already", "a free name, to fill the folder under", "Move it away")
            shutil.rmtree(filled)
        filled.mkdir(parents=True, mode=0o700)
        (filled / _MARK).write_text("This folder is being filled, or was left behind half-way.\n", encoding="utf-8")
        yield filled
        (filled / _MARK).unlink()
        sync_folder(filled)
        if target.exists():
            target.rmdir()  # it is empty
        filled.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise StorageError(
            f"{filled} cannot be written ({error.strerror or error})",
            "a writable folder, and a disk with room",
            "Free disk space or choose another target; what was written so far is deleted by the next run",
        ) from error


def refuse_filled(target: Path) -> None:
    """Raise a `UsageError` if there is anything at a path but an empty folder."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is not empty", "a new folder, or an empty one", "Choose another target")
