"""`forewarn doctor --score`: what is proven of a workspace, what is missing, and what to do."""

import json
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from models.registry.registry import Registry
from models.registry.reproduce import note_reproduction, reproduce
from pipelines.cli import app
from pipelines.jobs.monitor import monitor_alarms
from pipelines.jobs.train import train_experiment
from pipelines.readiness.score import ReadinessScore, score_readiness

NEGLECTED = {"Infra 1", "Infra 3", "Infra 7", "Model 2", "Model 3", "Monitor 3", "Monitor 4", "Monitor 7"}


def points(result: ReadinessScore) -> dict[str, float]:
    return {each.item.name: each.proof.points for each in result.items}


def score(plant: Any, day: float) -> ReadinessScore:
    return score_readiness(plant.workspace, "plant", now=plant.at(day), settings=plant.settings)


def test_a_neglected_workspace_is_told_what_to_do(plant: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A champion that nobody scores with, monitors or reproduces has no points for that, with the command for each."""
    words = ["doctor", "--score", "--now", "2026-05-01", "-w", str(plant.workspace.root), "--json"]
    with pytest.raises(SystemExit) as leaving:
        app.main([*words, "--at-least", "6"])
    assert leaving.value.code == 1
    printed = json.loads(capsys.readouterr().out)
    items = {each["name"]: each for each in printed["items"]}
    assert {name for name, each in items.items() if not each["points"]} >= NEGLECTED
    assert all(items[name]["remedy"] for name in NEGLECTED)
    assert "forewarn reproduce 1 --model plant" in items["Infra 1"]["remedy"]
    assert "forewarn monitor" in items["Monitor 7"]["remedy"]
    assert printed["score"] == min(printed["sections"].values()) < 5


def test_what_is_done_for_a_workspace_counts(plant: Any, experiment: Any) -> None:
    """Predicting, monitoring, reproducing and comparing with a linear model each prove their items, and only those."""
    plant.answer(55, 69)
    before = points(score(plant, 69))
    monitor_alarms(plant.workspace, "plant", now=plant.at(69), settings=plant.settings)
    note_reproduction(Registry(plant.workspace), reproduce(plant.workspace, "plant", 1), now=plant.at(69))
    linear = replace(experiment, estimator=replace(experiment.estimator, kind="logistic", params={}), model="linear")
    train_experiment(plant.workspace, linear, now=plant.at(55))
    result = score(plant, 69)
    after = points(result)
    assert {name: (before[name], after[name]) for name in after if before[name] != after[name]} == {
        "Infra 1": (0.0, 0.5),
        "Infra 3": (0.0, 1.0),
        "Model 2": (0.0, 1.0),
        "Model 3": (0.0, 0.5),
        "Monitor 4": (0.0, 1.0),
        "Monitor 7": (0.0, 1.0),
    }
    assert after["Monitor 3"] == 1.0, "the stored predictions are the same when they are computed again"
    assert points(score(plant, 119))["Monitor 7"] == 0.0, "a verdict of seven weeks ago says nothing of today"


def test_a_process_change_takes_the_points_for_quality(plant: Any) -> None:
    """Once the monitor refutes the promise, neither quality nor agreement with the evaluation is proven any longer."""
    plant.answer(55, 110)
    looks = [monitor_alarms(plant.workspace, "plant", now=plant.at(day), settings=plant.settings) for day in (90, 111)]
    assert looks[-1].drift.drifted
    after = points(score(plant, 111))
    assert (after["Monitor 7"], after["Model 2"]) == (0.0, 0.0)


def test_a_prediction_that_the_tables_do_not_give_is_seen(plant: Any) -> None:
    """Predictions of other telemetry than is stored are a skew between training and serving."""
    from data_contracts.records.answer_records import add_predictions
    from data_contracts.records.records import Prediction, open_records

    at = plant.at(60)
    wrong = [
        Prediction(f"p{n}", f"machine-{n:02d}", at, at, 86_400.0, 0.0, 0.987, None, 0.5, True, "plant", 1, "endpoint")
        for n in range(12)
    ]
    add_predictions(open_records(plant.workspace.records_url), wrong)
    proof = next(each.proof for each in score(plant, 61).items if each.item.name == "Monitor 3")
    assert proof.points == 0.0
    assert proof.found.startswith("0 of the last 12 predictions are the same")


def test_a_workspace_without_a_champion_has_the_points_of_the_software(plant: Any) -> None:
    """Only what holds wherever the software runs, and of any workspace, is left; nothing fails."""
    Registry(plant.workspace).delete_alias("plant", "champion")
    result = score(plant, 60)
    assert {name for name, each in points(result).items() if each == 1.0} == {"Data 5", "Data 6", "Data 7", "Infra 2"}
    assert pd.Series([each.proof.remedy for each in result.items if not each.proof.points]).astype(bool).all()


def test_options_without_score_are_wrong_usage(plant: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What only --score understands is refused without it."""
    with pytest.raises(SystemExit) as leaving:
        app.main(["doctor", "--at-least", "6", "-w", str(plant.workspace.root)])
    assert leaving.value.code == 2
    assert "--score" in capsys.readouterr().err
