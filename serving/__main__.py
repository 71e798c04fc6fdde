"""``python -m serving``: the endpoint's process, which SIGINT ends with exit status 130 and SIGTERM with 0."""

import os
import signal
import sys
import threading
from time import sleep

_INTERRUPTED = "Interrupted. What was stored stays; run the same command again to go on."
_EXIT_STATUS = 130  # as shells have it: 128 and the signal's number
_SECONDS_BETWEEN_SIGNALS = 5.0


def _run() -> int:
    """Serve until a signal.

    SIGINT is blocked and awaited in a thread: a KeyboardInterrupt would break off whatever import or callback it meets,
    with a traceback of that, and BentoML would end without saying which signal it was. Worker processes inherit the
    block; they are ended with SIGTERM.
    """
    interrupted = threading.Event()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    threading.Thread(target=_end_on_interrupt, args=(interrupted,), daemon=True).start()
    # Imported with SIGINT blocked, for it takes seconds.
    from serving.command_line import main

    status = main(sys.argv[1:], os.environ)
    if not interrupted.is_set():
        return status
    _report()
    return _EXIT_STATUS


def _end_on_interrupt(interrupted: threading.Event) -> None:
    signal.sigwait({signal.SIGINT})
    interrupted.set()
    if not _ends_on_sigterm():
        # Nothing is served yet, and no process was started.
        _report()
        os._exit(_EXIT_STATUS)
    while _ends_on_sigterm():
        # Sent again until it has an effect: BentoML drops a signal that arrives while it starts or counts its workers.
        os.kill(os.getpid(), signal.SIGTERM)
        sleep(_SECONDS_BETWEEN_SIGNALS)


def _ends_on_sigterm() -> bool:
    """Tell whether BentoML handles SIGTERM, as it does from before its first worker starts until its last one ended."""
    return callable(signal.getsignal(signal.SIGTERM))


def _report() -> None:
    print(_INTERRUPTED, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(_run())
