"""Load balancing between workers.

A connection that is kept alive stays with one worker, however busy, even if others are idle. So the workers count their
open requests in one small memory-mapped file, and a worker with more than another asks its callers to reconnect: the
operating system gives a new connection to a worker that is free to accept it.
"""

import mmap
import os
from pathlib import Path

_MAX_WORKERS = 256
_WORD_BYTES = 8
# A difference of one request arises with any odd number of callers.
_MAX_DIFFERENCE = 1


class WorkerLoad:
    """Count the open requests of this worker, and compare them with those of the others.

    `file` is shared by the workers of one endpoint and created if missing; None where there is one worker. A later
    worker with the same `number` takes over the slot.
    """

    def __init__(self, file: Path | None, number: int) -> None:
        # A new file holds zeros, which mean no worker: an idle worker writes 1.
        self._slots = memoryview(_map(file)).cast("q")
        self._number = number % _MAX_WORKERS
        self._open_requests = 0
        self._write()

    def enter(self) -> None:
        """Count a request that begins."""
        self._open_requests += 1
        self._write()

    def leave(self) -> None:
        """Count a request that has ended."""
        self._open_requests -= 1
        self._write()

    def is_busier(self) -> bool:
        """Tell whether another worker has at least two open requests fewer than this one."""
        others = [slot - 1 for number, slot in enumerate(self._slots) if slot > 0 and number != self._number]
        return bool(others) and self._open_requests - min(others) > _MAX_DIFFERENCE

    def close(self) -> None:
        """Give up this worker's slot."""
        self._slots[self._number] = 0

    def _write(self) -> None:
        self._slots[self._number] = self._open_requests + 1


def single_worker() -> WorkerLoad:
    """Return the load of an endpoint's only worker: never busier than another."""
    return WorkerLoad(None, 0)


def _map(file: Path | None) -> mmap.mmap:
    size = _MAX_WORKERS * _WORD_BYTES
    if file is None:
        return mmap.mmap(-1, size)
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(handle, size)
        return mmap.mmap(handle, size)
    finally:
        os.close(handle)
