"""Prefect's server as a process that lives no longer than the one that started it.

The tether is its standard input: the system closes the other end however the starter ends, also when it is killed.
"""

import os
import runpy
import signal
import sys
import threading
import time

_GRACE_SECONDS = 10


def main() -> None:
    """Run Prefect's command line with this process's arguments until it ends or the tether breaks."""
    threading.Thread(target=_end_with_starter, daemon=True).start()
    sys.argv = ["prefect", *sys.argv[1:]]
    runpy.run_module("prefect", run_name="__main__")


def _end_with_starter() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    # Something in it did not want to end.
    os._exit(1)


if __name__ == "__main__":
    main()
