"""The process beside the endpoint's workers that sends what waits in the outbox, if the workspace has channels.

Delivery belongs to another package, which the endpoint does not import, and which a packed endpoint goes without; a
receiver that hangs, or a library for messages that fails, is no concern of those who answer requests.
"""

import importlib.util
import os
import subprocess
import sys
import threading
from pathlib import Path

from data_contracts.workspace import Workspace
from serving.http.error_redaction import describe_error
from serving.http.errors import LOGGER

_CHANNELS = "channels/*.toml"
_PROGRAM = "import sys; from pipelines.cli import main; main(sys.argv[1:])"
_LOOK_EVERY_S = 1.0
_PAUSE_S = 60.0
_GRACE_S = 15.0


class DeliveryProcess:
    """Runs the process while there are channels, and again a minute after it has ended by itself.

    It reads in `FOREWARN_SUPERVISOR` whose process it ends with, should that be killed.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._root = workspace.root
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="delivery", daemon=True)

    def start(self) -> None:
        """Begin to look for channels; nothing is sent by a packed endpoint, which lacks the code to."""
        if importlib.util.find_spec("pipelines") is not None:
            self._thread.start()

    def stop(self) -> None:
        """End the process; what it was sending may be sent again by the next one."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._end()

    def _supervise(self) -> None:
        pause_s = _LOOK_EVERY_S
        while not self._ended.wait(pause_s):
            try:
                pause_s = self._look()
            except OSError as error:  # no memory or no process is free, say: that may pass
                LOGGER.error("delivery cannot start, and is tried again in %g s: %s", _PAUSE_S, describe_error(error))
                pause_s = _PAUSE_S

    def _look(self) -> float:
        """Start or end the process as the channels have it; return after how many seconds to look again."""
        if not _has_channels(self._root):
            self._end()
        elif self._process is None:
            self._process = _start(self._root)
        elif self._process.poll() is not None:
            self._process = None
            return _PAUSE_S
        return _LOOK_EVERY_S

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _has_channels(root: Path) -> bool:
    return next(root.glob(_CHANNELS), None) is not None


def _start(root: Path) -> "subprocess.Popen[bytes]":
    """Start the process; what it complains of goes where the endpoint's complaints go."""
    command = [sys.executable, "-c", _PROGRAM, "outbox", "deliver", "--follow", "--workspace", str(root)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=dict(os.environ))
