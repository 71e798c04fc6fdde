"""Run a flow now, or serve all flows on their schedules.

Prefect is imported inside the functions: it reads the environment once, when it is imported, and that has to name the
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

from data_contracts.errors import UsageError, did_you_mean
from data_contracts.workspace import Workspace
from models.registry.registry import Registry
from pipelines.flows.environment import prefect_environment
from pipelines.flows.interrupt import Interrupt
from pipelines.flows.parameters import parse_parameters
from pipelines.flows.server import DEPLOYMENT, end_leftover_runs, running_server, temporary_server
from pipelines.settings.settings import Settings, variable

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Schedule

FLOWS = ("ingest", "train", "score", "monitor", "retrain", "upkeep", "prune", "deliver")
_MODULES = {"prune": "upkeep", "deliver": "delivery.deliver"}  # of others it has the flow's name


@dataclass(frozen=True)
class FlowResult:
    """What a flow run returned."""

    flow: str
    result: Any  # JSON values

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"flow": self.flow, "result": self.result}


def run_flow(workspace: Workspace, flow: str, parameters: Sequence[str], *, verbose: bool = False) -> FlowResult:
    """Run one of `FLOWS` now, in this process; what it raises is raised here.

    `parameters` are ``name=value`` texts. With `verbose` Prefect logs to stderr too; its server keeps the log in any
    case.
    """
    prefect_environment(workspace)
    run = load_flow(flow)
    values = parse_parameters(run.fn, parameters)
    if not verbose:
        _silence_prefect_logs()
    with contextlib.nullcontext() if "PREFECT_API_URL" in os.environ else temporary_server():
        from prefect.settings import PREFECT_API_URL, temporary_settings

        # Prefect read the environment when it was imported; the server may have been started later.
        with temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]}), _flush_logs_and_events():
            return FlowResult(flow, run(workspace=str(workspace.root), **values))


def load_flow(name: str) -> "Flow[..., Any]":
    """Import one of `FLOWS`; call `prefect_environment` first."""
    if name not in FLOWS:
        raise UsageError(
            f"no flow {name}", f"one of {', '.join(FLOWS)}", did_you_mean(name, FLOWS) or "Name one of them"
        )
    loaded: Flow[..., Any] = getattr(importlib.import_module(f"pipelines.flows.{_MODULES.get(name, name)}"), name)
    return loaded


def deployments(workspace: Workspace, settings: Settings) -> "list[RunnerDeployment]":
    """Return a deployment for each flow that has a schedule, with at most one run at a time.

    Runs that come due meanwhile, or pile up while nothing was served, are cancelled and not caught up with.
    """
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.types.entrypoint import EntrypointType

    one_at_a_time = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    built: list[Any] = [
        load_flow(name).to_deployment(
            name=DEPLOYMENT,
            schedules=[_cron(name, cron, settings.schedule.time_zone)],
            parameters={"workspace": str(workspace.root)},
            concurrency_limit=one_at_a_time,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        for name, cron in scheduled(settings).items()
    ]
    return built


def scheduled(settings: Settings) -> dict[str, str]:
    """Return the flows that have a schedule, with their cron expressions."""
    crons = {
        # Without an inbox there is nothing to ingest.
        "ingest": settings.schedule.ingest if settings.ingest.inbox else "",
        "score": settings.schedule.score,
        "monitor": settings.schedule.monitor,
        "retrain": settings.schedule.retrain,
        "upkeep": settings.schedule.upkeep,
        "prune": settings.schedule.prune,
        "deliver": settings.schedule.deliver,
    }
    return {name: cron for name, cron in crons.items() if cron}


def serve_schedules(workspace: Workspace, settings: Settings) -> None:
    """Run the flows on their schedules until interrupted; warn on stderr if nothing will be ingested.

    Where ``PREFECT_API_URL`` names a server, that one is used; otherwise one is started for as long as this runs.
    `UsageError` if no flow has a schedule, a cron expression is invalid, or the port is taken.
    """
    if not scheduled(settings):
        raise UsageError(
            "no flow has a schedule", "a cron expression under [schedule]", "Set schedule.score, for example"
        )
    if "ingest" not in scheduled(settings):
        unset = "schedule.ingest" if settings.ingest.inbox else "ingest.inbox"
        sys.stderr.write(f"Nothing is ingested: {unset} is empty. Set it in forewarn.toml, or {variable(unset)}.\n")
    prefect_environment(workspace)
    Registry(workspace).create_store()
    own = "PREFECT_API_URL" not in os.environ
    interrupt = Interrupt()
    with interrupt.recording(), running_server(workspace, settings.schedule.port) if own else contextlib.nullcontext():
        if own:
            end_leftover_runs()
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(_run_when_due(deployments(workspace, settings), interrupt))
    if interrupt.received:
        # All is cleaned up; the command line reports the interruption as for every other command.
        raise KeyboardInterrupt


def _cron(flow: str, expression: str, time_zone: str) -> "Schedule":
    from prefect.schedules import Cron

    try:
        return Cron(expression, timezone=time_zone)
    except ValueError as error:
        raise UsageError(
            f"schedule.{flow} is {expression!r}", 'a cron expression such as "0 6 * * *"', "Fix it in forewarn.toml"
        ) from error


def _silence_prefect_logs() -> None:
    """Keep Prefect's tracebacks off the terminal: what a run raises is raised here, and reported once, by us."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: not record.name.startswith("prefect."))


@contextlib.contextmanager
def _flush_logs_and_events() -> Iterator[None]:
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    try:
        yield
    finally:
        # Both are sent from threads of their own, which may lag behind; the server is about to end.
        APILogHandler().flush()
        EventsWorker.drain_all()


async def _run_when_due(built: "list[RunnerDeployment]", interrupt: Interrupt) -> None:
    from prefect.runner import Runner

    this, loop = asyncio.current_task(), asyncio.get_running_loop()
    interrupt.cancel_on_interrupt(this)

    class OrderlyRunner(Runner):
        """A runner that SIGTERM ends as Ctrl-C does; Prefect's own would leave its runs and schedules behind."""

        def handle_sigterm(self, *_args: Any, **_options: Any) -> None:
            """Cancel the runner, which then ends its runs and pauses its schedules."""
            if this is not None:
                loop.call_soon_threadsafe(this.cancel)

    runner = OrderlyRunner()
    for deployment in built:
        await runner.aadd_deployment(deployment)
    await runner.start()
