"""The flow that scores the whole fleet."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from pipelines.flows.entry import is_passing, moment, on_duty, opened
from pipelines.jobs.score import score_fleet


@task(retries=3, retry_delay_seconds=20, retry_condition_fn=is_passing, cache_policy=NO_CACHE)
def score_model(workspace: str, model: str, as_of: str | None, now: str | None) -> dict[str, Any]:
    """Ask one champion about every asset; again it stores nothing twice."""
    place, _ = opened(workspace)
    result = score_fleet(place, model, as_of=None if as_of is None else moment(as_of), now=moment(now))
    get_run_logger().info("%s: %s assets scored, %s alerts", model, result.scored, len(result.alerts))
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
    place, _ = opened(workspace)
    states = [score_model(workspace, name, as_of, now, return_state=True) for name in on_duty(place, model)]
    # Each has had its turn; the first that failed now fails the run.
    return [state.result() for state in states]
