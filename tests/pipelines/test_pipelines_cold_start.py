"""Cold start: what is answered for a new machine of a known type, and for the first one of a type without a model."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace
from models.cold_start.asset_start import asset_starts
from models.experiment.experiment_file import load_experiment
from models.registry.registry import CHAMPION, Registry
from pipelines.jobs.score import score_fleet
from pipelines.jobs.train import train_experiment
from pipelines.retraining.own_baselines import hand_over_baselines
from pipelines.settings.settings import Settings, read_settings
from serving.deployment.champion import Champion
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.schemas.predict_request import parse_request
from serving.settings import Settings as ServingSettings

pytestmark = pytest.mark.slow

START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
DAY, HOUR = pd.Timedelta(days=1), pd.Timedelta(hours=1)
BOUGHT = 60  # the day on which the new machines begin to run
OLD, NEW, PRESS = tuple(f"mill-{number}" for number in range(6)), "mill-new", "press-1"
CHANNELS = ("volt", "rotate", "pressure", "vibration")
EXPERIMENT = """
name = "mills"
target = "anomaly"
seed = 3
[data]
asset_type = "{asset_type}"
[label]
horizon = "168h"
[windows]
window = "24h"
stride = "12h"
[features]
tsfresh = ["mean", "standard_deviation"]
[estimator]
kind = "mahalanobis"
[split]
kind = "time"
test_start = {test_start}
"""


def readings(asset: str, first: float, last: float, rng: np.random.Generator, level: float = 0.0) -> pd.DataFrame:
    """Return two-hourly readings from one day to another, `level` scatters away from those of other machines."""
    hours = np.arange(first * 24, last * 24 + 1, 2)
    scatter = np.array((3.0, 10.0, 2.0, 1.0))
    values = rng.normal((170.0, 450.0, 100.0, 40.0), scatter, (len(hours), 4)) + level * scatter
    frame = pd.DataFrame(values, columns=list(CHANNELS)).assign(asset=asset, event_time=START + hours * HOUR)
    return frame.assign(known_time=frame["event_time"], source="physical")


def record(asset: str, asset_type: str, day: float) -> dict[str, Any]:
    time = START + day * DAY
    place = {"model": "m1", "plant": "p", "line": "a"}
    return {"asset": asset, "event_time": time, "known_time": time, "asset_type": asset_type, **place}


@dataclass(frozen=True)
class Hall:
    """A workspace in which nothing has ever failed."""

    workspace: Workspace
    settings: Settings

    def at(self, day: float) -> pd.Timestamp:
        return START + day * DAY

    def ask(self, assets: Sequence[str], at: pd.Timestamp) -> list[dict[str, Any]]:
        """Ask the endpoint's predictor."""
        model = Registry(self.workspace).load("mills", CHAMPION)
        predictor = Predictor(self.workspace, ServingSettings(), PredictionLog(self.workspace), lambda: at)
        body = json.dumps({"assets": list(assets), "as_of": at.isoformat()}).encode()
        champion = Champion("mills", model.version, model.artifact, at)
        return [dict(each) for each in predictor.predict(parse_request(body, 10), champion)["predictions"]]

    def add(self, rows: pd.DataFrame, table: str = "telemetry/azure_machine") -> None:
        tables.append(self.workspace, table, rows, f"more-{len(rows)}-{rows['asset'].iloc[0]}-{rows.index[0]}")


def experiment(folder: Path, asset_type: str, test_start: pd.Timestamp) -> Any:
    file = folder / f"{asset_type}.toml"
    file.write_text(EXPERIMENT.format(asset_type=asset_type, test_start=f"{test_start:%Y-%m-%dT%H:%M:%SZ}"))
    return load_experiment(file)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = init_workspace(tmp_path_factory.mktemp("hall"))
    rng = np.random.default_rng(5)
    rows = [readings(asset, 0, BOUGHT + 50, rng) for asset in OLD]
    rows.append(readings(NEW, BOUGHT, BOUGHT + 50, rng, level=0.5))
    tables.append(workspace, "telemetry/azure_machine", pd.concat(rows, ignore_index=True), "mills")
    presses = readings(PRESS, BOUGHT, BOUGHT + 50, rng).rename(columns={"volt": "spindle_current"})
    tables.append(workspace, "telemetry/press", presses, "press")
    known = [record(asset, "azure_machine", 0) for asset in OLD]
    known += [record(NEW, "azure_machine", BOUGHT), record(PRESS, "press", BOUGHT)]
    tables.append(workspace, "assets", pd.DataFrame(known), "assets")
    plan = experiment(workspace.root, "azure_machine", START + 40 * DAY)
    assert train_experiment(workspace, plan, now=START + BOUGHT * DAY).champion
    return workspace


