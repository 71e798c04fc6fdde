"""SIGTERM and Ctrl-C as a flag, for commands that run until they are stopped and end what they have begun."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class StopFlag:
    """Set by a handler of signals: the locks of an Event may be held by the very code that the signal interrupts."""

    def __init__(self) -> None:
        self.asked = False

    def is_set(self) -> bool:
        """Return whether the process was asked to stop."""
        return self.asked

    def wait(self, timeout: float) -> bool:
        """Wait for so many seconds, or until the process is asked to stop; return whether it was."""
        ends = time.monotonic() + timeout
        while not self.asked and (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
        return self.asked


@contextmanager
def stop_signals() -> Iterator[StopFlag]:
    """Yield a flag that SIGTERM and the first Ctrl-C set; a second one interrupts at once."""
    stopping = StopFlag()

    def stop(*_: Any) -> None:
        if stopping.asked:
            raise KeyboardInterrupt
        stopping.asked = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
