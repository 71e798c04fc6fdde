"""Anomaly scores in answers: the same bits in a request, a batch and the record of both, with drivers in words."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.records import records
from data_contracts.records.answer_records import find_answers
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from features.extraction.extract import extract
from models.anomalies.anomaly_model import fit_anomalies
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from serving.deployment.champion import Champion
from serving.deployment.model_validation import validate_scoring
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.schemas.predict_request import parse_request
from serving.settings import Settings


def ask(workspace: Workspace, artifact: Artifact, fleet: Any) -> list[dict[str, Any]]:
    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: fleet.end)
    body = json.dumps({"assets": [*fleet.assets[:5], "azure-99"], "as_of": fleet.end.isoformat()}).encode()
    answered = predictor.predict(parse_request(body, 10), Champion("odd", 1, artifact, fleet.end))
    return [dict(prediction) for prediction in answered["predictions"]]


@pytest.fixture
def detector(artifacts: tuple[Artifact, Artifact], history: History, fleet: Any) -> Artifact:
    ends = [fleet.end - pd.Timedelta(hours=6 * back) for back in range(12)]
    cut_offs = pd.DataFrame([(asset, end) for asset in fleet.assets for end in ends], columns=["asset", "as_of"])
    x = artifacts[0].matrix(extract(history, cut_offs, artifacts[0].recipe))
    hours = (cut_offs["as_of"] - cut_offs["as_of"].min()).dt.total_seconds().to_numpy(np.float64) / 3600
    model = fit_anomalies(x, hours, detector="mahalanobis", purge=6.0, most_between=2.0).model
    more = {"horizons": (), "calibration": None, "threshold": 0.2, "stored": model.to_bytes()}
    return replace(artifacts[0], target="anomaly", estimator="mahalanobis", **more)


def test_an_answer_holds_the_score_of_the_batch(
    workspace: Workspace, history: History, detector: Artifact, fleet: Any
) -> None:
    """Score and alert, bit for bit those that scoring the history gives; no probability; kept with the answer."""
    *answers, unknown = ask(workspace, detector, fleet)
    cut_offs = pd.DataFrame({"asset": fleet.assets[:5], "as_of": fleet.end})
    scored = score(detector, history, cut_offs)
    assert [answer["anomaly_score"] for answer in answers] == scored["anomaly_score"].tolist()
    assert [answer["alert"] for answer in answers] == scored["alert"].tolist()
    assert all(answer["probability"] is None and answer["horizons"] == [] for answer in answers)
    assert all(0.0 <= answer["anomaly_score"] <= 1.0 for answer in answers)
    assert unknown["anomaly_score"] is None
    assert unknown["reason"]
    engine = records.open_records(workspace.records_url)
    kept = find_answers(engine, prediction_id=answers[0]["prediction_id"])[0]
    assert kept.content["anomaly_score"] == answers[0]["anomaly_score"]


def test_drivers_name_channels_in_words(workspace: Workspace, detector: Artifact, fleet: Any) -> None:
    """Every answer has drivers whose shares are at most one, all of them raising the score."""
    for answer in ask(workspace, detector, fleet)[:5]:
        assert answer["drivers"]
        assert all(driver["raises"] and 0 < driver["share"] <= 1 and driver["words"] for driver in answer["drivers"])


def test_a_detector_is_validated_as_any_model(detector: Artifact) -> None:
    """Synthetic telemetry gets a score between 0 and 1 before it serves."""
    validate_scoring(detector)
