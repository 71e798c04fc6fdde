"""Running flows now, and serving them on their schedules.

Prefect is imported inside the functions: it reads its environment once, when it is imported, and that has to name the
workspace first.
"""

import contextlib
import importlib
import inspect
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_contracts.errors import StorageError, UsageError, did_you_mean
from data_contracts.workspace import Workspace
from pipelines.flows.environment import forget_server, is_healthy, prefect_environment, remember_server
from pipelines.settings import Settings

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.deployments.runner import RunnerDeployment

FLOWS = ("ingest", "train", "score", "monitor", "retrain")
_START_SECONDS = 120


@dataclass(frozen=True)
class FlowResult:
    """What a flow run came to.

    Parameters
    ----------
    flow : str
        Its name.
    result : Any
        What it returned, as plain values.
    """

    flow: str
    result: Any

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {"flow": self.flow, "result": self.result}


def run_flow(workspace: Workspace, flow: str, parameters: Sequence[str]) -> FlowResult:
    """Run one flow now, in this process.

    Parameters
    ----------
    workspace : Workspace
        What it works on.
    flow : str
        One of `FLOWS`.
    parameters : sequence of str
        ``name=value``.

    Returns
    -------
    FlowResult
        What it returned; what it raised is raised here.

    Raises
    ------
    UsageError
        If there is no such flow, or it has no such parameter.
    """
    prefect_environment(workspace)
    run = load_flow(flow)
    values = _parse(run, parameters)
    return FlowResult(flow, run(workspace=str(workspace.root), **values))


def load_flow(name: str) -> "Flow[..., Any]":
    """Import a flow; the environment has to be settled before.

    Parameters
    ----------
    name : str
        One of `FLOWS`.

    Returns
    -------
    prefect.Flow
        The flow of that name.
    """
    if name not in FLOWS:
        raise UsageError(
            f"no flow {name}", f"one of {', '.join(FLOWS)}", did_you_mean(name, FLOWS) or "Name one of them"
        )
    loaded: Flow[..., Any] = getattr(importlib.import_module(f"pipelines.flows.{name}"), name)
    return loaded


def deployments(workspace: Workspace, settings: Settings) -> "list[RunnerDeployment]":
    """Describe the flows that have a schedule.

    Parameters
    ----------
    workspace : Workspace
        What they work on.
    settings : Settings
        Their cron expressions.

    Returns
    -------
    list of prefect.deployments.runner.RunnerDeployment
        One run of each at a time; runs that come due meanwhile, or pile up while nothing was served, are cancelled
        and not caught up with.
    """
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    one = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    made: list[Any] = [
        load_flow(name).to_deployment(
            name="forewarn",
            schedules=[Cron(cron, timezone=settings.schedule_time_zone)],
            parameters={"workspace": str(workspace.root)},
            concurrency_limit=one,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        for name, cron in scheduled(settings).items()
    ]
    return made


def scheduled(settings: Settings) -> dict[str, str]:
    """Return the flows that have a schedule, with their cron expressions."""
    crons = {
        # Without an inbox there is nothing to look into.
        "ingest": settings.schedule_ingest if settings.ingest_inbox else "",
        "score": settings.schedule_score,
        "monitor": settings.schedule_monitor,
        "retrain": settings.schedule_retrain,
    }
    return {name: cron for name, cron in crons.items() if cron}


def serve_schedules(workspace: Workspace, settings: Settings) -> None:
    """Run the flows on their schedules until interrupted.

    Where ``PREFECT_API_URL`` names a server, that one is used. Otherwise one is started for as long as this runs: the
    server that comes with a single flow run keeps no schedules.

    Parameters
    ----------
    workspace : Workspace
        What they work on.
    settings : Settings
        Their cron expressions.

    Raises
    ------
    UsageError
        If no flow has a schedule, or the port is taken.
    """
    if not scheduled(settings):
        raise UsageError(
            "no flow has a schedule", "a cron expression under [schedule]", "Set schedule.score, for example"
        )
    prefect_environment(workspace)
    with contextlib.nullcontext() if "PREFECT_API_URL" in os.environ else _server(workspace, settings.schedule_port):
        from prefect import serve

        serve(*deployments(workspace, settings), print_starting_message=False)


@contextlib.contextmanager
def _server(workspace: Workspace, port: int) -> Iterator[None]:
    """Run Prefect's server beside this process."""
    _refuse_taken(port)
    url = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "PREFECT_API_URL": url}) as process:
        try:
            _wait(process, url)
            os.environ["PREFECT_API_URL"] = url
            remember_server(workspace, url)
            sys.stderr.write(f"Serving the schedules; Prefect shows them at http://127.0.0.1:{port}. Ctrl-C ends it.\n")
            yield
        finally:
            forget_server(workspace)
            os.environ.pop("PREFECT_API_URL", None)
            process.terminate()


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise UsageError(
                f"port {port} is taken", "a free port for Prefect's server", "Set schedule.port to another"
            )


def _wait(process: "subprocess.Popen[bytes]", url: str) -> None:
    for _ in range(_START_SECONDS * 2):
        if is_healthy(url):
            return
        if process.poll() is not None:
            break
        time.sleep(0.5)
    raise StorageError(
        f"Prefect's server did not start at {url}",
        f"an answer within {_START_SECONDS} s",
        "See what it wrote to stderr; its database lies in the workspace's folder prefect",
    )


def _parse(flow: "Flow[..., Any]", parameters: Sequence[str]) -> dict[str, Any]:
    known = {name: p for name, p in inspect.signature(flow.fn).parameters.items() if name != "workspace"}
    values: dict[str, Any] = {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            hint = did_you_mean(name, known) or "Write it as name=value"
            raise UsageError(
                f"no parameter {text!r} of {flow.name}", f"one of {', '.join(known)}, each as name=value", hint
            )
        # A list is given by naming its parameter again.
        values[name] = [*values.get(name, []), value] if "list" in str(known[name].annotation) else value
    missing = [name for name, p in known.items() if p.default is p.empty and name not in values]
    if missing:
        raise UsageError(
            f"{flow.name} was not told {', '.join(missing)}", "a value", f"Add --parameter {missing[0]}=..."
        )
    return values
