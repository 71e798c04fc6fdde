"""How busy the workers are: a caller that keeps its connection stays with one, be it ever so busy beside idle ones.

So workers write how many requests they are at into one small file that all of them map into memory, and one that has
more to do than another asks its callers to connect anew: a new connection goes to whoever is free to take it.
"""

import mmap
import os
from pathlib import Path

_MOST_WORKERS = 256
_WORD = 8
# One request more is what any odd number of callers comes to.
_TOO_MANY_MORE = 2


class Balance:
    """Count the requests that this worker is at, and compare with the others.

    Parameters
    ----------
    file
        What the workers of one endpoint share; made if it is not there. None where there are no others.
    number
        This worker's number; a later worker of the same number takes its place.
    """

    def __init__(self, file: Path | None, number: int) -> None:
        # Zero is what a new file holds, and what no worker writes: one who is at nothing writes 1.
        self._busy = memoryview(_map(file)).cast("q")
        self._number = number % _MOST_WORKERS
        self._own = 0
        self._write()

    def enter(self) -> None:
        """Count a request."""
        self._own += 1
        self._write()

    def leave(self) -> None:
        """Count a request no longer."""
        self._own -= 1
        self._write()

    def is_busier(self) -> bool:
        """Tell whether this worker is at two requests or more above some other one."""
        others = [each - 1 for number, each in enumerate(self._busy) if each > 0 and number != self._number]
        return bool(others) and self._own - min(others) >= _TOO_MANY_MORE

    def close(self) -> None:
        """Be counted among the workers no longer."""
        self._busy[self._number] = 0

    def _write(self) -> None:
        self._busy[self._number] = self._own + 1


def alone() -> Balance:
    """Count for a worker beside which there is no other.

    Returns
    -------
    Balance
        Never busier than another.
    """
    return Balance(None, 0)


def _map(file: Path | None) -> mmap.mmap:
    size = _MOST_WORKERS * _WORD
    if file is None:
        return mmap.mmap(-1, size)
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(handle, size)
        return mmap.mmap(handle, size)
    finally:
        os.close(handle)