@pytest.fixture
def hall(template: Workspace, tmp_path: Path) -> Hall:
    shutil.copytree(template.root, tmp_path / "hall")
    workspace = init_workspace(tmp_path / "hall")
    return Hall(workspace, read_settings(workspace, {}))


def said(hall: Hall, asset: str, asset_type: str, day: float) -> tuple[str, str]:
    """Return what `/predict` and `twins show` say so many days after the machine began to run."""
    now = hall.at(BOUGHT + day)
    answer = hall.ask([asset], now)[0]
    score = answer.get("anomaly_score")
    predicted = (
        answer["reason"]
        if score is None
        else f"score {score:.2f}, alert {str(answer['alert']).lower()}, baseline {answer['baseline']}"
    )
    registry, span = Registry(hall.workspace), hall.settings.retrain.own_baseline
    shown = asset_starts(hall.workspace, registry, asset, asset_type, now=now, span=span)[0]
    return predicted, shown.words


def test_what_is_said_from_the_first_day(hall: Hall, repository: Path) -> None:
    """The table in the documentation, cell by cell: days 0, 1, 7, 14 and 30 of both machines."""
    rows = []
    for day in (0.25, 1, 7, 14, 30):
        hand_over_baselines(hall.workspace, "mills", now=hall.at(BOUGHT + day), settings=hall.settings)
        known, unknown = said(hall, NEW, "azure_machine", day), said(hall, PRESS, "press", day)
        rows.append(f"| {day:g} | {known[0]} | {known[1]} | {unknown[0]} |")
    print("\n".join(rows))
    page = (repository / "docs" / "how-to" / "cold-start.md").read_text(encoding="utf-8")
    assert "\n".join(rows) in page


def test_a_detector_goes_through_every_flow(hall: Hall) -> None:
    """Scored; its alarms judged by findings; drifted by false alarms; retrained where nothing has ever failed."""
    workspace, changed = hall.workspace, BOUGHT + 20
    rng = np.random.default_rng(8)
    after = pd.concat([readings(asset, BOUGHT + 50.5, BOUGHT + 120, rng) for asset in (*OLD, NEW)], ignore_index=True)
    after["vibration"] += 4.0
    hall.add(after)
    settings = hall.settings.with_section("monitor", span=60 * DAY).with_section("retrain", holdout=21 * DAY, history=50 * DAY)
    days = np.arange(BOUGHT + 30, BOUGHT + 119)
    results = [score_fleet(workspace, "mills", as_of=hall.at(day), now=hall.at(day)) for day in days]
    print(sum(len(r.alerts) for r in results[:20]), sum(len(r.alerts) for r in results[20:]))
    from pipelines.jobs.monitor import monitor_champion
    from pipelines.jobs.retrain import retrain_champion
    # a mechanic looks at each asset that alarms every fourth day and finds nothing
    orders = []
    for day, r in zip(days, results):
        for asset in r.alerts:
            if day % 4 == 0:
                t = hall.at(day) + 3 * HOUR
                orders.append({"work_order_id": f"{asset}-{day}", "asset": asset, "event_time": t, "known_time": t + HOUR, "kind": "inspection", "component": "spindle", "finding": "no_fault_found", "prompted_by": None})
    print(len(orders))
    tables.append(workspace, "work_orders", pd.DataFrame(orders), "orders")
    for day in range(BOUGHT + 56, BOUGHT + 119, 7):
        m = monitor_champion(workspace, "mills", now=hall.at(day), settings=settings)
        print(day, m.decision, m.drift.which, m.reasons, m.warnings)
    r = retrain_champion(workspace, "mills", now=hall.at(BOUGHT + 118), settings=settings, urgent=True)
    print(r.to_dict())
