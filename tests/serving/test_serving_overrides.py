"""Overrides reach predictions: the endpoint and the batch use the effective values, and say so of a window."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.records.records import open_records
from data_contracts.tables.history import read_history
from data_contracts.twin_state.transitions import Change, roll_back, write
from data_contracts.twin_state.twins import find_twin
from data_contracts.workspace import Workspace, init_workspace
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from serving.deployment.champion import Champion
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.schemas.predict_request import parse_request
from serving.settings import Settings

HOUR = pd.Timedelta("1h")


@pytest.fixture
def plant(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Copy the workspace, for these tests write."""
    made = init_workspace(tmp_path / "workspace")
    shutil.copytree(workspace.tables_url, made.tables_url, dirs_exist_ok=True)
    return made


def predict(plant: Workspace, artifact: Artifact, asset: str, as_of: pd.Timestamp) -> dict[str, Any]:
    now = pd.Timestamp("2016-01-01", tz="UTC")
    predictor = Predictor(plant, Settings(), PredictionLog(plant), lambda: now)
    request = parse_request(json.dumps({"assets": [asset], "as_of": as_of.isoformat()}).encode(), 10)
    return dict(predictor.predict(request, Champion("tiny", 1, artifact, now))["predictions"][0])


def batch(plant: Workspace, artifact: Artifact, asset: str, as_of: pd.Timestamp) -> float:
    cut_offs = pd.DataFrame({"asset": [asset], "as_of": pd.Series([as_of], dtype="datetime64[us, UTC]")})
    history = read_history(plant, "azure_machine", as_of=as_of)
    return float(score(artifact, history, cut_offs)["probability"].iloc[0])


def test_an_override_counts_from_when_it_was_known_until_it_is_rolled_back(
    plant: Workspace, artifacts: tuple[Artifact, Artifact], fleet: Any
) -> None:
    """Cut-offs before it was known see the sensor, those after it the override, those after a roll-back neither."""
    artifact, asset, end = artifacts[0], fleet.assets[2], fleet.end - 8 * HOUR
    early, before = predict(plant, artifact, asset, end - 2 * HOUR), predict(plant, artifact, asset, end)
    assert "provenance" not in before
    engine, twin, at = open_records(plant.records_url), find_twin(plant, asset), end - HOUR
    change = Change("volt", 150.0, end + 24 * HOUR, end - 10 * HOUR)
    assert write(engine, twin, [change], actor="ada", reason="hung", now=at).accepted
    after = predict(plant, artifact, asset, end)
    assert after["probability"] == batch(plant, artifact, asset, end)
    # Eleven of the 24 hours of the window, one of four channels, and a few hours have no rotation.
    assert after["provenance"]["simulated"] == 0.0
    assert 11 / (24 * 4) <= after["provenance"]["overridden"] <= 11 / (24 * 4 - 3)
    assert predict(plant, artifact, asset, end - 2 * HOUR)["probability"] == early["probability"]
    assert predict(plant, artifact, fleet.assets[3], end).get("provenance") is None
    roll_back(engine, twin, 0, actor="ada", reason="the wrong machine", now=end + HOUR)
    again = predict(plant, artifact, asset, end)
    assert (again["probability"], again["provenance"]) == (after["probability"], after["provenance"])
    later = read_history(plant, "azure_machine", as_of=end + 4 * HOUR, assets=[asset]).telemetry
    last = later[later["event_time"] > end + HOUR]
    assert set(last["source"]) == {"physical"}


def test_the_effective_value_changes_the_prediction_as_a_correction_would(
    plant: Workspace, artifacts: tuple[Artifact, Artifact], fleet: Any
) -> None:
    """What an override makes of the features is what telemetry with those values makes of them."""
    artifact, asset, end = artifacts[0], fleet.assets[4], fleet.end - 8 * HOUR
    cut_offs = pd.DataFrame({"asset": [asset], "as_of": pd.Series([end], dtype="datetime64[us, UTC]")})
    history = read_history(plant, "azure_machine", as_of=end, assets=[asset])
    inside = (history.telemetry["event_time"] >= end - 6 * HOUR) & (history.telemetry["event_time"] < end - 2 * HOUR)
    history.telemetry.loc[inside, "volt"] = 150.0
    expected = score(artifact, history, cut_offs)["probability"].iloc[0]
    change = Change("volt", 150.0, end - 2 * HOUR, end - 6 * HOUR)
    twin, engine = find_twin(plant, asset), open_records(plant.records_url)
    assert write(engine, twin, [change], actor="ada", reason="hung", now=end - 5 * HOUR).accepted
    assert predict(plant, artifact, asset, end)["probability"] == expected


def test_overrides_in_telemetry_itself_are_told_too(
    plant: Workspace, artifacts: tuple[Artifact, Artifact], fleet: Any
) -> None:
    """A machine with corrected readings in its file has a share of them in its window."""
    answer = predict(plant, artifacts[0], fleet.assets[1], fleet.end)
    assert 0.0 < answer["provenance"]["overridden"] < 0.3
