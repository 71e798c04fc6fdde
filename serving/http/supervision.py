"""Worker processes end with their parent process, even if it was killed."""

import os
import signal
import threading

CHECK_SECONDS = 1.0


def end_with_parent(check_seconds: float = CHECK_SECONDS) -> None:
    """Send this process SIGTERM once its parent is gone.

    BentoML's workers would otherwise keep the port and go on answering, with no process left to end them.
    """
    parent = os.getppid()
    threading.Thread(target=_watch, args=(parent, check_seconds), name="parent-watch", daemon=True).start()


def _watch(parent: int, check_seconds: float) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(check_seconds)
    os.kill(os.getpid(), signal.SIGTERM)
