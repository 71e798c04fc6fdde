"""Prefect's server as a child process, for one run or for as long as schedules are served."""

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

from data_contracts.configuration.allocator import OF_THE_SYSTEM
from data_contracts.configuration.sqlite_faults import find_faults, sqlite_remedy
from data_contracts.errors import StorageError, UsageError
from data_contracts.workspace import Workspace
from pipelines.flows.environment import forget_server, is_healthy, remember_server

DEPLOYMENT = "forewarn"
_API_URL = "PREFECT_API_URL"
_START_SECONDS = 120
_PAGE_SIZE = 200
_LOG, _DATABASE = "server.log", "prefect.db"


@contextlib.contextmanager
def running_server(workspace: Workspace, port: int) -> Iterator[None]:
    """Run Prefect's server on this machine with its scheduler; other runs of this workspace find and join it."""
    _check_port_is_free(port)
    with _server_process(port):
        remember_server(workspace, os.environ[_API_URL])
        sys.stderr.write(f"Serving the schedules; Prefect shows them at http://127.0.0.1:{port}. Ctrl-C ends it.\n")
        try:
            yield
        finally:
            forget_server(workspace)


@contextlib.contextmanager
def temporary_server() -> Iterator[None]:
    """Run Prefect's server on a free port for one run, without its scheduler.

    Prefect would start one by itself, but leave it behind when this process is killed.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with _server_process(port, "--no-scheduler", "--no-late-runs", "--no-ui"):
        yield


@contextlib.contextmanager
def _server_process(port: int, *options: str) -> Iterator[None]:
    url = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "pipelines.flows.prefect_child", "server", "start"]
    command += ["--host", "127.0.0.1", "--port", str(port), *options]
    log = Path(os.environ["PREFECT_HOME"]) / _LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    _refuse_damaged(log.parent / _DATABASE)
    with (
        _exit_on_sigterm(),
        log.open("wb") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            # A server that is ended while it starts writes tracebacks, which are of no use on a terminal.
            stderr=subprocess.STDOUT,
            env={**OF_THE_SYSTEM, **os.environ, _API_URL: url},
            # Ctrl-C is meant for this process, which still has to report to the server how its runs ended.
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait_until_healthy(process, url, log)
            os.environ[_API_URL] = url
            yield
        finally:
            os.environ.pop(_API_URL, None)
            process.terminate()


@contextlib.contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Run the cleanups on SIGTERM, as after Ctrl-C, where Python would just stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def end_leftover_runs() -> None:
    """End the runs that an earlier server of this workspace left behind.

    A run that was cut off holds its deployment's only slot for ever, and every later run would be cancelled for it;
    runs that came due while nothing was served would all start now. To be called on a new server of our own, before the
    schedules are served: no run that it calls running is alive.
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
    interrupted = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
    ends: tuple[tuple[list[StateType], State[Any]], ...] = (
        (interrupted, Crashed(message="It was cut off when the schedules were last served.")),
        ([StateType.SCHEDULED], Cancelled(message="It came due while no schedules were served.")),
    )
    with get_client(sync_client=True) as client:
        for types, end in ends:
            leftover = FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types)),
                expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
            )
            # The server rejects a query without an order and a limit.
            order = FlowRunSort.EXPECTED_START_TIME_ASC
            while runs := client.read_flow_runs(
                deployment_filter=ours, flow_run_filter=leftover, sort=order, limit=_PAGE_SIZE
            ):
                for run in runs:
                    client.set_flow_run_state(run.id, end, force=True)


def _refuse_damaged(database: Path) -> None:
    """Raise a `StorageError` if Prefect's database is damaged or held: its server would only not start."""
    faults = find_faults(database, "quick_check") if database.is_file() and database.stat().st_size else ()
    if not faults:
        return
    held = sqlite_remedy(faults[0]) if "locked" in faults[0] else ""
    raise StorageError(
        f"Prefect's database at {database} cannot be used ({faults[0]})",
        "a database that can be opened and read",
        held or f"Move {database.parent} away: it holds only the history of runs, and is created anew",
    )


def _check_port_is_free(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise UsageError(
                f"port {port} is taken", "a free port for Prefect's server", "Set schedule.port to another"
            )


def _wait_until_healthy(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    for _ in range(_START_SECONDS * 2):
        if is_healthy(url):
            return
        if process.poll() is not None:
            break
        time.sleep(0.5)
    raise StorageError(
        f"Prefect's server did not start at {url}",
        f"a response within {_START_SECONDS} s",
        f"See {log}; its database is in the same folder",
    )
