import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_CHILD = """
import pathlib, sys, time
from serving.http.supervision import end_with_parent
end_with_parent(check_seconds=0.05)
pathlib.Path(sys.argv[1]).write_text("up")
time.sleep(120)
"""
_PARENT = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]])
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.02)
print(child.pid, flush=True)
time.sleep(120)
"""


_ORPHAN = """
import sys, time
from serving.http.supervision import end_with_parent
end_with_parent(int(sys.argv[1]), check_seconds=0.05)
time.sleep(120)
"""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    """No orphaned worker is left behind, however its parent ended."""
    if not Path("/proc/self/stat").exists():
        return  # how to look at another process without a dependency is known for Linux only
    command = [sys.executable, "-c", _PARENT, str(tmp_path / "up"), _CHILD]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_running(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    ends = time.monotonic() + 90
    while is_running(child) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not is_running(child)


def test_a_worker_that_was_starting_when_its_parent_was_killed_ends_too() -> None:
    """A process whose parent is gone before it watches has another parent by then, and ends at once."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    worker = subprocess.run([sys.executable, "-c", _ORPHAN, str(gone.pid)], timeout=240, check=False)
    assert worker.returncode == -signal.SIGTERM
