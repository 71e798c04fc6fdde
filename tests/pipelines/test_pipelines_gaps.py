"""Scoring the fleet where too much of an asset's telemetry is missing."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from data_contracts.records.records import open_records, predictions
from data_contracts.tables import tables
from features import Gaps
from pipelines.evidence.champion import load_champion
from pipelines.jobs import score

HOUR = pd.Timedelta(hours=1)


def test_an_asset_with_too_little_telemetry_is_silent(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is listed among the assets without a prediction, and none is stored."""
    champion = load_champion(plant.workspace, "plant")
    artifact = champion.model.artifact
    strict = replace(artifact, recipe=replace(artifact.recipe, gaps=Gaps(HOUR, 2 * HOUR, 0.5)))
    model = replace(champion.model, artifact=strict)
    monkeypatch.setattr(score, "load_champion", lambda *_: replace(champion, model=model))
    end = plant.at(120)
    rows = tables.read(plant.workspace, "telemetry/azure_machine")
    later = rows[(rows["event_time"] > end - 9 * HOUR) & (rows["asset"] != "machine-03")]
    later = later.assign(event_time=later["event_time"] + 9 * HOUR, known_time=later["known_time"] + 9 * HOUR)
    tables.append(plant.workspace, "telemetry/azure_machine", later, "later")
    result = score.score_fleet(plant.workspace, "plant", as_of=end + 9 * HOUR, now=end + 9 * HOUR)
    assert result.silent == ("machine-03",)
    assert (result.scored, result.stored) == (11, 11)
    stored = predictions(open_records(plant.workspace.records_url), model_name="plant", since=end)
    assert "machine-03" not in set(stored["asset"])
