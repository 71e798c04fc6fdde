"""The Arrow payload: a header of 48 bytes, then one Arrow record batch message whose schema is known by id.

All numbers of the header are little-endian; docs/reference/payloads.md has the layout.
"""

import struct
import zlib

import numpy as np
import pyarrow as pa

from pipelines.live.payloads.header_values import check_event_times, check_session
from pipelines.live.payloads.message import TelemetryMessage
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.schemas import PayloadSchema, SchemaRegistry

MAGIC, VERSION = b"FW", 1
HISTORICAL = 0b1
# Magic, version, flags, length of the Arrow message; schema id, epoch, sequence, sent; checksum, zero.
HEADER = struct.Struct("<2sBBI8sqqqII")
_BEFORE_CHECKSUM = struct.Struct("<2sBBI8sqqq")
_INT32, _UINT32, _UINT16 = struct.Struct("<i"), struct.Struct("<I"), struct.Struct("<H")
_CONTINUATION = 0xFFFFFFFF
_MESSAGE_HEADER, _BATCH_COMPRESSION = 2, 3  # slots of the tables Message and RecordBatch in Arrow's Message.fbs
_SEND_AGAIN = "Have the edge send it again, and look at what lies between"
_SPEAK_OURS = "See docs/reference/payloads.md, or map the topic to the kind of payload it carries"


def encode_arrow(message: TelemetryMessage, schema: PayloadSchema) -> bytes:
    """Return a message as bytes; PayloadError if its rows have other columns than the schema, or no valid numbers."""
    columns = message.rows.schema
    if (columns.names, columns.types, message.asset_type) != (
        schema.columns.names,
        schema.columns.types,
        schema.asset_type,
    ):
        raise PayloadError(
            "wrong format",
            f"rows of {message.asset_type} with the columns {', '.join(columns.names)}",
            f"those of schema {schema.id}: {schema.asset_type} with {', '.join(schema.columns.names)}",
            "Encode it with the schema of its own columns and types",
        )
    check_session(message.epoch, message.sequence, message.sent)
    body = message.rows.serialize()
    flags = HISTORICAL if message.historical else 0
    fields = (MAGIC, VERSION, flags, body.size, bytes.fromhex(schema.id), message.epoch, message.sequence, message.sent)
    start = _BEFORE_CHECKSUM.pack(*fields)
    return b"".join((start, _UINT32.pack(zlib.crc32(body, zlib.crc32(start))), bytes(4), body))


def decode_arrow(payload: bytes, asset: str, schemas: SchemaRegistry) -> TelemetryMessage:
    """Read a message; its columns share the payload's memory. PayloadError for whatever is not one."""
    if len(payload) < HEADER.size:
        raise PayloadError("cut short", f"{len(payload)} bytes", f"a header of {HEADER.size}", _SEND_AGAIN)
    magic, version, flags, size, schema_id, epoch, sequence, sent, checksum, zero = HEADER.unpack_from(payload)
    if magic != MAGIC:
        raise PayloadError("wrong format", f"a payload that begins with {magic!r}", repr(MAGIC), _SPEAK_OURS)
    if version != VERSION:
        raise PayloadError("unknown version", f"version {version}", str(VERSION), "Update the listener or the edge")
    if flags & ~HISTORICAL or zero:
        raise PayloadError("wrong format", f"flags {flags:#x} and {zero:#x}", "flags 0 or 1, then 0", _SPEAK_OURS)
    if len(payload) - HEADER.size != size:
        raise PayloadError(
            "cut short", f"{len(payload) - HEADER.size} bytes after the header", f"{size}, as it says", _SEND_AGAIN
        )
    if zlib.crc32(memoryview(payload)[HEADER.size :], zlib.crc32(payload[: _BEFORE_CHECKSUM.size])) != checksum:
        raise PayloadError("wrong checksum", "bytes with another CRC-32", f"{checksum:#010x}", _SEND_AGAIN)
    check_session(epoch, sequence, sent)
    schema = schemas.find(schema_id.hex())
    rows = _read_rows(payload, schema)
    return TelemetryMessage(asset, epoch, sequence, sent, schema.asset_type, rows, bool(flags & HISTORICAL))


def _read_rows(payload: bytes, schema: PayloadSchema) -> pa.RecordBatch:
    try:
        compressed = _is_compressed(payload)
        rows = None if compressed else pa.ipc.read_record_batch(pa.py_buffer(payload)[HEADER.size :], schema.columns)
        if rows is not None:
            rows.validate(full=True)
    # Arrow raises what Python has for it, such as OSError for a body cut short.
    except (pa.ArrowException, OSError, ValueError, MemoryError, struct.error) as error:
        raise PayloadError(
            "wrong format",
            f"an Arrow message that cannot be read ({str(error).splitlines()[0][:200] if str(error) else 'damaged'})",
            f"one record batch with the columns of schema {schema.id}",
            _SPEAK_OURS,
        ) from error
    if rows is None:
        raise PayloadError("wrong format", "a compressed record batch", "one that is not compressed", _SPEAK_OURS)
    times = rows.column(0)
    if times.null_count:
        raise PayloadError("invalid value", f"{times.null_count} rows without event_time", "one in each", _SPEAK_OURS)
    check_event_times(np.frombuffer(times.buffers()[1], "<i8", len(times), 8 * times.offset) if len(times) else None)
    return rows


def _is_compressed(payload: bytes) -> bool:
    """Look into Arrow's metadata: a few compressed bytes can claim any amount of memory, before anything is checked."""
    if _UINT32.unpack_from(payload, HEADER.size)[0] != _CONTINUATION:
        raise ValueError("no continuation marker")
    root = HEADER.size + 8
    message = root + _UINT32.unpack_from(payload, root)[0]
    slot = _slot(payload, message, _MESSAGE_HEADER)
    if not slot:
        return False
    batch = message + slot + _UINT32.unpack_from(payload, message + slot)[0]
    return bool(_slot(payload, batch, _BATCH_COMPRESSION))


def _slot(payload: bytes, table: int, number: int) -> int:
    """Return where a flatbuffers table has a field, relative to the table; 0 if it has not."""
    vtable = table - _INT32.unpack_from(payload, table)[0]
    if 4 + 2 * number >= _UINT16.unpack_from(payload, vtable)[0]:
        return 0
    offset: int = _UINT16.unpack_from(payload, vtable + 4 + 2 * number)[0]
    return offset
