"""The flow that monitors the champions, and retrains them or rolls them back where that was decided."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from models.monitoring.probation import ROLL_BACK
from models.retraining.retraining_policy import DRIFT, RETRAIN
from pipelines.compute.engine import compute_engine
from pipelines.evidence.probation_status import roll_back
from pipelines.flows.entry import MONITORED, is_transient, models_to_run, open_workspace_and_settings, time_or_now
from pipelines.flows.retrain import retrain_model
from pipelines.jobs.monitor import monitor_champion
from pipelines.retraining.own_baselines import hand_over_baselines, has_baselines


@task(retries=3, retry_delay_seconds=20, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def monitor_model(workspace: str, model: str, now: str) -> dict[str, Any]:
    """Test one champion for drift, and decide whether to retrain it."""
    opened, settings = open_workspace_and_settings(workspace)
    with compute_engine(settings.compute, opened) as engine:
        result = monitor_champion(opened, model, now=time_or_now(now), settings=settings, engine=engine)
    get_run_logger().info("%s: %s. %s", model, result.decision, " ".join(result.reasons))
    return result.to_dict()


@task(cache_policy=NO_CACHE)
def roll_back_model(workspace: str, model: str, version: int, now: str, why: str) -> dict[str, Any]:
    """Make the champion before the one on probation the champion again."""
    opened, settings = open_workspace_and_settings(workspace)
    result = roll_back(opened, model, version, reason=why, now=time_or_now(now), settings=settings)
    get_run_logger().info("%s: rolled back from version %s to %s. %s", model, version, result.to_version, why)
    return result.to_dict()


@task(retries=3, retry_delay_seconds=20, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def hand_over(workspace: str, model: str, now: str) -> dict[str, Any]:
    """Measure the assets that have run long enough by a baseline of their own."""
    opened, settings = open_workspace_and_settings(workspace)
    with compute_engine(settings.compute, opened) as engine:
        result = hand_over_baselines(opened, model, now=time_or_now(now), settings=settings, engine=engine)
    get_run_logger().info("%s: a baseline of their own for %s more assets", model, len(result.handed_over))
    return result.to_dict()


@flow(name="monitor")
def monitor(workspace: str, model: str | None = None, now: str | None = None, act: bool = True) -> list[dict[str, Any]]:
    """Monitor every champion; retrain those whose decision is to retrain.

    Under a model of anomalies that is not retrained, assets that have run long enough get a baseline of their own.
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
    opened, settings = open_workspace_and_settings(workspace)
    at = time_or_now(now).isoformat()
    names = models_to_run(opened, model, only=MONITORED)
    states = [monitor_model(workspace, name, at, return_state=True) for name in names]
    returned = [state.result(raise_on_failure=False) for state in states]
    results = [result for result in returned if isinstance(result, dict)]
    for result in results if act else ():
        name, probation = result["model_name"], result["probation"]
        if settings.probation.rolls_back and probation is not None and probation["suggestion"] == ROLL_BACK:
            why = "On probation: " + " ".join(probation["reasons"])
            result["rollback"] = roll_back_model(workspace, name, result["model_version"], at, why)
        elif result["decision"] == RETRAIN:
            trigger = result["occasion"]
            cause = "The monitor saw drift" if trigger == DRIFT else "A refresh is due"
            why = f"{cause}: " + " ".join(result["reasons"])
            result["retraining"] = retrain_model(workspace, name, at, why, trigger, result["urgent"])
        elif settings.retrain.own_baseline is not None and has_baselines(opened, name):
            result["own_baselines"] = hand_over(workspace, name, at)
    for state in states:
        state.result()  # raises the first failure, now that every model was monitored
    return results
