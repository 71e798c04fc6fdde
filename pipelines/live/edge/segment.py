"""A file of the spool, and the runs of consecutive messages of an asset in it."""

import mmap
import os
from array import array
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.live.edge.record import MAGIC, DamagedRecordError, Record, packed_size, unpack

SUFFIX = ".spool"
_FRAME_BYTES = 8


@dataclass(eq=False, slots=True)
class Segment:
    """An append-only file; it is deleted when none of its runs is pending any more."""

    number: int
    path: Path
    size: int
    pending_runs: int = 0


@dataclass(eq=False, slots=True)
class Run:
    """Messages of one asset and epoch with consecutive sequence numbers in one segment; four bytes of memory each."""

    segment: Segment
    plant: str
    epoch: int
    first: int
    offsets: "array[int]" = field(default_factory=lambda: array("I"))
    done: int = 0  # so many from the first on are confirmed or dropped

    @property
    def end(self) -> int:
        """The sequence number after the last."""
        return self.first + len(self.offsets)


def segment_path(folder: Path, number: int) -> Path:
    """Return where a segment lies."""
    return folder / f"{number:012d}{SUFFIX}"


def segment_files(folder: Path) -> list[tuple[int, Path]]:
    """List the segments of a folder with their numbers, oldest first."""
    files = ((path.stem, path) for path in folder.glob(f"*{SUFFIX}"))
    return sorted((int(stem), path) for stem, path in files if stem.isdigit())


def create_segment(folder: Path, number: int) -> tuple[Segment, int]:
    """Create an empty segment; return it with the handle to append by."""
    path = segment_path(folder, number)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        append_bytes(handle, MAGIC, 0)
    except OSError:
        os.close(handle)
        path.unlink(missing_ok=True)
        raise
    return Segment(number, path, len(MAGIC)), handle


def append_bytes(handle: int, data: bytes, size: int) -> None:
    """Write all bytes behind the first `size`; what was half written of them is cut again if the disk refuses."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(handle, view) :]
    except OSError:
        os.ftruncate(handle, size)
        raise


def read_record(run: Run, index: int) -> Record:
    """Read a message of a run; DamagedRecordError if the disk does not give it back as it was written."""
    offset = run.offsets[index]
    try:
        with run.segment.path.open("rb", buffering=0) as file:
            file.seek(offset)
            frame = file.read(_FRAME_BYTES)
            if len(frame) < _FRAME_BYTES:
                raise DamagedRecordError
            rest = file.read(min(packed_size(frame), run.segment.size - offset) - _FRAME_BYTES)
    except OSError as error:
        raise DamagedRecordError from error
    record, _ = unpack(frame + rest)
    return record


def map_file(path: Path) -> bytes | mmap.mmap:
    """Return the bytes of a file without holding them in memory."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
