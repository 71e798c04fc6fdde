"""A spooled message as bytes: length, checksum, what the edge has to know of it, its payload."""

import mmap
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"FWSPOOL1"
"""The first bytes of a segment file."""
_FRAME = struct.Struct("<II")  # length of the body, CRC-32 of length and body
_HEAD = struct.Struct("<QQqqHH")  # epoch, sequence, first and last event time, lengths of plant and asset
MAX_BODY = 64 * 1024 * 1024


@dataclass(frozen=True)
class Record:
    """One message of an asset, as it is kept until it is confirmed; times in microseconds since 1970."""

    plant: str
    asset: str
    epoch: int
    sequence: int
    first_time: int
    last_time: int
    payload: bytes


class DamagedRecordError(Exception):
    """Bytes that are no whole record."""


def pack(record: Record) -> bytes:
    """Return the bytes of a record."""
    plant, asset = record.plant.encode(), record.asset.encode()
    head = _HEAD.pack(
        record.epoch, record.sequence, record.first_time, record.last_time, len(plant), len(asset)
    )  # fmt: skip
    body = b"".join((head, plant, asset, record.payload))
    length = struct.pack("<I", len(body))
    return b"".join((length, struct.pack("<I", zlib.crc32(body, zlib.crc32(length))), body))


def unpack(data: bytes | memoryview) -> tuple[Record, int]:
    """Return the record that bytes begin with, and how many bytes it takes; DamagedRecordError if there is none."""
    view = memoryview(data)
    if len(view) < _FRAME.size:
        raise DamagedRecordError
    length, checksum = _FRAME.unpack_from(view)
    end = _FRAME.size + length
    # The length is checked with the rest: a tail of zeros is no record of length zero.
    if not _HEAD.size <= length <= MAX_BODY or len(view) < end:
        raise DamagedRecordError
    if zlib.crc32(view[_FRAME.size : end], zlib.crc32(view[:4])) != checksum:
        raise DamagedRecordError
    epoch, sequence, first_time, last_time, of_plant, of_asset = _HEAD.unpack_from(view, _FRAME.size)
    names = _FRAME.size + _HEAD.size
    payload = names + of_plant + of_asset
    if payload > end:
        raise DamagedRecordError
    plant, asset = bytes(view[names : names + of_plant]).decode(), bytes(view[names + of_plant : payload]).decode()
    return Record(plant, asset, epoch, sequence, first_time, last_time, bytes(view[payload:end])), end


def packed_size(data: bytes | memoryview) -> int:
    """Return how many bytes the record that these bytes begin with takes, unchecked."""
    return _FRAME.size + int(_FRAME.unpack_from(data)[0])


def walk(data: bytes | memoryview | mmap.mmap, start: int) -> Iterator[tuple[int, int, Record]]:
    """Yield start, end and content of the whole records from a place on, up to the first that is damaged."""
    with memoryview(data) as view:
        offset = start
        while offset < len(view):
            try:
                record, size = unpack(view[offset:])
            except DamagedRecordError:
                return
            yield offset, offset + size, record
            offset += size
