"""Running flows now, and serving them on their schedules.

Prefect is imported inside the functions: it reads its environment once, when it is imported, and that has to name the
workspace first.
"""

import asyncio
import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from data_contracts.errors import UsageError, did_you_mean
from data_contracts.workspace import Workspace
from models.registry.registry import Registry
from pipelines.flows.environment import prefect_environment
from pipelines.flows.interrupt import Interrupt
from pipelines.flows.parameters import parse_parameters
from pipelines.flows.server import DEPLOYMENT, served, served_once, settle_leftovers
from pipelines.settings.settings import Settings, variable
from pipelines.terminal.tables import facts

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Schedule

FLOWS = ("ingest", "train", "score", "monitor", "retrain")


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

    def __rich__(self) -> Group:
        """Draw what each model, or each file, came to."""
        found = self.result.get("files", self.result) if isinstance(self.result, dict) else self.result
        entries = found if isinstance(found, list) else [found]
        nothing = [] if entries else [Text(f"{self.flow}: there was nothing to do.")]
        return Group(*nothing, *(facts({"flow": self.flow, **entry}) for entry in entries))


def run_flow(workspace: Workspace, flow: str, parameters: Sequence[str], *, verbose: bool = False) -> FlowResult:
    """Run one flow now, in this process.

    Parameters
    ----------
    workspace : Workspace
        What it works on.
    flow : str
        One of `FLOWS`.
    parameters : sequence of str
        ``name=value``.
    verbose : bool
        Let Prefect write about the run to stderr too; its server keeps that in any case.

    Returns
    -------
    FlowResult
        What it returned; what it raised is raised here.

    Raises
    ------
    UsageError
        If there is no such flow, it has no such parameter, or the parameter cannot have that value.
    """
    prefect_environment(workspace)
    run = load_flow(flow)
    values = parse_parameters(run.fn, parameters)
    if not verbose:
        _hush_prefect()
    with _server():
        from prefect.settings import PREFECT_API_URL, temporary_settings

        # Prefect read the environment when it was imported; the server may have come later.
        with temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]}), _told_to_server():
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
    from prefect.types.entrypoint import EntrypointType

    one = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    made: list[Any] = [
        load_flow(name).to_deployment(
            name=DEPLOYMENT,
            schedules=[_cron(name, cron, settings.schedule.time_zone)],
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
        "ingest": settings.schedule.ingest if settings.ingest.inbox else "",
        "score": settings.schedule.score,
        "monitor": settings.schedule.monitor,
        "retrain": settings.schedule.retrain,
    }
    return {name: cron for name, cron in crons.items() if cron}


def serve_schedules(workspace: Workspace, settings: Settings) -> None:
    """Run the flows on their schedules until interrupted; say so if nothing will be ingested.

    Where ``PREFECT_API_URL`` names a server, that one is used; otherwise one is started for as long as this runs.

    Parameters
    ----------
    workspace : Workspace
        What they work on.
    settings : Settings
        Their cron expressions.

    Raises
    ------
    UsageError
        If no flow has a schedule, a cron expression means nothing, or the port is taken.
    """
    if not scheduled(settings):
        raise UsageError(
            "no flow has a schedule", "a cron expression under [schedule]", "Set schedule.score, for example"
        )
    if "ingest" not in scheduled(settings):
        unset = "schedule.ingest" if settings.ingest.inbox else "ingest.inbox"
        sys.stderr.write(f"Nothing is ingested: {unset} is empty. Set it in forewarn.toml, or {variable(unset)}.\n")
    prefect_environment(workspace)
    # MLflow makes its tables at the first question; two flows that ask at once would spoil them.
    Registry(workspace).names()
    ours = "PREFECT_API_URL" not in os.environ
    interrupt = Interrupt()
    with interrupt.recorded(), served(workspace, settings.schedule.port) if ours else contextlib.nullcontext():
        if ours:
            settle_leftovers()
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(_run_as_due(deployments(workspace, settings), interrupt))
    if interrupt.came:
        # Everything is in order now; the command line reports the interruption as for every other command.
        raise KeyboardInterrupt


def _cron(flow: str, expression: str, time_zone: str) -> "Schedule":
    from prefect.schedules import Cron

    try:
        return Cron(expression, timezone=time_zone)
    except ValueError as error:
        raise UsageError(
            f"schedule.{flow} is {expression!r}", 'a cron expression such as "0 6 * * *"', "Mend it in forewarn.toml"
        ) from error


def _hush_prefect() -> None:
    """Keep Prefect's tracebacks off the terminal: what a run raises is raised here, and told once, by us."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: not record.name.startswith("prefect."))


@contextlib.contextmanager
def _told_to_server() -> Iterator[None]:
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    try:
        yield
    finally:
        # Both are sent from threads of their own, which may lag behind; the server is about to end.
        APILogHandler().flush()
        EventsWorker.drain_all()


def _server() -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if "PREFECT_API_URL" in os.environ else served_once()


async def _run_as_due(made: "list[RunnerDeployment]", interrupt: Interrupt) -> None:
    from prefect.runner import Runner

    this, loop = asyncio.current_task(), asyncio.get_running_loop()
    interrupt.cancels(this)

    class OrderlyRunner(Runner):
        """A runner that SIGTERM ends as Ctrl-C does; Prefect's own would leave its runs and schedules as they are."""

        def handle_sigterm(self, *_args: Any, **_options: Any) -> None:
            """End in order."""
            if this is not None:
                loop.call_soon_threadsafe(this.cancel)

    runner = OrderlyRunner()
    for deployment in made:
        await runner.aadd_deployment(deployment)
    await runner.start()
