"""Failure modes in answers: the same bits in a request, a batch and the record of both."""

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
from models.artifact.scoring import mode_answers, score_in_detail
from models.failure_modes.mode_model import ModeModel
from models.scheduling.forecasts import mode_of
from serving.deployment.champion import Champion
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.schemas.predict_request import parse_request
from serving.settings import Settings


def ask(workspace: Workspace, artifact: Artifact, fleet: Any) -> list[dict[str, Any]]:
    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: fleet.end)
    body = json.dumps({"assets": [*fleet.assets[:5], "azure-99"], "as_of": fleet.end.isoformat()}).encode()
    answered = predictor.predict(parse_request(body, 10), Champion("modes", 1, artifact, fleet.end))
    return [dict(prediction) for prediction in answered["predictions"]]


@pytest.fixture
def telling(artifacts: tuple[Artifact, Artifact]) -> Artifact:
    """Return a model whose first column tells three modes apart."""
    n = len(artifacts[0].columns)
    coefficients = tuple((slope, *[0.0] * (n - 1)) for slope in (0.4, 0.0, -0.3))
    model = ModeModel(
        ("comp1", "comp2", "other"), (12, 11, 10), (100.0,) * n, (10.0,) * n, coefficients, (0.1, 0, -0.1), 1.0
    )
    return replace(artifacts[0], modes=model)


def test_an_answer_holds_the_modes_of_the_batch(
    workspace: Workspace, history: History, telling: Artifact, fleet: Any
) -> None:
    """Bit for bit those that scoring the history gives, most probable first, adding up; kept with the answer."""
    *answers, unknown = ask(workspace, telling, fleet)
    cut_offs = pd.DataFrame({"asset": fleet.assets[:5], "as_of": fleet.end})
    batch = mode_answers(telling, score_in_detail(telling, history, cut_offs).modes)
    assert [answer["modes"] for answer in answers] == batch
    for answer in answers:
        probabilities = [each["probability"] for each in answer["modes"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(answer["probability"], abs=1e-12)
    assert len({answer["modes"][0]["probability"] for answer in answers}) > 1
    assert "modes" not in unknown
    engine = records.open_records(workspace.records_url)
    kept = find_answers(engine, prediction_id=answers[0]["prediction_id"])[0]
    assert kept.content["modes"] == answers[0]["modes"]
    assert mode_of(kept.content)["mode"] == answers[0]["modes"][0]["mode"]


def test_a_model_without_modes_says_nothing_of_them(
    workspace: Workspace, telling: Artifact, artifacts: tuple[Artifact, Artifact], fleet: Any
) -> None:
    """The key is missing, and the probabilities are the same bits with modes and without."""
    plain, more = ask(workspace, artifacts[0], fleet), ask(workspace, telling, fleet)
    assert not any("modes" in answer for answer in plain)
    assert [answer["probability"] for answer in plain] == [answer["probability"] for answer in more]
