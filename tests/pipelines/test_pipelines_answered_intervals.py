"""The intervals that were answered about remaining lives, beside the lives that came, as the monitor reports them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from data_contracts.records.answer_records import add_predictions
from data_contracts.records.records import open_records
from data_contracts.tables.history import read_history
from features.telemetry.windows import cut_offs
from models.artifact.scoring import score_in_detail
from models.experiment.experiment_file import load_experiment
from models.registry.registry import LoadedModel, Registry
from pipelines.cli.renderers import render
from pipelines.jobs.monitor import MonitorResult, monitor_champion
from pipelines.jobs.scored_records import answers_of_scores, predictions_of
from pipelines.jobs.train import train_experiment

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
CAP = 96 * HOUR


@pytest.fixture
def lives(plant: Any, experiment_text: str, tmp_path: Path) -> LoadedModel:
    """Train a champion of remaining life, and store what it answers between days 58 and 90."""
    text = experiment_text.replace('name = "plant"', 'name = "lives"').replace('"failure"', '"remaining_life"', 1)
    file = tmp_path / "lives.toml"
    file.write_text(text.replace('horizon = "24h"', 'horizon = "24h"\ncap = "96h"'))
    train_experiment(plant.workspace, load_experiment(file), now=plant.at(55), insist=True)
    model = Registry(plant.workspace).load("lives", "champion")
    assert model.artifact.intervals is not None
    history = read_history(plant.workspace, "azure_machine", start=plant.at(56))
    grid = cut_offs(history, 6 * HOUR, start=plant.at(58) + HOUR, end=plant.at(90))
    details = score_in_detail(model.artifact, history, grid)
    latest = np.full(len(grid), int(np.iinfo(np.int64).min))
    scores = details.frame[details.frame["reason"].isna()]
    answers = list(answers_of_scores(model, details, latest, details.reasons, plant.at(90)))
    add_predictions(open_records(plant.workspace.records_url), predictions_of(model, scores, plant.at(90)), answers)
    return model


def expected(plant: Any, model: LoadedModel, now: pd.Timestamp) -> tuple[int, int, int]:
    """Count by a loop what is held, of how many, and how many wait."""
    history = read_history(plant.workspace, "azure_machine", as_of=now)
    grid = cut_offs(history, 6 * HOUR, start=plant.at(58) + HOUR, end=plant.at(90))
    frame = score_in_detail(model.artifact, history, grid).frame
    failures = history.failures.groupby("asset")["event_time"].apply(sorted).to_dict()
    held = known = waiting = 0
    for row in frame[frame["reason"].isna() & (frame["as_of"] <= now)].to_dict("records"):
        if row["as_of"] + CAP + 12 * HOUR > now:
            waiting += 1
            continue
        known += 1
        later = [time for time in failures.get(row["asset"], []) if time >= row["as_of"]]
        life = min([CAP, *(time - row["as_of"] for time in later[:1])]) / HOUR
        held += row["interval_low"] <= life <= row["interval_high"]
    return held, known, waiting


@pytest.mark.slow
def test_the_monitor_counts_what_answered_intervals_held(plant: Any, lives: LoadedModel) -> None:
    """The share is that of an obvious loop over predictions old enough; text, page and JSON give it."""
    now = plant.at(88)
    result = monitor_champion(plant.workspace, "lives", now=now, settings=plant.settings)
    assert isinstance(result, MonitorResult)
    coverage = result.coverage
    assert coverage is not None
    held, known, waiting = expected(plant, lives, now)
    assert (coverage.covered.count, coverage.covered.of, coverage.not_known_yet) == (held, known, waiting)
    assert 0 < held < known
    assert waiting
    assert coverage.covered.low < coverage.covered.value < coverage.covered.high
    answered = json.loads(json.dumps(result.to_dict()))["interval_coverage"]
    assert (answered["count"], answered["of"], answered["level"]) == (held, known, coverage.level)
    console = Console(width=160)
    with console.capture() as captured:
        console.print(render(result))
    assert f"({held} of {known})" in captured.get()
    assert f"{held} of {known} answered intervals" in result.report.read_text()


@pytest.mark.slow
def test_a_model_of_failures_answers_no_intervals(plant: Any) -> None:
    """Where no interval was answered the monitor says nothing of them."""
    plant.answer(56, 80)
    result = monitor_champion(plant.workspace, "plant", now=plant.at(80), settings=plant.settings)
    assert isinstance(result, MonitorResult)
    assert result.coverage is None
    assert result.to_dict()["interval_coverage"] is None
