"""The endpoint sees the rows stored last, as training and batch scoring do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.tables import tables
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import Workspace, init_workspace
from features.extraction.extract import extract
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from serving.deployment.champion import Champion
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.prediction.request_windows import read_windows
from serving.schemas.predict_request import parse_request
from serving.settings import Settings

NOW = pd.Timestamp("2016-01-01", tz="UTC")
TABLES = ("telemetry", "events", "work_orders", "assets")


def spoiled(name: str, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Give rows of the same keys other values, some of them missing."""
    frame = frame.drop(columns="stored_version").copy()
    if name == "telemetry":
        for channel in ("volt", "rotate", "pressure", "vibration"):
            frame[channel] = (frame[channel] * rng.choice([-3.0, 0.5, 1e3])).mask(rng.random(len(frame)) < 0.3)
    if name in ("events", "work_orders"):
        frame["event_time"] -= pd.Timedelta(hours=3)
    if name == "assets":
        frame["asset_type"] = "turbofan"
    return frame


@pytest.fixture
def corrected(history: History, tmp_path: Path) -> Workspace:
    """Store wrong rows, and then the rows of the fleet with the same keys and known times, shuffled."""
    workspace, rng = init_workspace(tmp_path / "corrected"), np.random.default_rng(3)
    for name in TABLES:
        frame = getattr(history, name)
        table = "telemetry/azure_machine" if name == "telemetry" else name
        tables.append(workspace, table, spoiled(name, frame, rng), "wrong")
        tables.append(workspace, table, frame.sample(frac=1, random_state=1), "right")
    return workspace


def test_the_endpoint_and_the_batch_see_the_rows_stored_last(
    corrected: Workspace, history: History, artifacts: tuple[Artifact, Artifact], fleet: Any
) -> None:
    """Wrong rows stored before the right ones change neither a feature nor a prediction, however it is asked for."""
    assets, as_of = list(fleet.assets[:3]), fleet.begin + pd.Timedelta("100h")
    cut_offs = pd.DataFrame({"asset": assets, "as_of": pd.Series([as_of] * 3, dtype="datetime64[us, UTC]")})
    expected = score(artifacts[0], history, cut_offs)["probability"].tolist()
    batch = read_history(corrected, "azure_machine")
    assert batch.channels == fleet.channels
    assert score(artifacts[0], batch, cut_offs)["probability"].tolist() == expected
    predictor = Predictor(corrected, Settings(), PredictionLog(corrected), lambda: NOW)
    request = parse_request(json.dumps({"assets": assets, "as_of": as_of.isoformat()}).encode(), 10)
    answer = predictor.predict(request, Champion("tiny", 1, artifacts[0], NOW))
    assert [prediction["probability"] for prediction in answer["predictions"]] == expected


def test_what_was_corrected_hides_nothing_that_is_sent(
    corrected: Workspace, history: History, artifacts: tuple[Artifact, Artifact], fleet: Any
) -> None:
    """An event sent with a window counts, although a stored one of that instant was moved away by a correction."""
    asset, as_of, recipe = fleet.assets[0], fleet.begin + pd.Timedelta("100h"), artifacts[0].recipe
    happened = fleet.begin + pd.Timedelta("27h")
    cut_offs = pd.DataFrame({"asset": [asset], "as_of": pd.Series([as_of], dtype="datetime64[us, UTC]")})
    window = {"asset": asset, "as_of": as_of.isoformat(), "telemetry": [_reading(as_of, fleet.channels)]}
    sent = window | {"events": [{"event_time": happened.isoformat(), "code": "error1"}]}
    features = _features(recipe, cut_offs)
    assert features(sent, corrected).equals(features(sent, history))
    assert features(sent, corrected)['events__count__code_"error1"__span_"168h"'].item() == 2.0


def _reading(as_of: pd.Timestamp, channels: tuple[str, ...]) -> dict[str, Any]:
    return {"event_time": as_of.isoformat()} | dict.fromkeys(channels, 100.0)


def _features(recipe: Any, cut_offs: pd.DataFrame) -> Callable[..., pd.DataFrame]:
    def features(window: dict[str, Any], stored: Workspace | History) -> pd.DataFrame:
        request = parse_request(json.dumps({"windows": [window]}).encode(), 10)
        known = stored if isinstance(stored, History) else read_history(stored, "azure_machine")
        merged = read_windows(request.windows or (), recipe.measured_channels, None, NOW).history(known)
        return extract(merged, cut_offs, recipe)

    return features
