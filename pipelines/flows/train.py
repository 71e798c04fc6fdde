"""The flow that trains the model of an experiment."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from models.experiment.experiment_file import read_experiment
from pipelines.compute.engine import compute_engine
from pipelines.flows.entry import open_workspace_and_settings, time_or_now
from pipelines.jobs.train import train_experiment
from pipelines.settings.experiment_files import find_experiment


@task(cache_policy=NO_CACHE)
def train_and_register(
    workspace: str, experiment: str, overrides: list[str], now: str | None, *, promote: bool
) -> dict[str, Any]:
    """Train one experiment and register the version."""
    opened, settings = open_workspace_and_settings(workspace)
    loaded = read_experiment(find_experiment(experiment), overrides, contracts=opened.contracts)
    with compute_engine(settings.compute, opened) as engine:
        result = train_experiment(
            opened,
            loaded.experiment,
            now=time_or_now(now),
            actor=settings.retrain.actor,
            insist=promote,
            engine=engine,
        )
    get_run_logger().info("%s version %s registered", result.model_name, result.version)
    for sentence in loaded.notes:
        get_run_logger().info("%s", sentence)
    if result.without_champion:
        get_run_logger().warning("%s has no champion: %s", result.model_name, result.champion_reason)
    return result.to_dict()


@flow(name="train")
def train(
    workspace: str,
    experiment: str,
    overrides: list[str] | None = None,
    now: str | None = None,
    promote: bool = False,
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
    promote : bool
        Make the first version the champion in any case.
    """
    return train_and_register(workspace, experiment, overrides or [], now, promote=promote)
