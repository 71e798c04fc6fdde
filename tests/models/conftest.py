"""A small plant whose failures announce themselves, and an empty MLflow database to copy."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.tables.history import History
from data_contracts.workspace import Workspace, init_workspace
from models.experiment.experiment import Experiment

START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
HOUR, DAY = pd.Timedelta("1h"), pd.Timedelta("1D")
DAYS = 60
ASSETS = [f"m{number:02}" for number in range(8)]
CHANNELS = ("volt", "vibration")

EXPERIMENT = {
    "name": "small-plant",
    "target": "failure",
    "seed": 3,
    "data": {"asset_type": "azure_machine"},
    "label": {"horizon": "48h"},
    "windows": {"window": "24h", "stride": "6h"},
    "features": {"tsfresh": ["mean", "maximum", "standard_deviation"]},
    "estimator": {"params": {"n_estimators": 30, "num_leaves": 7}},
    "split": {"kind": "time", "test_start": "2026-02-10"},
}


def build_plant(seed: int = 1) -> History:
    """Make a plant: vibration rises for two days before each failure, and reports of failures come six hours late."""
    rng = np.random.default_rng(seed)
    hours = np.arange(0, DAYS * 24 + 1, 3)
    telemetry, failures = [], []
    for asset in ASSETS:
        values = rng.normal((170.0, 40.0), (3.0, 1.0), (len(hours), 2))
        failed = int(rng.integers(100, 250))
        while failed < DAYS * 24:
            values[(hours > failed - 50) & (hours < failed), 1] += 6.0
            failures.append((f"{asset}-{failed}", asset, START + failed * HOUR))
            failed += int(rng.integers(150, 300))
        frame = pd.DataFrame(values, columns=list(CHANNELS)).assign(asset=asset, event_time=START + hours * HOUR)
        telemetry.append(frame)
    rows = pd.concat(telemetry, ignore_index=True)
    known = pd.DataFrame({"asset": ASSETS, "event_time": START, "known_time": START, "asset_type": "azure_machine"})
    happened = pd.DataFrame(failures, columns=["failure_id", "asset", "event_time"])
    return History(
        asset_type="azure_machine",
        channels=CHANNELS,
        telemetry=rows.assign(known_time=rows["event_time"], source="physical"),
        assets=known.assign(model="m1", plant="p", line="a"),
        failures=happened.assign(known_time=happened["event_time"] + 6 * HOUR, mode="bearing"),
        work_orders=_repairs(happened),
        events=_errors(rng),
        versions={},
    )


def _repairs(failures: pd.DataFrame) -> pd.DataFrame:
    repaired = failures[["asset"]].assign(
        work_order_id="repair-" + failures["failure_id"],
        event_time=failures["event_time"] + 4 * HOUR,
        known_time=failures["event_time"] + 8 * HOUR,
        kind="corrective",
        component="bearing",
        finding="defect_confirmed",
        prompted_by="failure",
    )
    return repaired[["work_order_id", *repaired.columns.drop("work_order_id")]]


def _errors(rng: np.random.Generator) -> pd.DataFrame:
    at = START + pd.to_timedelta(rng.integers(0, DAYS * 24, 60), unit="h").as_unit("us")
    codes = rng.choice(["error1", "error2"], 60)
    names = [f"e{number}" for number in range(60)]
    return pd.DataFrame(
        {"event_id": names, "asset": rng.choice(ASSETS, 60), "event_time": at, "known_time": at, "code": codes}
    )


def at(day: float) -> pd.Timestamp:
    """Return the time of a day of the plant."""
    return START + day * DAY


@pytest.fixture(scope="session")
def plant() -> History:
    return build_plant()


@pytest.fixture(scope="session")
def describe() -> Callable[..., Experiment]:
    """Return a maker of experiments from dotted overrides."""

    def described(*overrides: str) -> Experiment:
        import json

        return Experiment.from_json(json.dumps(EXPERIMENT)).with_overrides(overrides)

    return described


@pytest.fixture(scope="session")
def _mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create MLflow's tables once: that takes longer than all tests that need them."""
    from models.registry.registry import Registry

    workspace = init_workspace(tmp_path_factory.mktemp("template"))
    Registry(workspace).create_store()
    return workspace.root / "mlflow.db"


@pytest.fixture
def workspace(_mlflow_template: Path, tmp_path: Path) -> Workspace:
    """Return a workspace of its own whose registry is empty."""
    made = init_workspace(tmp_path / "workspace")
    shutil.copy(_mlflow_template, made.root / "mlflow.db")
    return made


def shuffled(history: History, seed: int) -> History:
    """Return the same history with the rows of every frame in another order."""
    frames = ("telemetry", "assets", "failures", "work_orders", "events")
    return replace(history, **{name: getattr(history, name).sample(frac=1, random_state=seed) for name in frames})
