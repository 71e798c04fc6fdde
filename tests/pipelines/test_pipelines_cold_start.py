"""Cold start: what is answered for a new machine of a known type, and for the first one of a type without a model."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import UsageError
from data_contracts.records.records import open_records, promotions
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace
from models.cold_start.asset_start import asset_starts
from models.cold_start.readiness import type_readiness
from models.experiment.experiment_file import load_experiment
from models.registry.registry import CHAMPION, Registry
from models.registry.reproduce import reproduce
from pipelines.backtesting.backtest import BacktestConfig, BacktestResult, run_backtest
from pipelines.cli.app import main
from pipelines.jobs.monitor import MonitorResult, monitor_champion
from pipelines.jobs.retrain import retrain_champion
from pipelines.jobs.score import ScoreResult, score_fleet
from pipelines.jobs.train import train_experiment
from pipelines.retraining.by_hand import promote_and_refit
from pipelines.retraining.own_baselines import hand_over_baselines
from pipelines.settings.settings import Settings, read_settings
from serving.deployment.champion import Champion
from serving.deployment.model_choice import choose_served_model
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
{healthy}
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


def experiment(folder: Path, asset_type: str, test_start: pd.Timestamp, healthy: str = "") -> Any:
    file = folder / f"{asset_type}.toml"
    file.write_text(
        EXPERIMENT.format(asset_type=asset_type, test_start=f"{test_start:%Y-%m-%dT%H:%M:%SZ}", healthy=healthy)
    )
    return load_experiment(file)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = init_workspace(tmp_path_factory.mktemp("hall"))
    rng = np.random.default_rng(5)
    rows = [readings(asset, 0, BOUGHT + 50, rng) for asset in OLD]
    rows.append(readings(NEW, BOUGHT, BOUGHT + 50, rng, level=0.1))
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
    page = (repository / "docs" / "how-to" / "cold-start.md").read_text(encoding="utf-8")
    assert "\n".join(rows) in page


def inspected(results: Sequence[ScoreResult]) -> pd.DataFrame:
    """Return the work orders of a mechanic who inspects what alarms every fourth day, and finds nothing."""
    orders = [
        (f"{asset}-{result.as_of:%m%d}", asset, result.as_of + 3 * HOUR, result.as_of + 4 * HOUR)
        for result in results[::2]
        for asset in result.alerts
    ]
    frame = pd.DataFrame(orders, columns=["work_order_id", "asset", "event_time", "known_time"])
    return frame.assign(kind="inspection", component="spindle", finding="no_fault_found", prompted_by=None)


def test_a_detector_goes_through_every_flow(hall: Hall) -> None:
    """Scored; its alarms judged by findings; drifted by false alarms; retrained where nothing has ever failed."""
    workspace, last = hall.workspace, BOUGHT + 118
    rng = np.random.default_rng(8)
    after = pd.concat([readings(asset, BOUGHT + 50.5, last + 2, rng) for asset in (*OLD, NEW)], ignore_index=True)
    after["vibration"] += 4.0  # the process has changed
    hall.add(after)
    settings = hall.settings.with_section("monitor", span=60 * DAY).with_section("retrain", history=50 * DAY)
    days = np.arange(BOUGHT + 16, last + 1, 2)
    results = [score_fleet(workspace, "mills", as_of=hall.at(day), now=hall.at(day)) for day in days]
    assert sum(len(result.alerts) for result in results[:17]) <= 4  # half an alarm per asset-month is declared
    assert all(len(result.alerts) >= 5 for result in results[20:])
    tables.append(workspace, "work_orders", inspected(results), "orders")
    # What it declares is promised, not what a short evaluation would allow.
    looks = [monitor_champion(workspace, "mills", now=hall.at(day), settings=settings) for day in range(116, last, 7)]
    assert isinstance(looks[0], MonitorResult)
    assert looks[0].decision == "hold"
    drifted = [look for look in looks if look.decision == "retrain"]
    assert drifted, looks[-1].reasons
    assert isinstance(drifted[0], MonitorResult)
    assert "hat version 1 declares" in " ".join(drifted[0].reasons), drifted[0].reasons
    assert any(look.drift.drifted for look in looks if isinstance(look, MonitorResult)), looks[-1].reasons
    assert any("scores have moved" in warning for look in looks for warning in look.warnings)
    result = retrain_champion(workspace, "mills", now=hall.at(last), settings=settings, urgent=True)
    assert result.decision == "promoted", result.reasons
    assert "false alarms alone decide" in " ".join(result.reasons)
    assert score_fleet(workspace, "mills", as_of=hall.at(last), now=hall.at(last)).alerts == ()


def test_a_declared_healthy_span_stands_still(hall: Hall) -> None:
    """A challenger would learn what the champion has: nothing is trained, and the reason is said."""
    plan = experiment(
        hall.workspace.root, "azure_machine", hall.at(40), f"healthy_until = {hall.at(30):%Y-%m-%dT%H:%M:%SZ}"
    )
    plan = replace(plan, model="still")
    assert train_experiment(hall.workspace, plan, now=hall.at(BOUGHT)).champion
    result = retrain_champion(hall.workspace, "still", now=hall.at(BOUGHT + 20), settings=hall.settings)
    assert result.decision == "postponed"
    assert "label.healthy_until" in " ".join(result.reasons)


def test_a_back_test_replays_detectors(hall: Hall) -> None:
    """It is replayed under the rules like any model that raises alarms."""
    plan = experiment(hall.workspace.root, "azure_machine", hall.at(40))
    config = BacktestConfig(start=50.0, every=28 * DAY, rules=("ours", "never"))
    result = run_backtest(hall.workspace, plan, config, settings=hall.settings)
    assert isinstance(result, BacktestResult)
    assert [one.rule for one in result.figures] == ["ours", "never"]


def test_baselines_are_a_version_like_any(hall: Hall) -> None:
    """Promoted with the promise of the version before, reproduced bit for bit, scored alike anywhere."""
    now = hall.at(BOUGHT + 30)
    result = hand_over_baselines(hall.workspace, "mills", now=now, settings=hall.settings)
    assert NEW in result.handed_over
    assert result.version == 2
    again = reproduce(hall.workspace, "mills", 2)
    assert again.same
    assert again.same_model
    batch = score_fleet(hall.workspace, "mills", as_of=now, now=now)
    answers = hall.ask([*OLD, NEW], now)
    scores = {risk.asset: risk.anomaly_score for risk in batch.risks}
    assert {answer["asset"]: answer["anomaly_score"] for answer in answers} == scores
    own = {answer["asset"] for answer in answers if answer["baseline"] == "own"}
    assert own == {*result.handed_over}
    assert batch.own_baselines == len(own) > len(answers) / 2
    assert all(answer["drivers"] for answer in answers)
    assert hand_over_baselines(hall.workspace, "mills", now=now, settings=hall.settings).version is None
    ledger = promotions(open_records(hall.workspace.records_url), model_name="mills")
    assert ledger["evidence"].iloc[-1]["refit"]["of"] == 1
    # An asset whose machine was replaced starts anew.
    first = result.handed_over[0]
    replaced = pd.DataFrame([{**record(first, "azure_machine", BOUGHT + 30.5), "model": "m2"}])
    tables.append(hall.workspace, "assets", replaced, "replaced")
    later = hand_over_baselines(hall.workspace, "mills", now=hall.at(BOUGHT + 31), settings=hall.settings)
    assert later.dropped == (first,)
    assert first not in later.own


def test_a_run_up_is_not_learned(hall: Hall) -> None:
    """What went wrong from the tenth day on alarms under the type's model, and is no part of the asset's own normal."""
    rng = np.random.default_rng(3)
    rows = readings("mill-bad", BOUGHT, BOUGHT + 50, rng)
    days = (rows["event_time"] - hall.at(BOUGHT)) / DAY
    rows["vibration"] += np.clip(days - 10, 0, None) * 0.8
    hall.add(rows)
    now = hall.at(BOUGHT + 45)
    result = hand_over_baselines(hall.workspace, "mills", now=now, settings=hall.settings)
    assert "mill-bad" not in result.own
    assert "quiet windows" in result.waiting["mill-bad"]
    assert hall.ask(["mill-bad"], now)[0]["alert"] is True


def test_the_first_window_has_to_be_complete(hall: Hall) -> None:
    """No score before it, from a batch as at the endpoint; then one."""
    early, late = hall.at(BOUGHT + 0.75), hall.at(BOUGHT + 1)
    batch = score_fleet(hall.workspace, "mills", as_of=early, now=early)
    assert batch.first_window == {NEW: "its first window is not complete: 18 of 24 h since its first reading"}
    assert batch.to_dict()["first_window"].keys() == {NEW}
    answer = hall.ask([NEW], early)[0]
    assert (answer["status"], answer["reason_code"]) == ("abstained", "first_window")
    assert NEW in {risk.asset for risk in score_fleet(hall.workspace, "mills", as_of=late, now=late).risks}


def test_an_unknown_type_is_trained_on_the_day_that_was_said(hall: Hall, tmp_path: Path) -> None:
    """The day that every answer names is enough for a model that becomes champion."""
    early = type_readiness(hall.workspace, "press", now=hall.at(BOUGHT + 3))
    day = (early.trainable_from - START) / DAY
    assert day == BOUGHT + 42
    # Two weeks to test on.
    plan = experiment(tmp_path, "press", hall.at(day - 14))
    assert type_readiness(hall.workspace, "press", now=hall.at(day)).is_ready
    assert train_experiment(hall.workspace, replace(plan, model="presses"), now=hall.at(day)).champion
    answer = hall.ask([PRESS], hall.at(day))[0]
    assert answer["reason_code"] == "asset_type"  # its model answers at an endpoint of its own


def ran(arguments: Sequence[str]) -> int:
    """Run a command; return its exit status."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_commands_say_what_is_missing(hall: Hall, capsys: pytest.CaptureFixture[str]) -> None:
    """`score`, `twins show` and `models baselines`, as text and as JSON; without any model the error says it too."""
    root = ["--workspace", str(hall.workspace.root)]
    assert ran(["score", "--as-of", hall.at(BOUGHT + 30).isoformat(), *root]) == 0
    assert "no model of press yet" in capsys.readouterr().out
    assert ran(["twins", "show", PRESS, "--as-of", hall.at(BOUGHT + 7).isoformat(), "--json", *root]) == 0
    shown = json.loads(capsys.readouterr().out)["answered"][0]
    assert shown["stage"] == "no_model"
    assert "1.0 of 6 weeks" in shown["words"]
    assert ran(["models", "baselines", "--now", hall.at(BOUGHT + 30).isoformat(), *root]) == 0
    assert NEW in capsys.readouterr().out


