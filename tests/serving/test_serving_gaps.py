"""The endpoint's answer for an asset of which too much telemetry is missing."""

import json
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from data_contracts.records import records
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from features import Gaps
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from serving.deployment.champion import Champion
from serving.deployment.model_validation import validate_scoring
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.schemas.answers import PredictAnswer
from serving.schemas.predict_request import parse_request
from serving.settings import Settings

HOUR = pd.Timedelta("1h")
NOW = pd.Timestamp("2016-01-01", tz="UTC")


@pytest.fixture(scope="module")
def ruled(artifacts: tuple[Artifact, Artifact]) -> Artifact:
    return replace(artifacts[0], recipe=replace(artifacts[0].recipe, gaps=Gaps(HOUR, 2 * HOUR, 0.5)))


def ask(workspace: Workspace, artifact: Artifact, content: dict[str, Any]) -> PredictAnswer:
    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: NOW)
    request = parse_request(json.dumps(content).encode(), 1000)
    return predictor.predict(request, Champion("ruled", 1, artifact, NOW))


def window_of(history: History, asset: str, as_of: pd.Timestamp, hours: range) -> dict[str, Any]:
    rows = history.telemetry[(history.telemetry["asset"] == asset) & history.telemetry["source"].eq("physical")]
    rows = rows.set_index("event_time").loc[[as_of - hour * HOUR for hour in reversed(hours)]]
    readings = [
        {"event_time": time.isoformat()} | {c: None if pd.isna(row[c]) else row[c] for c in history.channels}
        for time, row in rows.iterrows()
    ]
    return {"asset": asset, "as_of": as_of.isoformat(), "telemetry": readings}


def test_too_little_telemetry_gets_the_reason_and_no_number(
    workspace: Workspace, ruled: Artifact, history: History, fleet: Any
) -> None:
    """Of stored assets and of windows sent alike; no prediction is stored of what was not predicted."""
    late = fleet.end + 20 * HOUR
    stored = ask(workspace, ruled, {"assets": list(fleet.assets[4:6]), "as_of": late.isoformat()})
    as_of = fleet.end - 5 * HOUR
    scarce, plenty = fleet.assets[6], fleet.assets[7]
    windows = [
        window_of(history, scarce, as_of, range(4, 27, 6)),
        window_of(history, plenty, as_of, range(26)),
    ]
    sent = ask(workspace, ruled, {"windows": windows})
    assert [one["asset"] for one in stored["predictions"]] == list(fleet.assets[4:6])
    assert [one["status"] for one in stored["predictions"]] == ["abstained"] * 2
    assert "volt@24h" in str(stored["predictions"][0]["reason"])
    assert "samples are missing, at most 50 % are allowed" in str(stored["predictions"][0]["reason"])
    assert [(one["asset"], one["status"]) for one in sent["predictions"]] == [(scarce, "abstained"), (plenty, "ok")]
    assert "vibration@3h: 100 % of their samples are missing" in str(sent["predictions"][0]["reason"])
    kept = records.predictions(records.open_records(workspace.records_url), model_name="ruled")
    assert kept["asset"].tolist() == [plenty]


@pytest.mark.ml_test("Monitor 3")
def test_batch_equals_online_under_the_rule(
    workspace: Workspace, ruled: Artifact, history: History, fleet: Any
) -> None:
    """What fills a window's beginning is read too: the endpoint predicts what scoring the whole history does."""
    assets, as_of = list(fleet.assets[10:14]), fleet.end + 4 * HOUR
    answer = ask(workspace, ruled, {"assets": assets, "as_of": as_of.isoformat()})
    expected = score(ruled, history, pd.DataFrame({"asset": assets, "as_of": as_of}))
    assert expected["reason"].isna().all()
    assert [one["probability"] for one in answer["predictions"]] == expected["probability"].tolist()


def test_validation_ignores_the_rule_for_gaps(ruled: Artifact) -> None:
    """A champion whose rule needs more samples than the synthetic telemetry has is loaded all the same."""
    validate_scoring(replace(ruled, recipe=replace(ruled.recipe, gaps=Gaps(pd.Timedelta("1s"), pd.Timedelta(0), 0.0))))
