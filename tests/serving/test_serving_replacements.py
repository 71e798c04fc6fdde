"""The endpoint knows whose readings they are when a machine has taken another's place."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.tables import tables
from data_contracts.tables.history import read_history
from data_contracts.workspace import Workspace, init_workspace
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from serving.deployment.champion import Champion
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.prediction.stored_fleet import StoredFleet
from serving.schemas.predict_request import parse_request
from serving.settings import Settings
from tests.serving.conftest import make_fleet

NOW = pd.Timestamp("2016-01-01", tz="UTC")


@pytest.fixture
def replaced(tmp_path: Path, fleet: Any) -> tuple[Workspace, pd.Timestamp]:
    """Store the fleet, and that its first machine was replaced after a hundred hours."""
    workspace = init_workspace(tmp_path)
    make_fleet(workspace)
    at = fleet.begin + pd.Timedelta("100h")
    record = {"asset": fleet.assets[0], "event_time": at, "known_time": at, "asset_type": "azure_machine"}
    place = {"model": "model2", "plant": "azure", "line": "line1"}
    tables.append(workspace, "assets", pd.DataFrame([record | place]), "replacement")
    return workspace, at


def test_telemetry_sent_and_stored_begin_with_the_machine(
    replaced: tuple[Workspace, pd.Timestamp], artifacts: tuple[Artifact, Artifact], fleet: Any
) -> None:
    """Batch equals online for a replaced machine, too: a request that sends both machines' readings included."""
    workspace, at = replaced
    artifact, as_of, assets = artifacts[0], at + pd.Timedelta("3h"), list(fleet.assets[:2])
    history = read_history(workspace, "azure_machine")
    cut_offs = pd.DataFrame({"asset": assets, "as_of": pd.Series([as_of] * 2, dtype="datetime64[us, UTC]")})
    expected = score(artifact, history, cut_offs)["probability"].tolist()
    rows = history.telemetry[history.telemetry["source"] == "physical"]
    rows = rows[(rows["event_time"] > as_of - artifact.recipe.lookback) & (rows["event_time"] <= as_of)]
    assert (rows["event_time"] < at).any()
    readings = json.loads(rows[["asset", "event_time", *history.channels]].to_json(orient="records", date_format="iso"))
    sent = {
        "asset": assets[0],
        "as_of": as_of.isoformat(),
        "telemetry": [
            {name: value for name, value in row.items() if name != "asset"}
            for row in readings
            if row["asset"] == assets[0]
        ],
    }
    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: NOW)
    champion = Champion("tiny", 1, artifact, NOW)

    def ask(content: dict[str, Any]) -> list[float | None]:
        answer = predictor.predict(parse_request(json.dumps(content).encode(), 10), champion)
        return [prediction["probability"] for prediction in answer["predictions"]]

    assert ask({"assets": assets, "as_of": as_of.isoformat()}) == expected
    assert ask({"windows": [sent]}) == expected[:1]


def test_only_repeated_records_are_looked_up(replaced: tuple[Workspace, pd.Timestamp], fleet: Any) -> None:
    """Of the assets asked about, those with several records have them read; a fleet without any reads none."""
    workspace, _ = replaced
    stored = StoredFleet(workspace, "azure_machine")
    assert stored.repeated_records(fleet.assets)["asset"].tolist() == [fleet.assets[0]] * 2
    assert stored.repeated_records(fleet.assets[1:]).empty
