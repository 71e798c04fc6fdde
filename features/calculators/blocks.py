"""Blocks of series that fit a core's cache, on all cores."""

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


class _InThisThread(Executor):
    """Run what is submitted at once."""

    def submit(self, function: Callable[..., T], /, *given: Any, **named: Any) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(function(*given, **named))
        return done
