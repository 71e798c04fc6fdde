"""The description (metadata) of a record batch in Arrow's interprocess format, built without the batch.

Arrow writes a description only together with the numbers it describes. So a batch of a few rows is serialised once, and
what differs for more rows is overwritten: the lengths, and where each column begins.

References
----------
Apache Arrow, "Columnar format", section "Encapsulated message format", ``Message.fbs``; FlatBuffers, "Internals".
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

BytesArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]

# A message begins with a mark and its length, four bytes each.
_PREFIX = 8
# Fields of the tables Message and RecordBatch, by their numbers in Message.fbs.
_HEADER, _BODY_LENGTH = 2, 3
_LENGTH, _NODES, _BUFFERS = 0, 1, 2
# A column of that many numbers fills a cache line, and needs no padding.
_FEW_ROWS = 8


def describe_batch(n_columns: int, rows: int, places: IntArray) -> BytesArray:
    """Describe a batch of float64 columns without nulls or names, with at least one row.

    `places` (n_columns,) are the columns' positions in the body, 0 for the first. Followed by the body, n_columns *
    rows numbers, the result (n_bytes,) is what ``pyarrow.ipc.read_record_batch`` reads.
    """
    described = np.frombuffer(_describe_few_rows(n_columns), dtype=np.uint8).copy()
    if not n_columns:
        return described
    message = described[_PREFIX:]
    root = _read(message, 0, np.uint32)
    body_length = _field(message, root, _BODY_LENGTH)
    header = _target(message, _field(message, root, _HEADER))
    length = _field(message, header, _LENGTH)
    nodes = _target(message, _field(message, header, _NODES))
    buffers = _target(message, _field(message, header, _BUFFERS))
    _write(message, body_length, np.array([8 * rows * n_columns]))
    _write(message, length, np.array([rows]))
    # A node for each column: how many rows, how many of them missing. Vectors begin with their length, four bytes.
    _write(message, nodes + 4, np.stack([np.full(n_columns, rows), np.zeros(n_columns, np.int64)], axis=1))
    # Two buffers for each column, with begin and length: the validity bitmap (empty), and the numbers.
    begins = 8 * rows * places
    none, full = np.zeros(n_columns, np.int64), np.full(n_columns, 8 * rows)
    _write(message, buffers + 4, np.stack([begins, none, begins, full], axis=1))
    return described


@lru_cache(maxsize=8)
def _describe_few_rows(n_columns: int) -> bytes:
    import pyarrow as pa

    column = pa.array(np.zeros(_FEW_ROWS))
    whole = pa.RecordBatch.from_arrays([column] * n_columns, names=[""] * n_columns).serialize()
    return bytes(memoryview(whole)[: whole.size - n_columns * column.nbytes])


def _read(message: BytesArray, place: int, kind: type[np.integer]) -> int:
    return int(np.frombuffer(message, dtype=kind, count=1, offset=place)[0])


def _field(message: BytesArray, table: int, number: int) -> int:
    """Find a field of a table, which begins with the offset back to its list of fields."""
    fields = table - _read(message, table, np.int32)
    return table + _read(message, fields + 4 + 2 * number, np.uint16)


def _target(message: BytesArray, place: int) -> int:
    """Follow a field's reference."""
    return place + _read(message, place, np.uint32)


def _write(message: BytesArray, place: int, numbers: IntArray) -> None:
    written = numbers.astype("<i8").reshape(-1).view(np.uint8)
    message[place : place + written.size] = written
