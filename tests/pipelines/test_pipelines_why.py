"""Explanations of decisions, promotions and alarms from the records."""

import json
from typing import Any

import pytest

from data_contracts.errors import NotFoundError
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.records import Prediction, decisions, open_records, predictions
from pipelines.cli import app
from pipelines.jobs.monitor import monitor_champion
from pipelines.jobs.retrain import retrain_champion
from pipelines.jobs.why import explain_decision

pytestmark = pytest.mark.usefixtures("plant")


def test_why_nothing_was_retrained(plant: Any) -> None:
    """A hold is explained by what was seen, how strong the evidence is, and what would change the decision."""
    plant.answer(55, 68)
    monitor_champion(plant.workspace, "plant", now=plant.at(70), settings=plant.settings)
    explanation = explain_decision(plant.workspace, "retraining", "plant")
    assert explanation.decision == "hold"
    assert "failures were missed" in explanation.seen[0]
    assert any("has not decided" in test for test in explanation.tests)
    assert any("in a row, more where they have one cause" in change for change in explanation.change)


def test_why_it_was_retrained_and_promoted(plant: Any) -> None:
    """A retraining names the test that decided and when; a promotion names who, why, and each check."""
    plant.answer(55, 90)
    monitored = monitor_champion(plant.workspace, "plant", now=plant.at(92), settings=plant.settings)
    explanation = explain_decision(plant.workspace, "retraining", "plant")
    assert explanation.decision == monitored.decision == "retrain"
    assert any("decided on 2026-" in test for test in explanation.tests)
    result = retrain_champion(
        plant.workspace, "plant", now=plant.at(102), settings=plant.settings, why=" ".join(monitored.reasons)
    )
    assert result.decision == "promoted"
    promoted = explain_decision(plant.workspace, "promotion", "plant", str(result.challenger_version))
    assert monitored.reasons[0] in promoted.seen[0]
    assert len(promoted.tests) == len(result.comparison.to_dict()["checks"])


def test_an_earlier_decision_can_be_explained(plant: Any) -> None:
    """The number of a decision selects it; an unknown number is named in the error, with known ones."""
    plant.answer(55, 68)
    for day in (69, 70):
        monitor_champion(plant.workspace, "plant", now=plant.at(day), settings=plant.settings)
    first = decisions(open_records(plant.workspace.records_url)).iloc[0]
    assert explain_decision(plant.workspace, "retraining", "plant", str(first["id"])).at == first["at"]
    with pytest.raises(NotFoundError, match="no decision about plant with the id 99"):
        explain_decision(plant.workspace, "retraining", "plant", "99")


def test_why_an_alarm(plant: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """An alarm is explained by its probability, its threshold and what it claims; for programs as JSON."""
    plant.answer(55, 68)
    stored = predictions(open_records(plant.workspace.records_url))
    alarm = stored[stored["alert"]].iloc[0]
    with pytest.raises(SystemExit) as exited:
        app.main(["why", "alarm", alarm["prediction_id"], "-w", str(plant.workspace.root), "--json"])
    assert exited.value.code == 0
    output = json.loads(capsys.readouterr().out)
    assert output["decision"] == "an alert"
    assert f"{alarm['probability']:.3f}" in output["seen"][0]


def test_why_an_alarm_of_remaining_life(plant: Any) -> None:
    """It alerts the other way round: at few hours, not at a high probability."""
    records = open_records(plant.workspace.records_url)
    prediction = {
        "asset": "m1",
        "as_of": plant.at(60),
        "made_at": plant.at(60),
        "horizon_s": 72 * 3600.0,
        "lead_s": 0.0,
    }
    prediction |= {"probability": None, "remaining_life_h": 40.0, "threshold": 72.0, "alert": True}
    alarm = Prediction(prediction_id="near", model_name="plant", model_version=1, origin="batch", **prediction)
    add_predictions(records, [alarm])
    explanation = explain_decision(plant.workspace, "alarm", "plant", "near")
    assert "40.0 hours of remaining life" in explanation.seen[0]
    assert explanation.tests == ("It alerts at 72 hours of remaining life or less: this was an alert.",)
    assert explanation.change == ("A remaining life of more than 72 hours.",)


def test_nothing_happened_yet(plant: Any) -> None:
    """Before anything was decided the error says so."""
    with pytest.raises(NotFoundError, match="Nothing of the kind has happened yet"):
        explain_decision(plant.workspace, "alarm", "plant")
