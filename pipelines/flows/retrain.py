"""The flow that trains challengers and promotes the better ones."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from models.retraining.retraining_policy import CALENDAR, RETRAIN, RetrainingTrigger
from pipelines.evidence.monitoring_snapshot import gather_snapshot
from pipelines.flows.entry import moment, on_duty, opened
from pipelines.jobs.monitor import decide_retraining
from pipelines.jobs.retrain import retrain_champion


# No retries: a retraining that was cut off has its lease to wait for, and a second challenger costs as much again.
@task(cache_policy=NO_CACHE)
def retrain_model(
    workspace: str, model: str, now: str, why: str, occasion: RetrainingTrigger = CALENDAR, urgent: bool = False
) -> dict[str, Any]:
    """Train one challenger and compare it with its champion."""
    place, settings = opened(workspace)
    result = retrain_champion(
        place, model, now=moment(now), settings=settings, why=why, occasion=occasion, urgent=urgent
    )
    get_run_logger().info("%s: challenger %s. %s", model, result.decision, " ".join(result.reasons))
    return result.to_dict()


@task(cache_policy=NO_CACHE)
def ask_the_policy(workspace: str, model: str, now: str) -> dict[str, Any]:
    """Ask whether the calendar may have one champion retrained, and store the answer."""
    place, settings = opened(workspace)
    at = moment(now)
    snapshot = gather_snapshot(place, model, now=at, settings=settings)
    verdict = decide_retraining(place, snapshot, now=at, settings=settings, occasion=CALENDAR)
    get_run_logger().info("%s: %s. %s", model, verdict.decision, " ".join(verdict.reasons))
    return {"model_name": model, "model_version": snapshot.champion.model.version, **verdict.to_dict()}


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
    place, _ = opened(workspace)
    at = moment(now).isoformat()
    names = on_duty(place, model, alarms=True)
    asked = [ask_the_policy(workspace, name, at) for name in names] if gated else []
    held = [answer for answer in asked if answer["decision"] != RETRAIN]
    shut = {answer["model_name"] for answer in held}
    states = [retrain_model(workspace, name, at, why, return_state=True) for name in names if name not in shut]
    return [*held, *(state.result() for state in states)]
