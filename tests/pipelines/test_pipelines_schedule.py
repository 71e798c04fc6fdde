"""`forewarn schedule` as a process of its own: due flows run, and no process is left behind however it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace

pytestmark = pytest.mark.slow

ROW = "failure_id,asset,event_time,known_time,mode\nf1,m1,2026-01-01T00:00:00Z,2026-01-01T01:00:00Z,bearing\n"
# Run in a shell's background job, the tests would pass on that SIGINT is ignored.
SCRIPT = """
import signal
from pipelines.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


@dataclass(frozen=True)
class Served:
    """Schedules being served."""

    workspace: Workspace
    process: "subprocess.Popen[bytes]"
    port: int

    def output(self) -> str:
        return (self.workspace.root / "output.txt").read_text(encoding="utf-8")

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < until, self.output()
            time.sleep(0.5)

    def end(self, by: signal.Signals) -> int:
        """Send a signal; return the exit status when this process and all that it had started are gone."""
        descendants = _descendants(self.process.pid)
        assert descendants, "no server was started"
        self.process.send_signal(by)
        status = self.process.wait(120)
        until = time.monotonic() + 90
        while left := [pid for pid in descendants if pid in _parents()]:
            assert time.monotonic() < until, f"{left} of {descendants} are left behind"
            time.sleep(0.2)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", self.port)) != 0
        return status


def _parents() -> dict[int, int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)  # noqa: S607
    rows = [line.split() for line in listed.stdout.splitlines()]
    # A zombie (ended, but not yet waited for) is not left behind.
    return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}


def _descendants(pid: int) -> list[int]:
    parents = _parents()
    children = [child for child, parent in parents.items() if parent == pid]
    return children + [grandchild for child in children for grandchild in _descendants(child)]


@contextmanager
def _schedule(root: Path, repository: Path) -> Iterator[Served]:
    workspace = init_workspace(root)
    inbox = root / "inbox" / "failures"
    inbox.mkdir(parents=True, exist_ok=True)
    (inbox / "a.csv").write_text(ROW)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (root / "forewarn.toml").write_text(
        f'[ingest]\ninbox = "{root / "inbox"}"\nsettle = "0s"\n'
        f'[schedule]\ningest = "* * * * *"\nscore = ""\nmonitor = ""\nupkeep = ""\nport = {port}\n'
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_API", "FOREWARN_"))}
    command = [sys.executable, "-c", SCRIPT, "schedule", "--workspace", str(root)]
    with (root / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=repository, env=environ, stderr=output, stdout=output)
    served = Served(workspace, process, port)
    try:
        served.wait_for(lambda: "Serving the schedules" in served.output(), 300)
        yield served
    finally:
        process.kill()
        process.wait()


def test_what_is_due_is_run(tmp_path: Path, repository: Path) -> None:
    """A flow on an every-minute schedule comes due, runs and has done its work; SIGTERM then ends everything."""
    with _schedule(tmp_path, repository) as served:
        served.wait_for(lambda: not tables.read(served.workspace, "failures").empty, 300)
        assert tables.read(served.workspace, "failures")["failure_id"].tolist() == ["f1"]
        assert served.end(signal.SIGTERM) == 0
        assert "Traceback" not in served.output()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_behind(tmp_path: Path, repository: Path, by: signal.Signals) -> None:
    """Prefect's server ends with the process that started it, also when that one is killed."""
    with _schedule(tmp_path, repository) as served:
        # Ctrl-C may come before the first schedule is looked at, and is then an interruption like any other.
        assert served.end(by) in ((0, 130) if by is signal.SIGINT else (-by,))
