"""A Ctrl-C that cannot get lost.

Python raises `KeyboardInterrupt` wherever the program happens to be. Where that is a destructor or a weak reference's
callback, of which a few thousand run while libraries are imported, it is printed and forgotten.
"""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Interrupt:
    """Remember Ctrl-C, so that it counts even where the exception it raised was swallowed."""

    def __init__(self) -> None:
        self.came = False

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Remember a Ctrl-C that comes in here; elsewhere than in the main thread there is none to remember.

        Yields
        ------
        None
            It raises `KeyboardInterrupt` still.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._remember)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def cancels(self, task: "asyncio.Task[Any] | None") -> None:
        """Let Ctrl-C cancel a task from now on, at once if it came already.

        Parameters
        ----------
        task
            The task that is running.
        """
        if task is None or threading.current_thread() is not threading.main_thread():
            return
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
        if self.came:
            task.cancel()

    def _remember(self, _signal: int, _frame: FrameType | None) -> None:
        self.came = True
        raise KeyboardInterrupt
