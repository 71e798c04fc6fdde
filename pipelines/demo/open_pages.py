"""The pages of what the demonstration played: served on this machine alone, and opened in a browser if there is one.

Run as ``python -m pipelines.demo.open_pages URL`` it waits for the endpoint, opens the page, and ends.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

_HOST, _PORT = "127.0.0.1", 3000
_PATIENCE_SECONDS, _PAUSE_SECONDS = 120.0, 0.2


def serve_pages(workspace: Path, model: str, page: str, *, say: Callable[[str], None]) -> NoReturn:
    """Become the endpoint of a workspace until interrupted; `page` is the path of the page to open."""
    port = _port()
    url = f"http://{_HOST}:{port}{page}"
    say(f"the pages are at {url} in some seconds; Ctrl-C ends them")
    # It opens the page and ends; where there is no browser it says nothing.
    subprocess.Popen([sys.executable, "-m", "pipelines.demo.open_pages", url])
    command = [sys.executable, "-m", "serving", "--workspace", str(workspace), "--model", model]
    command += ["--host", _HOST, "--port", str(port)]
    # This process becomes the endpoint: a signal meant for it reaches it, and nothing is left behind.
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, our own arguments


def open_when_ready(url: str, *, server: int) -> bool:
    """Open a page as soon as its endpoint answers; return whether it did, before its process had ended."""
    # Before its model is loaded the endpoint shows pages without what only that knows.
    ready = urlsplit(url)._replace(path="/readyz", query="").geturl()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while os.getppid() == server and time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(ready, timeout=5):  # noqa: S310 - our own address
            return webbrowser.open(url)
        time.sleep(_PAUSE_SECONDS)
    return False


def _port() -> int:
    """Return the usual port, or any other where another program has it."""
    for wished in (_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((_HOST, wished))
                return int(probe.getsockname()[1])
    return _PORT  # the endpoint says what is wrong


if __name__ == "__main__":
    # The terminal interrupts this process too.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    open_when_ready(sys.argv[1], server=os.getppid())
