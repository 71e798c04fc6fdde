"""The flow that trains the model of an experiment."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from models.experiment.experiment import load_experiment
from pipelines.flows.entry import open_workspace_and_settings, time_or_now
from pipelines.jobs.train import train_experiment
from pipelines.settings.experiment_files import find_experiment


@task(cache_policy=NO_CACHE)
def train_and_register(workspace: str, experiment: str, overrides: list[str], now: str | None) -> dict[str, Any]:
    """Train one experiment and register the version."""
    opened, settings = open_workspace_and_settings(workspace)
    loaded = load_experiment(find_experiment(experiment), overrides)
    result = train_experiment(opened, loaded, now=time_or_now(now), actor=settings.retrain.actor)
    get_run_logger().info("%s version %s registered", result.model_name, result.version)
    return result.to_dict()


@flow(name="train")
def train(
    workspace: str, experiment: str, overrides: list[str] | None = None, now: str | None = None
) -> dict[str, Any]:
    """Train and register the predictor that an experiment describes.

    Parameters
    ----------
    workspace : str
        The folder that holds all state.
    experiment : str
        The path of a TOML file, or the name of an experiment that ships with forewarn.
    overrides : list of str, optional
        ``key=value``: values of the file replaced.
    now : str, optional
        Use nothing known later; the present by default.
    """
    return train_and_register(workspace, experiment, overrides or [], now)
