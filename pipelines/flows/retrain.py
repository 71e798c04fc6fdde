"""The flow that trains challengers and promotes the better ones."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from models.retraining.retraining_policy import CALENDAR, RETRAIN, RetrainingTrigger
from pipelines.compute.engine import compute_engine
from pipelines.evidence.monitoring_snapshot import gather_snapshot
from pipelines.flows.entry import RETRAINED, models_to_run, open_workspace_and_settings, time_or_now
from pipelines.jobs.monitor import decide_retraining
from pipelines.jobs.retrain import retrain_champion


# No retries: a retraining that was cut off has its lease to wait for, and a second challenger costs as much again.
@task(cache_policy=NO_CACHE)
def retrain_model(
    workspace: str, model: str, now: str, why: str, trigger: RetrainingTrigger = CALENDAR, urgent: bool = False
) -> dict[str, Any]:
    """Train one challenger and compare it with its champion."""
    opened, settings = open_workspace_and_settings(workspace)
    at = time_or_now(now)
    with compute_engine(settings.compute, opened) as engine:
        result = retrain_champion(
            opened, model, now=at, settings=settings, why=why, trigger=trigger, urgent=urgent, engine=engine
        )
    get_run_logger().info("%s: challenger %s. %s", model, result.decision, " ".join(result.reasons))
    if result.refit is not None:
        get_run_logger().info("%s: %s", model, " ".join(result.refit.reasons))
    return result.to_dict()


@task(cache_policy=NO_CACHE)
def check_policy(workspace: str, model: str, now: str) -> dict[str, Any]:
    """Decide whether the gates let the calendar retrain one champion, and store the decision."""
    opened, settings = open_workspace_and_settings(workspace)
    at = time_or_now(now)
    with compute_engine(settings.compute, opened) as engine:
        snapshot = gather_snapshot(opened, model, now=at, settings=settings, engine=engine)
    decision = decide_retraining(opened, snapshot, now=at, settings=settings, trigger=CALENDAR)
    get_run_logger().info("%s: %s. %s", model, decision.decision, " ".join(decision.reasons))
    return {"model_name": model, "model_version": snapshot.champion.model.version, **decision.to_dict()}


@flow(name="retrain")
def retrain(
    workspace: str,
    model: str | None = None,
    now: str | None = None,
    why: str = "Retraining by the calendar.",
    gated: bool = True,
) -> list[dict[str, Any]]:
    """Train a challenger for every champion that raises alarms; promote those that are better.

    Parameters
    ----------
    workspace : str
        The folder that holds all state.
    model : str, optional
        Only this model.
    now : str, optional
        Use nothing known later; the present by default.
    why : str
        For the ledger.
    gated : bool
        Retrain only where the policy's gates are open, as they must be for drift; else always.
    """
    opened, _ = open_workspace_and_settings(workspace)
    at = time_or_now(now).isoformat()
    names = models_to_run(opened, model, only=RETRAINED)
    decisions = [check_policy(workspace, name, at) for name in names] if gated else []
    blocked = [decision for decision in decisions if decision["decision"] != RETRAIN]
    skipped = {decision["model_name"] for decision in blocked}
    states = [retrain_model(workspace, name, at, why, return_state=True) for name in names if name not in skipped]
    return [*blocked, *(state.result() for state in states)]
