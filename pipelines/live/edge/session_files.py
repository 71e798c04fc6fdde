"""Files of a spool beside its segments: lock, last epoch, last event times; and writing a file so that it lasts."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from data_contracts.errors import StorageError

_EPOCH_FILE = "epoch"
_LOCK_FILE = "lock"
_TIMES_FILE = "last_times.json"


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Make a spool's folder, and keep other processes out of it; StorageError if one is in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise cannot_open(folder, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise StorageError(
            f"the spool {folder} is in use by another process",
            "a spool of one's own",
            "End that process, or name another folder",
        ) from error
    finally:
        os.close(handle)


def cannot_open(folder: Path, error: OSError) -> StorageError:
    """Return the error for a folder that no spool can be in."""
    return StorageError(
        f"the spool {folder} cannot be opened ({error.strerror})", "a writable folder", "Choose another folder"
    )


def next_epoch(folder: Path, now: int, last: int) -> int:
    """Return the session's epoch, later than all before it even where the clock has been put back."""
    file = folder / _EPOCH_FILE
    text = file.read_text() if file.exists() else ""
    epoch = max(now, last + 1, int(text) + 1 if text.strip().isdigit() else 0)
    write_durably(file, str(epoch).encode())
    return epoch


def read_last_times(folder: Path) -> dict[str, int]:
    """Return by asset the event time of the last row that was kept, as it stood when a segment was deleted last."""
    try:
        return {asset: int(time) for asset, time in json.loads((folder / _TIMES_FILE).read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write_last_times(folder: Path, times: Mapping[str, int]) -> None:
    """Write them, if the disk has room: without, a source that reads again what it had read doubles some rows."""
    with suppress(OSError):
        write_durably(folder / _TIMES_FILE, json.dumps(times).encode())


def write_durably(file: Path, content: bytes) -> None:
    """Replace a file's content at once, so that a crash leaves the old or the new."""
    new = file.with_name(f"{file.name}.new")
    with new.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Make the names of new and deleted files last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
