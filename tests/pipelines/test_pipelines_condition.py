"""Models of a measured condition: trained, scored, served, monitored and retrained, from stored telemetry."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data_contracts.contract.contract import load_contract
from data_contracts.contract.registered import register
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.asset_records import answers_of
from data_contracts.records.records import open_records, predictions
from data_contracts.tables import tables
from data_contracts.tables.history import read_history
from data_contracts.workspace import Workspace, init_workspace
from features.telemetry.windows import cut_offs
from models.artifact.scoring import score_in_detail
from models.experiment.experiment import Experiment
from models.experiment.experiment_file import load_experiment
from models.labels.condition import crossings
from models.registry.registry import Registry
from pipelines.cli.renderers import render
from pipelines.figures.champion_figures import FiguresResult
from pipelines.jobs.monitor import MonitorResult, monitor_champion
from pipelines.jobs.retrain import retrain_champion
from pipelines.jobs.score import score_fleet
from pipelines.jobs.scored_records import answers_of_scores, predictions_of
from pipelines.jobs.train import train_experiment
from pipelines.jobs.why import explain_decision
from pipelines.settings.settings import Settings, read_settings
from serving.deployment.champion import Champion
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.routes.planning_routes import routes
from serving.schemas.predict_request import parse_request
from serving.settings import Settings as EndpointSettings

HOUR = pd.Timedelta(hours=1)
DAY = 24 * HOUR
START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
LIMIT = 150.0
PUMPS = [f"p{number:02d}" for number in range(10)]
LIVE, END = 50, 110
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: own.telemetry_pump
name: telemetry_pump
version: 1.0.0
status: active
customProperties:
  - {property: assetType, value: pump}
schema:
  - name: telemetry
    logicalType: object
    properties:
      - {name: asset, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: event_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 2}
      - {name: known_time, logicalType: timestamp, required: true}
      - {name: source, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 3}
      - {name: wear, logicalType: number, customProperties: [{property: unit, value: um}]}
      - {name: vibration, logicalType: number}
      - {name: load, logicalType: number}
"""
EXPERIMENT = """
name = "{name}"
target = "{target}"
seed = 3
[data]
asset_type = "pump"
[label]
{label}
[windows]
window = "12h"
stride = "6h"
[features]
tsfresh = ["mean", "maximum"]
events = false
ages = false
[estimator]
params = {{ n_estimators = 40, num_leaves = 7, min_child_samples = 5 }}
[split]
kind = "time"
test_start = 2026-02-05T00:00:00Z
"""
CROSSING = "horizon = '24h'\ncondition = 'wear'\nthreshold = 150"
VALUE = "condition = 'wear'\nhorizon = '6h'"


def simulate() -> pd.DataFrame:
    """Wear grows until the pump is renewed, some hours after it crossed the limit; vibration shows it."""
    rng = np.random.default_rng(5)
    hours = np.arange(0, END * 24, 2)
    parts = []
    for pump in PUMPS:
        wear, level, rate, renewed_in = [], 0.0, rng.uniform(0.5, 1.2), 0
        for _ in hours:
            level += 2 * rate * rng.uniform(0.5, 1.5)
            if level > LIMIT + 30:
                level, rate, renewed_in = 0.0, rng.uniform(0.5, 1.2), renewed_in + 1
            wear.append(level)
        values = np.array(wear)
        measured = np.where(np.arange(len(hours)) % 3 == 0, values, np.nan)
        vibration = 1 + (values / 100) ** 2 + rng.normal(0, 0.1, len(hours))
        load = rng.normal(50, 5, len(hours))
        columns = {"asset": pump, "event_time": START + hours * HOUR, "wear": measured}
        parts.append(pd.DataFrame({**columns, "vibration": vibration, "load": load}))
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(known_time=rows["event_time"], source="physical")


