"""Record batches of numbers, each computed while the previous one is read; their buffers are reused."""

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

# A batch of results, in bytes: the batches being filled, read and released, what the reader makes of them and the
# threads' own memory stay under 100 MB together.
_BATCH_BYTES = 18_000_000
_BATCH_ROWS = 65_536
# A cache line, in bytes: eight numbers. Arrow aligns each column to it.
_LINE = 64


def rows_a_batch(n_computed: int, total: int) -> int:
    """Return how many rows a batch has, at least 1: whole cache lines unless there are fewer rows in total."""
    return max(1, min(total, _BATCH_ROWS, _BATCH_BYTES // (_LINE * max(n_computed, 1)) * 8))


def record_batches(
    schema: "pa.Schema",
    total: int,
    start: Callable[[int, FloatArray, Executor], Sequence[Future[None]]],
    head: Callable[[int, int], Sequence["pa.Array"]],
    threads: int | None,
    places: IntArray | None = None,
) -> Iterator["pa.RecordBatch"]:
    """Compute a batch while the previous one is read.

    `schema` has the columns of `head`, then the computed ones, float64. `start` takes the first row of a batch, a
    matrix (n_computed, n_rows) to fill and the workers, and returns the submitted futures; `head` takes a range of rows
    and returns the leading columns. `places` (n_computed,) is the matrix row of each computed column, their order if
    None.
    """
    n_head = len(head(0, 0))
    n_computed = len(schema) - n_head
    rows = rows_a_batch(n_computed, total)
    buffers = _Buffers(schema, n_head, rows, np.arange(n_computed) if places is None else places)
    pool = workers(cores(threads, n_computed * total))
    try:
        buffer, futures = np.empty(0, dtype=np.uint8), list[Future[None]]()
        for begin in range(0, total + rows, rows):
            finish(futures)
            ready, n = buffer, min(rows, total - begin)
            if n > 0:
                buffer = buffers.take()
                futures = list(start(begin, buffers.matrix(buffer)[:, :n], pool))
            if begin > 0:
                first, last = begin - rows, min(begin, total)
                yield buffers.batch(ready, last - first, head(first, last))
                del ready
    finally:
        pool.shutdown(cancel_futures=True)


class _Buffers:
    """Batches without copies, whose buffers are reused when nothing reads the batch any more.

    A buffer holds a batch in Arrow's interprocess format: a description, then the columns one after the other. Arrow
    builds all the columns from that at once; built one by one, ten thousand of them take longer than computing them.
    The description locates each column, so their order may differ from the schema's. A new buffer would cost the
    zeroing of every page by the system.
    """

    def __init__(self, schema: "pa.Schema", n_head: int, rows: int, places: IntArray) -> None:
        self._schema = schema
        self._computed = schema
        for _ in range(n_head):
            self._computed = self._computed.remove(0)
        # Columns of whole cache lines follow each other without padding.
        self._rows = -(-rows // 8) * 8
        self._description = describe_batch(len(self._computed), self._rows, places)
        self._free: list[npt.NDArray[np.uint8]] = []

    def take(self) -> npt.NDArray[np.uint8]:
        """Lend a buffer; it returns to the pool when the borrowed array is garbage-collected."""
        buffer = self._free.pop() if self._free else self._allocate()
        lent = buffer[:]
        weakref.finalize(lent, self._free.append, buffer).atexit = False
        return lent

    def matrix(self, buffer: npt.NDArray[np.uint8]) -> FloatArray:
        """View the numbers of a buffer, (n_computed, rows)."""
        columns = buffer[len(self._description) :].view(np.float64)
        return columns.reshape(len(self._computed), self._rows)

    def batch(self, buffer: npt.NDArray[np.uint8], n: int, head: Sequence["pa.Array"]) -> "pa.RecordBatch":
        """Wrap the first n rows of a buffer in a batch, without copying it."""
        import pyarrow as pa

        batch = pa.ipc.read_record_batch(pa.py_buffer(buffer), self._computed)
        batch = batch if n == self._rows else batch.slice(0, n)
        for place, column in enumerate(head):
            batch = batch.add_column(place, self._schema.field(place), column)
        return batch

    def _allocate(self) -> npt.NDArray[np.uint8]:
        offset = len(self._description)
        size = offset + 8 * len(self._computed) * self._rows
        memory = np.empty(size + _LINE, dtype=np.uint8)
        first = -(memory.ctypes.data + offset) % _LINE
        buffer = memory[first : first + size]
        buffer[:offset] = self._description
        return buffer
