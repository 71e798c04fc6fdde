"""The checksum of a data file, which is part of its name.

So it is in the log with the file, survives checkpoints, copies and backups, and there is no moment without it. Parquet
has checksums of pages, but the engine that reads tables does not look at them, and headers and footers have none.
CRC-32 finds every flipped bit and every damaged stretch of up to 32 bits, and misses one in four billion of the others.
"""

import re
import uuid
import zlib
from collections.abc import Iterator
from typing import Final

import pyarrow.fs as pafs

_NAME: Final = re.compile(r"-crc32-([0-9a-f]{8})\.parquet$")
_CHUNK: Final = 4 * 2**20


def checksum_of(content: memoryview) -> int:
    """Return the CRC-32 of what a file is to hold."""
    return zlib.crc32(content)


def file_name(kind: str, checksum: int) -> str:
    """Return a new name for a file with a checksum.

    Examples
    --------
    >>> named_checksum(file_name("part", 0xBEEF)) == 0xBEEF
    True
    """
    return f"{kind}-{uuid.uuid4()}-crc32-{checksum:08x}.parquet"


def named_checksum(path: str) -> int | None:
    """Return the checksum in a file's name; None if it was written before there were any."""
    found = _NAME.search(path)
    return None if found is None else int(found[1], 16)


def read_checksum(folder: pafs.FileSystem, path: str) -> tuple[int, int]:
    """Return the CRC-32 and the size of a file as it is now."""
    checksum, size = 0, 0
    for chunk in _chunks(folder, path):
        checksum, size = zlib.crc32(chunk, checksum), size + len(chunk)
    return checksum, size


def _chunks(folder: pafs.FileSystem, path: str) -> Iterator[memoryview]:
    with folder.open_input_stream(path, buffer_size=0) as stream:
        while len(chunk := stream.read_buffer(_CHUNK)):
            yield memoryview(chunk)