def experiment(folder: Path, name: str, target: str, label: str) -> Experiment:
    file = folder / f"{name}.toml"
    file.write_text(EXPERIMENT.format(name=name, target=target, label=label))
    return load_experiment(file)


@dataclasses.dataclass(frozen=True)
class Plant:
    """A workspace with pumps, and its settings."""

    workspace: Workspace
    settings: Settings
    folder: Path

    def at(self, day: float) -> pd.Timestamp:
        return START + day * DAY

    def train(self, name: str, target: str, label: str) -> Any:
        return train_experiment(
            self.workspace, experiment(self.folder, name, target, label), now=self.at(LIVE), insist=True
        )

    def answer(self, name: str, first: float, last: float) -> None:
        """Store the champion's predictions of some days, as six-hourly scoring would have."""
        model = Registry(self.workspace).load(name, "champion")
        history = read_history(self.workspace, "pump", start=self.at(first - 1))
        grid = cut_offs(history, 6 * HOUR, start=self.at(first) + HOUR, end=self.at(last))
        details = score_in_detail(model.artifact, history, grid)
        made = self.at(last)
        latest = np.full(len(grid), int(np.iinfo(np.int64).min))
        answers = answers_of_scores(model, details, latest, details.reasons, made)
        scores = details.frame[details.frame["reason"].isna()]
        add_predictions(open_records(self.workspace.records_url), predictions_of(model, scores, made), list(answers))

    def client(self, name: str, now: pd.Timestamp) -> Iterator[tuple[Predictor, Champion, TestClient]]:
        model = Registry(self.workspace).load(name, "champion")
        predictor = Predictor(self.workspace, EndpointSettings(), PredictionLog(self.workspace), lambda: now)
        champion = Champion(name, model.version, model.artifact, now)
        worker = SimpleNamespace(
            workspace=self.workspace,
            settings=EndpointSettings(),
            predictor=predictor,
            watch=SimpleNamespace(current=champion),
            champion=lambda: champion,
        )
        with TestClient(Starlette(routes=routes(lambda: worker))) as client:
            yield predictor, champion, client


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    workspace = init_workspace(tmp_path / "w")
    (tmp_path / "pump.odcs.yaml").write_text(CONTRACT)
    register(workspace.contracts, load_contract(str(tmp_path / "pump.odcs.yaml")), now=START)
    rows = simulate()
    tables.append(workspace, "telemetry/pump", rows, "telemetry")
    known = {"asset": PUMPS, "event_time": START, "known_time": START, "asset_type": "pump"}
    tables.append(workspace, "assets", pd.DataFrame(known).assign(model="m", plant="a", line="b"), "assets")
    options = read_settings(workspace, {}).with_section("monitor", span=40 * DAY)
    return Plant(workspace, options.with_section("retrain", holdout=20 * DAY, min_failures=8), tmp_path)


def printed(result: Any) -> str:
    console = Console(width=160)
    with console.capture() as captured:
        console.print(render(result))
    return captured.get()


def predict(plant: Plant, name: str, now: pd.Timestamp, body: dict[str, Any]) -> list[Any]:
    for predictor, champion, _ in plant.client(name, now):
        return list(predictor.predict(parse_request(json.dumps(body).encode(), 100), champion)["predictions"])
    return []


