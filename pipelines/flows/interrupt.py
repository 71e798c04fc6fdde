"""Ctrl-C that is never lost.

Python raises `KeyboardInterrupt` wherever the program happens to be. In a destructor or a weak reference's callback, of
which a few thousand run while libraries are imported, the exception is printed and forgotten.
"""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Interrupt:
    """Records Ctrl-C, so that it counts even where the exception it raised was swallowed."""

    def __init__(self) -> None:
        self.received = False

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Record Ctrl-C inside this context, which still raises `KeyboardInterrupt`; only the main thread gets one."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._record_and_raise)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def cancel_on_interrupt(self, task: "asyncio.Task[Any] | None") -> None:
        """Let Ctrl-C cancel the running task from now on, at once if it was received already."""
        if task is None or threading.current_thread() is not threading.main_thread():
            return

        def cancel() -> None:
            self.received = True
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, cancel)
        if self.received:
            task.cancel()

    def _record_and_raise(self, *_: Any) -> None:
        self.received = True
        raise KeyboardInterrupt
