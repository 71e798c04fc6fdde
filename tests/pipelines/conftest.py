"""Fixtures: a plant of twelve machines with a champion; from day 70 on failures show in another channel."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.records.answer_records import add_predictions
from data_contracts.records.records import open_records
from data_contracts.tables import tables
from data_contracts.tables.history import read_history
from data_contracts.workspace import Workspace, init_workspace
from features.telemetry.windows import cut_offs
from models.artifact.scoring import score as score_assets
from models.experiment.experiment import Experiment
from models.experiment.experiment_file import load_experiment
from models.registry.registry import Registry
from pipelines.jobs.scored_records import predictions_of
from pipelines.jobs.train import train_experiment
from pipelines.settings.settings import Settings, read_settings

START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
DAY = pd.Timedelta(days=1)
HOUR = pd.Timedelta(hours=1)
CHANGE, LIVE, END = 70, 55, 120
ASSETS = [f"machine-{number:02d}" for number in range(12)]
CHANNELS = ("volt", "rotate", "pressure", "vibration")
EXPERIMENT = """
name = "plant"
target = "failure"
seed = 3
[data]
asset_type = "azure_machine"
plant = "plant"
[label]
horizon = "24h"
reporting_delay = "12h"
[windows]
window = "12h"
stride = "6h"
[features]
tsfresh = "minimal"
events = false
ages = false
[estimator]
kind = "lightgbm"
params = {n_estimators = 25, num_leaves = 7, min_child_samples = 5}
[costs]
missed_failure = 10
false_alarm = 1
[split]
kind = "time"
test_start = 2026-02-05T00:00:00Z
"""


@dataclass(frozen=True)
class Plant:
    """A workspace in which everything up to day 120 has been stored."""

    workspace: Workspace
    settings: Settings

    def at(self, day: float) -> pd.Timestamp:
        """Return the time of a day."""
        return START + day * DAY

    @property
    def registry(self) -> Registry:
        return Registry(self.workspace)

    def answer(self, first: float, last: float) -> None:
        """Store the champion's predictions of some days, as six-hourly scoring would have."""
        _answer(self.workspace, first, last)


def _answer(workspace: Workspace, first: float, last: float) -> None:
    model = Registry(workspace).load("plant", "champion")
    history = read_history(workspace, "azure_machine", start=START + (first - 1) * DAY)
    grid = cut_offs(history, 6 * HOUR, start=START + first * DAY + HOUR, end=START + last * DAY)
    scores = score_assets(model.artifact, history, grid)
    add_predictions(open_records(workspace.records_url), predictions_of(model, scores, START + last * DAY))


@pytest.fixture(scope="session")
def answer() -> Callable[[Workspace, float, float], None]:
    """Return a function that stores the champion's predictions of some days."""
    return _answer


@pytest.fixture(scope="session")
def experiment_text() -> str:
    """Return the experiment of the plant's champion, as TOML."""
    return EXPERIMENT


def _failure_times(rng: np.random.Generator) -> list[int]:
    times, hour = [], int(rng.integers(100, 300))
    while hour < END * 24:
        times.append(hour)
        hour += int(rng.integers(200, 400))
    return times


def _fill(workspace: Workspace) -> None:
    rng = np.random.default_rng(5)
    hours = np.arange(END * 24 + 1)
    telemetry, failures = [], []
    for asset in ASSETS:
        values = rng.normal((170.0, 450.0, 100.0, 40.0), (3.0, 10.0, 2.0, 1.0), (len(hours), 4))
        for failure in _failure_times(rng):
            sign = slice(max(failure - 36, 0), failure)
            # The sign of a failure: vibration at first, pressure after the process has changed.
            channel, rise = (3, 8.0) if failure < CHANGE * 24 else (2, 16.0)
            values[sign, channel] += rise
            failures.append((f"{asset}-{failure}", asset, START + failure * HOUR, "bearing"))
        telemetry.append(
            pd.DataFrame(values, columns=list(CHANNELS)).assign(asset=asset, event_time=START + hours * HOUR)
        )
    rows = pd.concat(telemetry, ignore_index=True)
    rows = rows.assign(known_time=rows["event_time"], source="physical")
    failed = pd.DataFrame(failures, columns=["failure_id", "asset", "event_time", "mode"])
    failed["known_time"] = failed["event_time"] + 6 * HOUR
    known = pd.DataFrame({"asset": ASSETS, "event_time": START, "known_time": START})
    known = known.assign(asset_type="azure_machine", model="m1", plant="plant", line="a")
    for name, frame in (("telemetry/azure_machine", rows), ("failures", failed), ("assets", known)):
        tables.append(workspace, name, frame, "all")


@pytest.fixture(scope="session")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    file = tmp_path_factory.mktemp("experiment") / "plant.toml"
    file.write_text(EXPERIMENT)
    return load_experiment(file)


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory, experiment: Experiment) -> Workspace:
    workspace = init_workspace(tmp_path_factory.mktemp("plant"))
    _fill(workspace)
    train_experiment(workspace, experiment, now=START + LIVE * DAY)
    return workspace


@pytest.fixture
def plant(_template: Workspace, tmp_path: Path) -> Plant:
    """Return a copy of the plant, with a champion trained on day 55; creating one anew takes long."""
    root = tmp_path / "plant"
    shutil.copytree(_template.root, root)
    workspace = init_workspace(root)
    return Plant(workspace, small_plant_settings(workspace))


def small_plant_settings(workspace: Workspace) -> Settings:
    """Return the settings of the plant: few failures, and a short holdout."""
    settings = read_settings(workspace, {}).with_section("monitor", span=40 * DAY)
    return settings.with_section("retrain", holdout=12 * DAY, min_failures=8)