@pytest.mark.slow
def test_a_crossing_goes_through_the_whole_loop(plant: Plant) -> None:
    """Its crossings are its failures: trained, scored, served, explained, monitored and retrained on them."""
    trained = plant.train("crossing", "failure", CROSSING)
    assert trained.champion
    assert trained.left_out["beyond"] > 0
    workspace, live = plant.workspace, plant.at(LIVE)
    at = plant.at(100)
    rows = tables.read(workspace, "telemetry/pump", as_of=at)
    last = rows[rows["wear"].notna()].groupby("asset")["wear"].last()
    beyond = sorted(last.index[last > LIMIT])
    scored = score_fleet(workspace, "crossing", as_of=at, now=at)
    assert list(scored.failed) == beyond
    assert scored.scored == len(PUMPS) - len(beyond)
    assert scored.to_dict()["condition"] == "wear"
    # The endpoint says the same, and which event a failure is.
    body = {"assets": PUMPS, "as_of": at.isoformat(), "explain": False}
    answers = predict(plant, "crossing", at + HOUR, body)
    assert [answer["asset"] for answer in answers if answer["status"] == "failed"] == beyond
    risks = {risk.asset: risk.probability for risk in scored.risks}
    for answer in answers:
        if answer["status"] == "failed":
            assert "what the model predicts has happened" in answer["reason"]
            assert "um" in answer["reason"]
            continue
        assert answer["probability"] == risks[answer["asset"]]
        condition = answer["condition"]
        assert (condition["channel"], condition["unit"], condition["value"]) == ("wear", "um", None)
        assert (condition["threshold"], condition["direction"], condition["is_feature"]) == (150.0, "above", False)
    plant.answer("crossing", LIVE + 1, 99)
    watched = monitor_champion(workspace, "crossing", now=plant.at(105), settings=plant.settings)
    assert isinstance(watched, MonitorResult)
    assert watched.rates.missed.of > 5
    assert watched.rates.caught >= 5
    assert watched.rates.decision_fp.of > 100
    # Every crossing that has matured is counted, and nothing else.
    known = tables.read(workspace, "telemetry/pump", as_of=plant.at(105))
    crossed = crossings(known, "wear", threshold=LIMIT, direction="above")
    matured = crossed[(crossed["event_time"] > watched.rates.start) & (crossed["event_time"] <= watched.rates.end)]
    assert watched.rates.missed.of + watched.rates.uncovered == len(matured)
    assert "Failures missed" in watched.report.read_text()
    alarm = explain_decision(workspace, "alarm", "crossing")
    assert "of crossing wear above 150 um between" in alarm.seen[0]
    why = explain_decision(workspace, "retraining", "crossing")
    assert why.decision == watched.decision
    alert = predictions(open_records(workspace.records_url), model_name="crossing")
    alert = alert[alert["alert"] & (alert["as_of"] < plant.at(90))].iloc[-1]
    for _, _, client in plant.client("crossing", plant.at(105)):
        told = client.get(f"/why/{alert['prediction_id']}").json()
        assert told["outcome"] in ("tp", "fp")
        assert any("crossing wear above 150 um" in sentence for sentence in told["sentences"])
        plan = {
            "start": plant.at(105).isoformat(),
            "days": 2,
            "crews": {"machines_per_day": 2},
            "costs": {"planned": 1000, "failure": 20000, "downtime_per_hour": 1000, "unplanned_hours": 10},
            "repair_hours": 6,
        }
        worklist = client.post("/worklist", json=plan)
        assert worklist.status_code == 200, worklist.text
        listed = {line["asset"] for key in ("lines", "left_out") for line in worklist.json()[key]}
        assert listed == set(PUMPS)
    retrained = retrain_champion(workspace, "crossing", now=plant.at(105), settings=plant.settings)
    assert retrained.challenger_version == 2
    assert retrained.comparison.champion is not None
    assert retrained.comparison.events > 5
    assert live < retrained.comparison.start


def intervals_of(workspace: Workspace, ids: list[str]) -> list[tuple[float, float]]:
    """Read the intervals that were answered."""
    answers = answers_of(open_records(workspace.records_url), ids)
    intervals = [json.loads(answers[name])["condition"]["interval"] for name in ids]
    return [(interval["low"], interval["high"]) for interval in intervals]


