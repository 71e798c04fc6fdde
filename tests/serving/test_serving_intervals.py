"""Intervals of remaining life in answers: the same bits in a request, a batch and the record of both."""

import json
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from data_contracts.records import records
from data_contracts.records.answer_records import find_answers
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from models.conformal.interval_table import IntervalTable, Stage
from serving.deployment.champion import Champion
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.schemas.predict_request import parse_request
from serving.settings import Settings

TABLE = IntervalTable(0.9, (Stage(0.2, 2.0, 20), Stage(None, 1.5, 20)), (0.1, 0.6), (0.01, 0.3), 0.0, 1.0)


def ask(workspace: Workspace, artifact: Artifact, fleet: Any) -> list[dict[str, Any]]:
    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: fleet.end)
    body = json.dumps({"assets": [*fleet.assets[:5], "azure-99"], "as_of": fleet.end.isoformat()}).encode()
    answered = predictor.predict(parse_request(body, 10), Champion("life", 1, artifact, fleet.end))
    return [dict(prediction) for prediction in answered["predictions"]]


@pytest.fixture
def life(artifacts: tuple[Artifact, Artifact]) -> Artifact:
    more = {"horizon": None, "horizons": (), "threshold": None, "calibration": None}
    return replace(artifacts[0], target="remaining_life", cap=pd.Timedelta("1h"), intervals=TABLE, **more)


def test_an_answer_holds_the_interval_of_the_batch(
    workspace: Workspace, history: History, life: Artifact, fleet: Any
) -> None:
    """Low, high and level, bit for bit those that scoring the history gives; kept with the answer."""
    *answers, unknown = ask(workspace, life, fleet)
    cut_offs = pd.DataFrame({"asset": fleet.assets[:5], "as_of": fleet.end})
    scored = score(life, history, cut_offs)
    intervals = [answer["remaining_life_interval"] for answer in answers]
    assert [interval["low"] for interval in intervals] == scored["interval_low"].tolist()
    assert [interval["high"] for interval in intervals] == scored["interval_high"].tolist()
    assert {interval["level"] for interval in intervals} == {0.9}
    for answer, interval in zip(answers, intervals, strict=True):
        assert 0.0 <= interval["low"] <= answer["remaining_life_hours"] <= interval["high"] <= 1.0
    assert unknown["remaining_life_interval"] is None
    engine = records.open_records(workspace.records_url)
    kept = find_answers(engine, prediction_id=answers[0]["prediction_id"])[0]
    assert kept.content["remaining_life_interval"] == intervals[0]


def test_a_model_without_intervals_answers_null(workspace: Workspace, life: Artifact, fleet: Any) -> None:
    """Artifacts from before go on answering, and so do those of failures."""
    assert {answer["remaining_life_interval"] for answer in ask(workspace, replace(life, intervals=None), fleet)} == {
        None
    }


def test_a_probability_has_no_interval(workspace: Workspace, artifacts: tuple[Artifact, Artifact], fleet: Any) -> None:
    """The key is there, and null."""
    assert {answer["remaining_life_interval"] for answer in ask(workspace, artifacts[0], fleet)} == {None}
