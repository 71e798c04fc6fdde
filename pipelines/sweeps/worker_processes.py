"""Trials in processes of this machine, their results in the order of the tasks."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from data_contracts.errors import ModelError

Task = TypeVar("Task")
Result = TypeVar("Result")


class WorkerProcesses:
    """A pool that has at most one task a worker: the next is asked for when the oldest result is there."""

    def __init__(self, pool: ProcessPoolExecutor, workers: int) -> None:
        self._pool, self.workers = pool, workers

    def map(self, compute: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield the results in the order of the tasks; `ModelError` if a process ends before its result."""
        waiting = deque[Future[Result]]()
        try:
            for task in tasks:
                waiting.append(self._pool.submit(compute, task))
                if len(waiting) >= self.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise ModelError(
                "a process ended while it judged a trial",
                "processes that live as long as their work takes",
                "See whether the memory suffices, and run the same command again with fewer --workers",
            ) from error


@contextmanager
def worker_processes(count: int) -> Iterator[WorkerProcesses]:
    """Start processes, and end them: at once if what they compute is not wanted any more."""
    before = set(multiprocessing.active_children())
    # Not by fork: LightGBM and OpenMP hang in a process that was forked.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_prepare)
    try:
        yield WorkerProcesses(pool, count)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    pool.shutdown()


def _prepare() -> None:
    # A terminal sends Ctrl-C to all processes; this one ends when the command ends it, or is gone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
