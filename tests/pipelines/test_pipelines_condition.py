"""Training on a measured condition, from the command line to the champion."""

import dataclasses

import pytest
from rich.console import Console

from data_contracts.errors import ModelError, UsageError
from models.experiment.experiment import Experiment, LabelPlan
from pipelines.cli.renderers import render
from pipelines.jobs.monitor import monitor_champion
from pipelines.jobs.score import score_fleet
from pipelines.jobs.train import train_experiment
from tests.pipelines.conftest import Plant


def test_a_value_is_registered_with_its_unit(plant: Plant, experiment: Experiment) -> None:
    """The output and --json have its error in the unit of the contract; it serves no one, and that is no failure."""
    value = experiment.with_overrides(["target=condition", "label={condition='vibration'}"])
    result = train_experiment(plant.workspace, dataclasses.replace(value, name="value"), now=plant.at(55))
    printed = result.to_dict()
    assert (result.champion, result.exit_status, printed["threshold"]) == (False, 0, None)
    assert "none is served" in printed["champion_reason"]
    assert printed["rmse_mean"] > 0
    console = Console(width=120)
    with console.capture() as captured:
        console.print(render(result))
    assert "RMSE" in captured.get()
    assert "not the champion" in captured.get()
    assert plant.registry.champion("value") is None
    with pytest.raises(UsageError, match="--promote with target condition"):
        train_experiment(plant.workspace, value, now=plant.at(55), insist=True)


def test_a_model_of_a_crossing_scores_and_is_not_monitored(plant: Plant, experiment: Experiment) -> None:
    """Its alarms are of the crossing: the failures that are booked do not say whether they were right."""
    label = LabelPlan(horizon=experiment.label.horizon, condition="vibration", threshold=44.0)
    plan = dataclasses.replace(experiment.features, channels=("volt", "rotate", "pressure", "vibration"))
    crossing = dataclasses.replace(experiment, name="crossing", label=label, features=plan)
    result = train_experiment(plant.workspace, crossing, now=plant.at(55), insist=True)
    assert result.champion
    assert score_fleet(plant.workspace, "crossing", as_of=plant.at(60)).scored > 0
    with pytest.raises(ModelError, match="predicts when vibration crosses a threshold"):
        monitor_champion(plant.workspace, "crossing", now=plant.at(70), settings=plant.settings)
