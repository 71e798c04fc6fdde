"""Pruning changes no figure: what monitor, promise and explanations rest on stays."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from data_contracts.errors import UsageError
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.records import Prediction, open_records, predictions
from models.registry.registry import CHAMPION, Registry
from pipelines.jobs.monitor import monitor_champion
from pipelines.jobs.why import explain_decision
from pipelines.workspaces.prune import prune

DAY = pd.Timedelta(days=1)


def _figures(plant: Any, now: pd.Timestamp) -> list[Any]:
    settings = plant.settings
    return [
        monitor_champion(plant.workspace, "plant", now=now, settings=settings).to_dict(),
        explain_decision(plant.workspace, "promotion", "plant", None).to_dict(),
        explain_decision(plant.workspace, "alarm", "plant", None).to_dict(),
    ]


def _failed_run(plant: Any, ended: pd.Timestamp) -> tuple[str, Path]:
    """Store a training that failed after it had written a file."""
    registry = Registry(plant.workspace)
    registry.names()
    client = MlflowClient(plant.workspace.mlflow_uri)
    experiment = client.get_experiment_by_name("plant")
    milliseconds = int(ended.timestamp() * 1000)
    run = client.create_run(experiment.experiment_id, start_time=milliseconds)
    client.log_text(run.info.run_id, "half", "half.txt")
    client.set_terminated(run.info.run_id, "FAILED", milliseconds)
    return run.info.run_id, plant.workspace.root / "artifacts" / "plant" / run.info.run_id


def test_pruning_changes_no_figure(plant: Any) -> None:
    """Rows of versions that are gone and failed trainings go; monitor, promotion and alarm are explained as before."""
    plant.answer(56, 100)
    now, records = plant.at(100), open_records(plant.workspace.records_url)
    numbers = (86400.0, 0.0, 0.9, None, 0.5, True)
    strays = [
        Prediction(f"stray-{day}", "machine-01", plant.at(day), plant.at(day), *numbers, "gone", 7, "batch")
        for day in (10, 20, 95)
    ]
    add_predictions(records, strays)
    (_, old), (_, new) = _failed_run(plant, plant.at(10)), _failed_run(plant, plant.at(95))
    before, stored = _figures(plant, now), len(predictions(records))
    kept = {"predictions": 40 * DAY, "answers": 40 * DAY, "shadow": DAY, "runs": 40 * DAY}
    settings = plant.settings.with_section("retention", **kept)
    counted = prune(plant.workspace, settings, now=now, dry_run=True)
    assert (counted.rows["predictions"], counted.runs, counted.bytes_freed) == (2, 1, 4)
    assert len(predictions(records)) == stored
    assert old.exists()
    assert prune(plant.workspace, settings, now=now) == replace(counted, dry_run=False)
    assert len(predictions(records)) == stored - 2
    assert (old.exists(), new.exists()) == (False, True)
    assert _figures(plant, now) == before
    assert Registry(plant.workspace).load("plant", CHAMPION).version == 1
    nothing = prune(plant.workspace, settings, now=now)
    assert (sum(nothing.rows.values()), nothing.runs) == (0, 0)


def test_predictions_are_kept_as_long_as_the_monitor_looks_back(plant: Any) -> None:
    """A retention that would empty the monitor's span is refused before anything is deleted."""
    settings = plant.settings.with_section("retention", predictions=39 * DAY)
    with pytest.raises(UsageError, match=r"retention\.predictions is 39d, and monitor\.span 40d"):
        prune(plant.workspace, settings, now=plant.at(100))
    settings = plant.settings.with_section("retention", runs=pd.Timedelta(hours=1))
    with pytest.raises(UsageError, match=r"retention\.runs is 1h"):
        prune(plant.workspace, settings, now=plant.at(100))
