"""The flow that watches the champions, and retrains one, or rolls it back, when it is to."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from models.monitoring.probation import ROLL_BACK
from models.retraining.retraining_policy import DRIFT, RETRAIN
from pipelines.evidence.probation_status import roll_back as undo
from pipelines.flows.entry import is_passing, moment, on_duty, opened
from pipelines.flows.retrain import retrain_model
from pipelines.jobs.monitor import monitor_champion


@task(retries=3, retry_delay_seconds=20, retry_condition_fn=is_passing, cache_policy=NO_CACHE)
def watch(workspace: str, model: str, now: str) -> dict[str, Any]:
    """Compare one champion's error rates with what it promised."""
    place, settings = opened(workspace)
    result = monitor_champion(place, model, now=moment(now), settings=settings)
    get_run_logger().info("%s: %s. %s", model, result.decision, " ".join(result.reasons))
    return result.to_dict()


@task(cache_policy=NO_CACHE)
def roll_back(workspace: str, model: str, version: int, now: str, why: str) -> dict[str, Any]:
    """Make the champion before the one on probation the champion again."""
    place, settings = opened(workspace)
    result = undo(place, model, version, reason=why, now=moment(now), settings=settings)
    get_run_logger().info("%s: rolled back from version %s to %s. %s", model, version, result.to_version, why)
    return result.to_dict()


@flow(name="monitor")
def monitor(workspace: str, model: str | None = None, now: str | None = None, act: bool = True) -> list[dict[str, Any]]:
    """Watch every champion; retrain where the decision is to retrain.

    Where a probation suggests to roll back, and probation.rolls_back is set, that is done instead.

    Parameters
    ----------
    workspace : str
        The folder that holds all state.
    model : str, optional
        Only this model.
    now : str, optional
        Use nothing known later; the present by default.
    act : bool
        Retrain or roll back; else only record the decision.
    """
    place, settings = opened(workspace)
    at = moment(now).isoformat()
    states = [watch(workspace, name, at, return_state=True) for name in on_duty(place, model, alarms=True)]
    seen = [state.result(raise_on_failure=False) for state in states]
    for result in seen:
        if not act or not isinstance(result, dict):
            continue
        trial = result["probation"]
        if settings.probation.rolls_back and trial is not None and trial["suggestion"] == ROLL_BACK:
            why = "On probation: " + " ".join(trial["reasons"])
            result["rollback"] = roll_back(workspace, result["model_name"], result["model_version"], at, why)
        elif result["decision"] == RETRAIN:
            occasion = result["occasion"]
            saw = "drift" if occasion == DRIFT else "much more to learn from"
            why = f"The monitor saw {saw}: " + " ".join(result["reasons"])
            name = result["model_name"]
            result["retraining"] = retrain_model(workspace, name, at, why, occasion, result["urgent"])
    for state in states:
        state.result()  # each has had its turn; the first that failed now fails the run
    return [result for result in seen if isinstance(result, dict)]
