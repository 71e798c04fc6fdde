"""The flow that watches the champions, and retrains one when the policy says so."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from models.retraining_policy import RETRAIN
from pipelines.flows.entry import is_passing, moment, on_duty, opened
from pipelines.flows.retrain import retrain_model
from pipelines.monitor import monitor as work


@task(retries=3, retry_delay_seconds=20, retry_condition_fn=is_passing, cache_policy=NO_CACHE)
def watch(workspace: str, model: str, now: str) -> dict[str, Any]:
    """Compare one champion's error rates with what it promised."""
    place, settings = opened(workspace)
    result = work(place, model, now=moment(now), settings=settings)
    get_run_logger().info("%s: %s. %s", model, result.decision, " ".join(result.reasons))
    return result.to_dict()


@flow(name="monitor")
def monitor(workspace: str, model: str | None = None, now: str | None = None, act: bool = True) -> list[dict[str, Any]]:
    """Watch every champion; retrain where the decision is to retrain.

    Parameters
    ----------
    workspace : str
        The folder that holds all state.
    model : str, optional
        Only this model.
    now : str, optional
        Use nothing known later; the present by default.
    act : bool
        Retrain when the policy says so; else only record the decision.
    """
    place, _ = opened(workspace)
    at = moment(now).isoformat()
    states = [watch(workspace, name, at, return_state=True) for name in on_duty(place, model, alarms=True)]
    seen = [state.result(raise_on_failure=False) for state in states]
    for result in seen:
        if act and isinstance(result, dict) and result["decision"] == RETRAIN:
            why = "The monitor saw drift: " + " ".join(result["reasons"])
            result["retraining"] = retrain_model(workspace, result["model_name"], at, why)
    for state in states:
        state.result()  # each has had its turn; the first that failed now fails the run
    return [result for result in seen if isinstance(result, dict)]