def test_one_of_two_models_answers(plant: Any, tmp_path: Path, experiment_text: str) -> None:
    """A model of failures that earned its place, else the detector; what the rule does not decide is still an error."""
    workspace, registry = plant.workspace, plant.registry
    odd = replace(experiment(tmp_path, "azure_machine", plant.at(35)), model="odd")
    odd = replace(odd, data=replace(odd.data, plant="plant"))
    train_experiment(workspace, odd, now=plant.at(55), insist=True)
    choice = choose_served_model(workspace)
    assert choice.name == "plant"
    assert "predicts failure" in str(choice.reason)
    # Of failures that show in no channel it can learn from, nothing is learned.
    file = tmp_path / "weak.toml"
    file.write_text(experiment_text.replace('name = "plant"', 'name = "weak"'))
    weak = load_experiment(file, ['features.channels=["volt"]'])
    trained = train_experiment(workspace, weak, now=plant.at(55), insist=True)
    assert trained.champion_reason.startswith("Promoted by request")
    with pytest.raises(UsageError, match="3 models have a champion"):
        choose_served_model(workspace)
    registry.delete_alias("plant", CHAMPION)
    choice = choose_served_model(workspace)
    assert choice.name == "odd"
    assert "promoted by request" in str(choice.reason)


def test_a_refit_fits_the_detector_again(hall: Hall) -> None:
    """`retrain.refit` and `models promote --refit` work for detectors too."""
    result = promote_and_refit(
        hall.workspace, "mills", 1, actor="p", reason="all data", now=hall.at(BOUGHT + 20), settings=hall.settings
    )
    assert result.refit.version == 2
    assert reproduce(hall.workspace, "mills", 2).same
