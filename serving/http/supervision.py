"""When worker processes end: with their parent process, even if it was killed, and at once while they start."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CHECK_SECONDS = 1.0


def end_with_parent(parent: int | None = None, check_seconds: float = CHECK_SECONDS) -> None:
    """Send this process SIGTERM once its parent is gone.

    BentoML's workers would otherwise keep the port and go on answering, with no process left to end them. `parent` is
    the process that started this one, where it is known: it may have been killed already, and this one adopted.
    """
    parent = os.getppid() if parent is None else parent
    threading.Thread(target=_watch, args=(parent, check_seconds), name="parent-watch", daemon=True).start()


@contextmanager
def ended_at_once() -> Iterator[None]:
    """Let SIGTERM end this process at once: the server's own handler would first wait until it has started."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers are set in the main thread only
        return
    handler = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def _watch(parent: int, check_seconds: float) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(check_seconds)
    os.kill(os.getpid(), signal.SIGTERM)
