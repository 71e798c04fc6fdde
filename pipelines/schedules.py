"""Running flows now, and serving them on their schedules.

Prefect is imported inside the functions: it reads its environment once, when it is imported, and that has to name the
workspace first.
"""

import contextlib
import importlib
import inspect
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_contracts.errors import UsageError, did_you_mean
from data_contracts.workspace import Workspace
from models.registry import Registry
from pipelines.flows.environment import prefect_environment
from pipelines.flows.server import DEPLOYMENT, served, settle_leftovers
from pipelines.settings import Settings

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.deployments.runner import RunnerDeployment

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
            name=DEPLOYMENT,
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
        If no flow has a schedule, or the port is taken.
    """
    if not scheduled(settings):
        raise UsageError(
            "no flow has a schedule", "a cron expression under [schedule]", "Set schedule.score, for example"
        )
    prefect_environment(workspace)
    # MLflow makes its tables at the first question; two flows that ask at once would spoil them.
    Registry(workspace).names()
    ours = "PREFECT_API_URL" not in os.environ
    with served(workspace, settings.schedule_port) if ours else contextlib.nullcontext():
        from prefect import serve

        if ours:
            settle_leftovers()
        serve(*deployments(workspace, settings), print_starting_message=False)


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
