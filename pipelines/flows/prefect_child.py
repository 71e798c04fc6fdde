"""Prefect's command line in a child process that ends with its parent, even if the parent is killed.

The child reads its standard input: the system closes the other end however the parent ends.
"""

import os
import runpy
import signal
import sys
import threading
import time

_GRACE_SECONDS = 10


def main() -> None:
    """Run Prefect's command line with this process's arguments until it or the parent ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = ["prefect", *sys.argv[1:]]
    runpy.run_module("prefect", run_name="__main__")


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    # SIGTERM was not enough.
    os._exit(1)


if __name__ == "__main__":
    main()