@pytest.mark.slow
def test_a_value_is_scored_served_and_compared_with_what_was_measured(plant: Plant) -> None:
    """With its unit and the time it is meant for; monitored by its error beside the evaluation's, without a verdict."""
    trained = plant.train("value", "condition", VALUE)
    assert trained.champion
    assert trained.to_dict()["condition_unit"] == "um"
    workspace, at = plant.workspace, plant.at(100)
    scored = score_fleet(workspace, "value", as_of=at, now=at)
    assert (scored.scored, scored.alerts) == (len(PUMPS), ())
    values = {risk["asset"]: risk for risk in scored.to_dict()["by_risk"]}
    assert {risk["unit"] for risk in values.values()} == {"um"}
    assert "wear, the highest first: " in printed(scored)
    answers = predict(plant, "value", at + HOUR, {"assets": PUMPS, "as_of": at.isoformat(), "explain": True})
    for answer in answers:
        assert (answer["status"], answer["probability"], answer["remaining_life_hours"]) == ("ok", None, None)
        assert answer["condition"]["value"] == values[answer["asset"]]["condition"]
        assert pd.Timestamp(answer["condition"]["at"]) == at + 6 * HOUR
        assert answer["alert"] is False
        raising = [driver for driver in answer["drivers"] if driver["channel"] == "vibration"]
        assert raising
    plant.answer("value", LIVE + 1, 99)
    watched = monitor_champion(workspace, "value", now=plant.at(101), settings=plant.settings)
    assert isinstance(watched, FiguresResult)
    content = watched.to_dict()
    assert (content["decision"], content["unit"]) == ("none", "um")
    assert content["compared"] > 1500
    assert 0.5 < content["metrics"]["rmse"] / content["evaluated"]["rmse"] < 2
    # The same error as an obvious loop finds.
    stored = predictions(open_records(workspace.records_url), model_name="value")
    stored = stored.drop_duplicates(["asset", "as_of"])  # the endpoint was asked for one of them too
    truth = tables.read(workspace, "telemetry/pump").set_index(["asset", "event_time"])["wear"]
    meant = zip(stored["asset"], stored["as_of"] + 6 * HOUR, strict=True)
    later = [truth.get(key, np.nan) for key in meant]
    assert content["compared"] == int(np.isfinite(later).sum())
    # As often as the intervals that were answered hold what was measured, each pump weighing the same.
    ends = intervals_of(workspace, stored["prediction_id"].tolist())
    held = pd.Series([low <= true <= high for (low, high), true in zip(ends, later, strict=True)])[np.isfinite(later)]
    by_pump = held.groupby(stored["asset"].to_numpy()[held.index]).mean()
    assert content["metrics"]["interval_coverage"] == pytest.approx(by_pump.mean())
    assert content["metrics"]["interval_level"] == content["evaluated"]["interval_level"] == 0.9
    assert {"interval_width", "interval_width_constant"} <= content["evaluated"].keys() & content["metrics"].keys()
    text = printed(watched)
    assert "90% intervals hold" in text
    assert "No drift is decided on: it predicts a value" in text
    assert "RMSE" in text
    assert "um" in text
    page = watched.report.read_text()
    assert "Predicted, and what came later" in page
    assert "in the evaluation" in page
    assert "Intervals of 90%" in page
    assert "Predicted, with intervals, and true" in page
    assert "How often intervals hold" in page
    one = stored.iloc[0]
    for _, _, client in plant.client("value", plant.at(105)):
        told = client.get(f"/why/{one['prediction_id']}").json()
        assert told["outcome"] == "measured"
        assert any("predicted the wear of" in sentence and " um" in sentence for sentence in told["sentences"])
        refused = client.post(
            "/worklist",
            json={
                "days": 1,
                "crews": {"machines_per_day": 1},
                "costs": {"planned": 1, "failure": 2, "downtime_per_hour": 1, "unplanned_hours": 1},
                "repair_hours": 1,
            },
        )
        assert refused.status_code == 422
        assert "a condition's value" in refused.text
    explained = explain_decision(workspace, "alarm", "value", str(one["prediction_id"]))
    assert f"predicted the wear of {one['asset']}" in explained.seen[0]
