"""The endpoint delivers: by the channels of its workspace, again after its process was killed, and ends with it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.records.outbox.event_kinds import ALARM_OPENED
from data_contracts.records.outbox.outbox import add_events, open_channel
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.records import open_records
from data_contracts.workspace import Workspace, init_workspace
from models.registry.registry import Registry
from serving.deployment import delivery_process
from serving.http.errors import LOGGER
from tests.pipelines.connectors.webhook_receiver import Receiver, running_receiver
from tests.serving.conftest import Endpoint

PATIENCE = 120.0
SUPERVISE = """
import os, sys
from pathlib import Path
from data_contracts.workspace import open_workspace
from serving.deployment.delivery_process import DeliveryProcess
os.environ["FOREWARN_SUPERVISOR"] = str(os.getpid())
delivery = DeliveryProcess(open_workspace(Path(sys.argv[1]), {}))
delivery.start()
sys.stdin.readline()
delivery.stop()
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def plant(tmp_path: Path) -> Workspace:
    workspace = init_workspace(tmp_path / "plant")
    open_channel(open_records(workspace.records_url), "eam", pd.Timestamp.now("UTC").as_unit("us"))
    return workspace


def add_channel(workspace: Workspace, receiver: Receiver) -> None:
    (workspace.root / "channels").mkdir()
    (workspace.root / "channels" / "eam.toml").write_text(f'[webhook]\nurl = "{receiver.url}"\n')


def alarm(workspace: Workspace, number: int) -> None:
    now = pd.Timestamp.now("UTC").as_unit("us")
    with open_records(workspace.records_url).begin() as connection:
        add_events(connection, [OutboxEvent(f"e{number}", ALARM_OPENED, "m1", now, {"n": number})])


def await_true(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


def is_there(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_process_delivers_while_there_are_channels_and_ends_with_who_started_it(
    plant: Workspace, receiver: Receiver
) -> None:
    """It starts with the first channel, and does not outlive a supervisor that was killed."""
    if not Path("/proc/self/task").exists():
        return  # how to look at another process without a dependency is known for Linux only
    command = [sys.executable, "-c", SUPERVISE, str(plant.root)]
    supervisor = subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ)
    try:
        alarm(plant, 1)
        add_channel(plant, receiver)
        await_true(lambda: len(receiver.taken) == 1)
        (delivering,) = children(supervisor.pid)
        alarm(plant, 2)
        await_true(lambda: len(receiver.taken) == 2)
        supervisor.send_signal(signal.SIGKILL)
        supervisor.wait()
        await_true(lambda: not is_there(delivering))
    finally:
        supervisor.kill()
        supervisor.wait()
    assert [request.event["data"]["n"] for request in receiver.taken] == [1, 2]


def test_what_cannot_start_is_tried_again(
    plant: Workspace, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And is said: else nothing would ever be delivered again, and nobody would know."""
    monkeypatch.setattr(delivery_process, "_PAUSE_S", 0.1)
    monkeypatch.setattr(LOGGER, "propagate", True)
    alarm(plant, 1)
    add_channel(plant, receiver)
    delivery = delivery_process.DeliveryProcess(plant)
    with monkeypatch.context() as without_python:
        without_python.setattr(sys, "executable", str(plant.root / "no-python"))
        delivery.start()
        await_true(lambda: caplog.text.count("delivery cannot start, and is tried again in 0.1 s") > 1)
    try:
        await_true(lambda: len(receiver.taken) == 1)
    finally:
        delivery.stop()


def test_the_endpoint_delivers(registry: Registry, endpoint: Endpoint, receiver: Receiver) -> None:
    """A channel that is written while it serves is one it delivers by; without one, no process is left to do so."""
    if not Path("/proc/self/task").exists():
        return
    served = registry.workspace
    before = children(endpoint.process.pid)
    open_channel(open_records(served.records_url), "eam", pd.Timestamp.now("UTC").as_unit("us"))
    add_channel(served, receiver)
    try:
        alarm(served, 1)
        await_true(lambda: len(receiver.taken) == 1)
    finally:
        (served.root / "channels" / "eam.toml").unlink()
    await_true(lambda: set(children(endpoint.process.pid)) <= set(before))


def children(pid: int) -> list[int]:
    """Return the children that any thread of a process has started."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]
