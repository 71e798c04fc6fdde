"""Prefect's server beside this process, for one run or for as long as schedules are served."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data_contracts.errors import StorageError, UsageError
from data_contracts.workspace import Workspace
from pipelines.flows.environment import forget_server, is_healthy, remember_server

DEPLOYMENT = "forewarn"
_URL = "PREFECT_API_URL"
_START_SECONDS = 120
_MOST_AT_ONCE = 200
_LOG = "server.log"


@contextlib.contextmanager
def served(workspace: Workspace, port: int) -> Iterator[None]:
    """Run Prefect's server on this machine, schedules and all, where other runs of this workspace find it.

    Parameters
    ----------
    workspace : Workspace
        Where its database is, and what other runs find the server by.
    port : int
        Where it listens, on this machine only.

    Raises
    ------
    UsageError
        If the port is taken.
    StorageError
        If the server does not start.
    """
    _refuse_taken(port)
    with _running(port):
        remember_server(workspace, os.environ[_URL])
        sys.stderr.write(f"Serving the schedules; Prefect shows them at http://127.0.0.1:{port}. Ctrl-C ends it.\n")
        try:
            yield
        finally:
            forget_server(workspace)


@contextlib.contextmanager
def served_once() -> Iterator[None]:
    """Run Prefect's server on a free port for one run; it lets all schedules rest.

    Prefect would start one by itself, but leave it behind when this process is killed.

    Raises
    ------
    StorageError
        If the server does not start.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with _running(port, "--no-scheduler", "--no-late-runs", "--no-ui"):
        yield


@contextlib.contextmanager
def _running(port: int, *options: str) -> Iterator[None]:
    url = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "pipelines.flows.tethered", "server", "start"]
    command += ["--host", "127.0.0.1", "--port", str(port), *options]
    log = Path(os.environ["PREFECT_HOME"]) / _LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        _leaving_on_sigterm(),
        log.open("wb") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            # A server that is ended while it starts writes tracebacks, which are of no use on a terminal.
            stderr=subprocess.STDOUT,
            env={**os.environ, _URL: url},
            # Ctrl-C is meant for this process, which still has to tell the server how its runs ended.
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait(process, url, log)
            os.environ[_URL] = url
            yield
        finally:
            os.environ.pop(_URL, None)
            process.terminate()


@contextlib.contextmanager
def _leaving_on_sigterm() -> Iterator[None]:
    """Leave as after Ctrl-C, everything put in order, where Python would just stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def settle_leftovers() -> None:
    """End what an earlier server of this workspace left behind.

    A run that was cut off holds its deployment's only place for ever, and every later run would be cancelled for it;
    runs that came due while nothing was served would all start now. To be called on a server of our own, before the
    schedules are served: whatever it calls running is dead.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterName,
        FlowRunFilter,
        FlowRunFilterExpectedStartTime,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import State, StateType
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.states import Cancelled, Crashed

    ours = DeploymentFilter(name=DeploymentFilterName(any_=[DEPLOYMENT]))
    cut_off = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
    ends: tuple[tuple[list[StateType], State[Any]], ...] = (
        (cut_off, Crashed(message="It was cut off when the schedules were last served.")),
        ([StateType.SCHEDULED], Cancelled(message="It came due while no schedules were served.")),
    )
    with get_client(sync_client=True) as client:
        for types, end in ends:
            left = FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types)),
                expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
            )
            # The server refuses to be asked without an order and a limit.
            order = FlowRunSort.EXPECTED_START_TIME_ASC
            while runs := client.read_flow_runs(
                deployment_filter=ours, flow_run_filter=left, sort=order, limit=_MOST_AT_ONCE
            ):
                for run in runs:
                    client.set_flow_run_state(run.id, end, force=True)


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise UsageError(
                f"port {port} is taken", "a free port for Prefect's server", "Set schedule.port to another"
            )


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    for _ in range(_START_SECONDS * 2):
        if is_healthy(url):
            return
        if process.poll() is not None:
            break
        time.sleep(0.5)
    raise StorageError(
        f"Prefect's server did not start at {url}",
        f"an answer within {_START_SECONDS} s",
        f"See {log}; its database is in the same folder",
    )
