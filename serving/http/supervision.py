"""Worker processes end with the process that started them, even if that one was killed."""

import os
import signal
import threading

CHECK_SECONDS = 1.0


def end_with_parent(check_seconds: float = CHECK_SECONDS) -> None:
    """End this process, as SIGTERM does, once the process that started it is gone.

    BentoML's workers would otherwise keep the port and answer on, with nobody to end them.

    Parameters
    ----------
    check_seconds
        How often to look, in seconds.
    """
    parent = os.getppid()
    threading.Thread(target=_watch, args=(parent, check_seconds), name="parent-watch", daemon=True).start()


def _watch(parent: int, check_seconds: float) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(check_seconds)
    os.kill(os.getpid(), signal.SIGTERM)
