"""Blocks of series that fit a core's cache, on all cores; and batches of results, one computed while one is read."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

FloatArray = npt.NDArray[np.float64]
T = TypeVar("T")

# A block's series, their sorted copy and their spectrum fit a core's second-level cache together.
_BLOCK_SAMPLES = 32_768
_BLOCK_SERIES = 512
# Threads take a tenth of a millisecond to start, and on few series wait for the interpreter more than they compute.
_WORTH_THREADS = 20_000
# A batch of results, in bytes: one that is filled, one that is read and one being let go stay under 100 MB.
_BATCH_BYTES = 28_000_000
_BATCH_ROWS = 65_536


def series_a_block(samples: int) -> int:
    """Give how many series of a length are computed together.

    Parameters
    ----------
    samples
        The length of the series, at least 1.

    Returns
    -------
    int
        At least 1.
    """
    return max(1, min(_BLOCK_SAMPLES // samples, _BLOCK_SERIES))


def cores(threads: int | None, n_values: int) -> int:
    """Say how many threads a job is worth.

    Parameters
    ----------
    threads
        How many the caller wants; None for one a core that the process may use.
    n_values
        How many features of how many series there are to compute, in all.

    Returns
    -------
    int
        1 for a job that is done before a thread has started.
    """
    if n_values < _WORTH_THREADS:
        return 1
    if threads is not None:
        return threads
    # Not every system tells which cores a process may use; a container's share is told only so.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers(threads: int) -> Executor:
    """Give what runs blocks: a pool of threads, or the caller's own thread when one is enough.

    Parameters
    ----------
    threads
        How many.

    Returns
    -------
    concurrent.futures.Executor
        Made for one job, and closed after it: threads that live on do not survive a fork.
    """
    return _InThisThread() if threads == 1 else ThreadPoolExecutor(threads, thread_name_prefix="features")


def finish(started: Sequence[Future[None]]) -> None:
    """Wait for blocks, and make an error in a thread the caller's.

    Parameters
    ----------
    started
        What the workers gave for each block.
    """
    for block in started:
        block.result()


def record_batches(
    schema: "pa.Schema",
    total: int,
    start: Callable[[int, FloatArray, Executor], Sequence[Future[None]]],
    head: Callable[[int, int], Sequence["pa.Array"]],
    threads: int | None,
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

    Yields
    ------
    pyarrow.RecordBatch
    """
    n_computed = len(schema) - len(head(0, 0))
    rows = max(1, min(total, _BATCH_ROWS, _BATCH_BYTES // (8 * max(n_computed, 1))))
    pool = workers(cores(threads, n_computed * total))
    try:
        matrix, started = np.empty((0, 0)), list[Future[None]]()
        for begin in range(0, total + rows, rows):
            finish(started)
            ready, n = matrix, min(rows, total - begin)
            if n > 0:
                matrix = np.empty((n_computed, n))
                started = list(start(begin, matrix, pool))
            if begin > 0:
                yield _record_batch(schema, head(begin - rows, min(begin, total)), ready)
    finally:
        pool.shutdown(cancel_futures=True)


def _record_batch(schema: "pa.Schema", head: Sequence["pa.Array"], matrix: FloatArray) -> "pa.RecordBatch":
    """Make a batch of a matrix (n_columns, n_rows) without copying it."""
    # pyarrow takes a third of a second to import, and one window at a time needs none of it.
    import pyarrow as pa

    n = matrix.shape[1]
    flat = pa.array(matrix.reshape(-1))
    computed = [flat.slice(place * n, n) for place in range(len(matrix))]
    return pa.RecordBatch.from_arrays([*head, *computed], schema=schema)


class _InThisThread(Executor):
    """Run what is submitted at once."""

    def submit(self, function: Callable[..., T], /, *given: Any, **named: Any) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(function(*given, **named))
        return done
