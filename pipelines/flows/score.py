"""The flow that scores the fleet with every champion."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from pipelines.compute.engine import compute_engine
from pipelines.flows.entry import is_transient, models_to_run, open_workspace_and_settings, time_or_now
from pipelines.jobs.score import score_fleet


@task(retries=3, retry_delay_seconds=20, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def score_model(workspace: str, model: str, as_of: str | None, now: str | None) -> dict[str, Any]:
    """Score every asset with one champion; a retry stores nothing twice."""
    opened, settings = open_workspace_and_settings(workspace)
    cut_off = None if as_of is None else time_or_now(as_of)
    with compute_engine(settings.compute, opened) as engine:
        result = score_fleet(opened, model, as_of=cut_off, now=time_or_now(now), policy=settings.policy, engine=engine)
    counts = result.scored, len(result.alerts), len(result.stale), len(result.failed), len(result.retired)
    get_run_logger().info("%s: %s assets scored, %s alerts, %s stale; %s failed, %s retired", model, *counts)
    return result.to_dict()


@flow(name="score")
def score(
    workspace: str, model: str | None = None, as_of: str | None = None, now: str | None = None
) -> list[dict[str, Any]]:
    """Score the fleet with every champion, and store the predictions.

    Parameters
    ----------
    workspace : str
        The folder that holds all state.
    model : str, optional
        Only this model.
    as_of : str, optional
        Use nothing known later; by default the latest telemetry's known time.
    now : str, optional
        When the predictions are made; the present by default.
    """
    opened, _ = open_workspace_and_settings(workspace)
    states = [score_model(workspace, name, as_of, now, return_state=True) for name in models_to_run(opened, model)]
    # Raises the first failure, now that every model has scored.
    return [state.result() for state in states]
