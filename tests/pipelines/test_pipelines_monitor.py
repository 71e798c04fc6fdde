"""Scoring and monitoring, on real tables, real records and a real registry."""

import json
from typing import Any

import pandas as pd
import pytest

from data_contracts.errors import NotFoundError
from data_contracts.records.asset_records import answers_of
from data_contracts.records.records import MonitorRun, decisions, list_records, open_records, predictions
from data_contracts.tables.stored_features import load_features
from pipelines.evidence.champion import load_champion
from pipelines.jobs.monitor import monitor_champion
from pipelines.jobs.score import score_fleet

pytestmark = pytest.mark.usefixtures("plant")


def test_scoring_twice_stores_once(plant: Any) -> None:
    """The same fleet, cut-off and version again gives the same predictions and stores none."""
    first = score_fleet(plant.workspace, "plant", as_of=plant.at(60), now=plant.at(60))
    again = score_fleet(plant.workspace, "plant", as_of=plant.at(60), now=plant.at(61))
    assert (first.scored, first.stored, again.stored) == (12, 12, 0)
    stored = predictions(open_records(plant.workspace.records_url), model_name="plant")
    assert len(stored) == 12
    assert set(stored["origin"]) == {"batch"}
    assert set(stored["made_at"]) == {plant.at(60)}


def test_scoring_keeps_the_features_it_predicted_from(plant: Any) -> None:
    """They give the stored predictions again, bit for bit; the same run again stores nothing."""
    for hour in (60, 61):
        score_fleet(plant.workspace, "plant", as_of=plant.at(60), now=plant.at(hour))
    artifact = load_champion(plant.workspace, "plant").model.artifact
    run = load_features(plant.workspace, "plant", artifact.recipe.digest, until=plant.at(60))
    assert run is not None
    assert run.as_of == plant.at(60)
    assert len(run.assets) == len(set(run.assets)) == 12
    assert all(plant.at(59) < time <= plant.at(60) for time in run.read_at if time is not None)
    again = artifact.predict(pd.DataFrame(run.features, columns=artifact.recipe.index))
    stored = predictions(open_records(plant.workspace.records_url), model_name="plant").set_index("asset")
    assert stored.loc[list(run.assets), "probability"].tolist() == again.tolist()


def test_scoring_keeps_every_horizon_and_its_latest_reading(plant: Any) -> None:
    """A stored batch prediction holds as much as a response of the endpoint."""
    score_fleet(plant.workspace, "plant", as_of=plant.at(60), now=plant.at(60))
    artifact = load_champion(plant.workspace, "plant").model.artifact
    records = open_records(plant.workspace.records_url)
    stored = predictions(records, model_name="plant").set_index("prediction_id")
    answers = {key: json.loads(text) for key, text in answers_of(records, list(stored.index)).items()}
    assert set(answers) == set(stored.index)
    hours = [horizon / pd.Timedelta("1h") for horizon in artifact.horizons]
    for key, content in answers.items():
        assert [horizon["hours"] for horizon in content["horizons"]] == hours
        assert content["horizons"][artifact.decision_index]["probability"] == stored.loc[key, "probability"]
        assert plant.at(59) < pd.Timestamp(content["last_reading_at"]) <= plant.at(60)


def test_scoring_uses_nothing_known_later(plant: Any) -> None:
    """Without a cut-off the latest telemetry's known time is taken; with one, only what was known by then."""
    latest = score_fleet(plant.workspace, "plant", now=plant.at(121))
    assert latest.as_of == plant.at(120)
    early = score_fleet(plant.workspace, "plant", as_of=plant.at(58), now=plant.at(121))
    assert early.scored == 12
    assert early.to_dict()["as_of"] == plant.at(58).isoformat()


def test_scoring_without_data_or_champion(plant: Any) -> None:
    """A time without telemetry and an unknown model each get their own error."""
    with pytest.raises(NotFoundError, match="no azure_machine in plant"):
        score_fleet(plant.workspace, "plant", as_of=plant.at(-5), now=plant.at(60))
    with pytest.raises(NotFoundError, match="no model 'pump' is registered"):
        score_fleet(plant.workspace, "pump", as_of=plant.at(60), now=plant.at(60))


@pytest.mark.ml_test("Monitor 7")
def test_a_good_champion_is_left_alone(plant: Any) -> None:
    """While failures announce themselves as before, the monitor holds, and records that with its reasons."""
    plant.answer(55, 68)
    result = monitor_champion(plant.workspace, "plant", now=plant.at(70), settings=plant.settings)
    assert result.decision == "hold"
    assert result.rates.missed.of >= 4
    assert result.rates.missed.value < 0.2
    records = open_records(plant.workspace.records_url)
    assert decisions(records)["decision"].tolist() == ["hold"]
    assert decisions(records).iloc[0]["reasons"] == list(result.reasons)
    assert list_records(records, MonitorRun).iloc[0]["rates"] == result.rates.to_dict()
    page = result.report.read_text(encoding="utf-8")
    assert "Decision: hold" in page
    assert "v1 promoted" in page


@pytest.mark.ml_test("Monitor 7")
def test_a_process_change_is_noticed(plant: Any) -> None:
    """Once failures are missed far beyond what was promised, the decision is to retrain, for that reason."""
    plant.answer(55, 90)
    result = monitor_champion(plant.workspace, "plant", now=plant.at(92), settings=plant.settings)
    assert result.decision == "retrain"
    assert "fn" in result.drift.which
    assert "failures were missed" in result.reasons[0]
    assert result.to_dict()["drifted"] == list(result.drift.which)


def test_only_what_has_matured_counts(plant: Any) -> None:
    """The rates end lead + horizon + reporting delay before the last look, as what the tests count does."""
    plant.answer(55, 68)
    result = monitor_champion(plant.workspace, "plant", now=plant.at(70), settings=plant.settings)
    last = result.drift.looks[-1].at
    assert plant.at(70) - plant.settings.drift.every < last <= plant.at(70)
    assert result.rates.end == last - pd.Timedelta(hours=36)


def test_monitoring_before_anything_was_predicted(plant: Any) -> None:
    """Failures without a prediction are uncovered, not missed, and lead to no retraining."""
    result = monitor_champion(plant.workspace, "plant", now=plant.at(70), settings=plant.settings)
    assert result.decision == "hold"
    assert result.rates.missed.of == 0
    assert result.rates.uncovered > 0


def test_monitoring_without_a_champion(plant: Any) -> None:
    """A registry in which no version is the champion is a clear error."""
    plant.registry.delete_alias("plant", "champion")
    with pytest.raises(NotFoundError, match="has no champion"):
        monitor_champion(plant.workspace, "plant", now=plant.at(70), settings=plant.settings)
