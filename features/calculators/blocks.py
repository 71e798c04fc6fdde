"""Blocks of series that fit a core's cache, computed on all cores."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

# A block's series, their sorted copy and their spectrum fit a core's second-level cache together.
_BLOCK_SAMPLES = 32_768
_BLOCK_SERIES = 1024
# Threads take a tenth of a millisecond to start, and on few series wait for the interpreter more than they compute.
_WORTH_THREADS = 20_000


def series_a_block(samples: int) -> int:
    """Return how many series of at least one sample form a block."""
    return max(1, min(_BLOCK_SAMPLES // samples, _BLOCK_SERIES))


def cores(threads: int | None, n_values: int) -> int:
    """Return how many threads `n_values` features are worth: one if they are done before a thread has started.

    `threads` is the user's limit; None is one for each core the process may use.
    """
    if n_values < _WORTH_THREADS:
        return 1
    if threads is not None:
        return threads
    # Respects a container's share of the cores; not every system has it.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers(threads: int) -> Executor:
    """Return an executor for one job: a thread pool, or the caller's own thread when one is enough.

    It is closed after the job, as threads do not survive a fork.
    """
    return _InThisThread() if threads == 1 else ThreadPoolExecutor(threads, thread_name_prefix="features")


def finish(futures: Sequence[Future[None]]) -> None:
    """Wait for blocks, and raise an error of a thread in the caller."""
    for future in futures:
        future.result()


class _InThisThread(Executor):
    """Run submitted calls at once, in the caller's thread."""

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(function(*args, **kwargs))
        return future
