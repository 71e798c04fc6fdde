"""Record batches of numbers, one computed while the one before is being read; their buffers are used again."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from features.calculators.blocks import cores, finish, workers
from features.extraction.batch_description import describe_batch

if TYPE_CHECKING:
    import pyarrow as pa

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# A batch of results, in bytes: one that is filled, one that is read, one being let go and what its reader makes of it
# stay under 100 MB, with what the threads need for themselves.
_BATCH_BYTES = 18_000_000
_BATCH_ROWS = 65_536
# A line of the cache, in bytes: eight numbers. Arrow aligns each column so.
_LINE = 64


def rows_a_batch(n_computed: int, total: int) -> int:
    """Say how many rows a batch has.

    Parameters
    ----------
    n_computed
        How many computed columns there are.
    total
        How many rows, in all batches.

    Returns
    -------
    int
        At least 1; whole lines of the cache unless all rows are fewer.
    """
    return max(1, min(total, _BATCH_ROWS, _BATCH_BYTES // (_LINE * max(n_computed, 1)) * 8))


def record_batches(
    schema: "pa.Schema",
    total: int,
    start: Callable[[int, FloatArray, Executor], Sequence[Future[None]]],
    head: Callable[[int, int], Sequence["pa.Array"]],
    threads: int | None,
    places: IntArray | None = None,
) -> Iterator["pa.RecordBatch"]:
    """Compute a batch while the one before is being read.

    Parameters
    ----------
    schema
        The columns: those of `head`, then the computed ones, float64.
    total
        How many rows there are.
    start
        From the first row of a batch, a matrix (n_computed, n_rows) to fill and the workers, to what they started.
    head
        From the first row and the one after the last to the arrays of the leading columns.
    threads
        As for `cores`.
    places : (n_computed,), optional
        The row of the matrix that each computed column is; in their order if None.

    Yields
    ------
    pyarrow.RecordBatch
    """
    n_head = len(head(0, 0))
    n_computed = len(schema) - n_head
    rows = rows_a_batch(n_computed, total)
    buffers = _Buffers(schema, n_head, rows, np.arange(n_computed) if places is None else places)
    pool = workers(cores(threads, n_computed * total))
    try:
        buffer, started = np.empty(0, dtype=np.uint8), list[Future[None]]()
        for begin in range(0, total + rows, rows):
            finish(started)
            ready, n = buffer, min(rows, total - begin)
            if n > 0:
                buffer = buffers.take()
                started = list(start(begin, buffers.matrix(buffer)[:, :n], pool))
            if begin > 0:
                first, last = begin - rows, min(begin, total)
                yield buffers.batch(ready, last - first, head(first, last))
                del ready
    finally:
        pool.shutdown(cancel_futures=True)


class _Buffers:
    """Make batches of buffers, and take a buffer again when nothing reads its batch any more.

    A buffer holds a batch as Arrow's interprocess format has it: a description, then the columns one after the other.
    Arrow makes all the columns of that at once; made one by one, ten thousand of them take longer than their sums.
    The description says where each column stands, so they may stand in another order than the schema's. A fresh buffer
    costs the system's zeroing of every page.
    """

    def __init__(self, schema: "pa.Schema", n_head: int, rows: int, places: IntArray) -> None:
        self._schema = schema
        self._computed = schema
        for _ in range(n_head):
            self._computed = self._computed.remove(0)
        # Columns that fill whole lines of the cache follow each other without a space.
        self._rows = -(-rows // 8) * 8
        self._description = describe_batch(len(self._computed), self._rows, places)
        self._free: list[npt.NDArray[np.uint8]] = []

    def take(self) -> npt.NDArray[np.uint8]:
        """Give a buffer; it comes back when what it is given to is gone."""
        buffer = self._free.pop() if self._free else self._make()
        lent = buffer[:]
        weakref.finalize(lent, self._free.append, buffer).atexit = False
        return lent

    def matrix(self, buffer: npt.NDArray[np.uint8]) -> FloatArray:
        """Give the numbers of a buffer, (n_computed, rows)."""
        columns = buffer[len(self._description) :].view(np.float64)
        return columns.reshape(len(self._computed), self._rows)

    def batch(self, buffer: npt.NDArray[np.uint8], n: int, head: Sequence["pa.Array"]) -> "pa.RecordBatch":
        """Make a batch of the first n rows of a buffer, without copying it."""
        import pyarrow as pa

        made = pa.ipc.read_record_batch(pa.py_buffer(buffer), self._computed)
        made = made if n == self._rows else made.slice(0, n)
        for place, column in enumerate(head):
            made = made.add_column(place, self._schema.field(place), column)
        return made

    def _make(self) -> npt.NDArray[np.uint8]:
        n_described = len(self._description)
        size = n_described + 8 * len(self._computed) * self._rows
        room = np.empty(size + _LINE, dtype=np.uint8)
        first = -(room.ctypes.data + n_described) % _LINE
        buffer = room[first : first + size]
        buffer[:n_described] = self._description
        return buffer
