"""Tools that count cycles, and rigs whose tests last seconds, from their files to the printed figures."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.workspace import open_workspace
from features.clock import TIME, Clock
from pipelines.cli import main
from pipelines.data_reports.data_suggestions import suggest
from pipelines.evidence.champion import load_champion
from pipelines.jobs.risk_list import Risk
from pipelines.terminal.metrics import metrics_table
from serving.deployment.champion import Champion as ServedChampion
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.schemas.predict_request import parse_request
from serving.settings import Settings

BY_CYCLE = Clock(pd.Timedelta("1h"), pd.Timestamp("2000-01-01", tz="UTC"))
OF_TIME = re.compile(r"\b20\d\d-\d\d|hours|\b\d+h\b|asset-month|\bdays?\b")
Run = Callable[..., str]
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: own.telemetry_press
name: telemetry_press
version: 1.0.0
status: active
customProperties:
  - {property: assetType, value: press}
  - {property: clock, value: cycle}
  - {property: fileLayout, value: {timeFormat: cycle, cycle: 1h, start: "2000-01-01T00:00:00Z"}}
schema:
  - name: telemetry
    logicalType: object
    properties:
      - {name: asset, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: event_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 2}
      - {name: known_time, logicalType: timestamp, required: true}
      - {name: source, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 3}
      - {name: force, logicalType: number}
"""
EXPERIMENT = """\
name = "press"
target = "remaining_life"
[data]
asset_type = "press"
[label]
cap = "30 cycles"
horizon = "10 cycles"
[windows]
window = "12 cycles"
cut_offs = "rows"
[features]
tsfresh = ["mean", "maximum"]
[estimator]
params = { n_estimators = 20, num_leaves = 7 }
[split]
kind = "asset"
test = ["p7", "p8"]
"""


def rows(metrics: dict[str, float], clock: Clock = TIME) -> dict[str, str]:
    table = metrics_table(metrics, clock=clock)
    names, texts = (list(column.cells) for column in table.columns)
    return dict(zip(map(str, names), map(str, texts), strict=True))


def test_lead_times_are_in_their_own_unit() -> None:
    """Hours as ever; minutes and seconds where they are no longer than that; cycles where the contract counts them."""
    quantiles = ("lead_time_h_p10", "lead_time_h_p50", "lead_time_h_p90")

    def lead(*hours: float, clock: Clock = TIME) -> str:
        return rows(dict(zip(quantiles, hours, strict=True)), clock)["lead time"].split(" (")[0]

    assert lead(44.0, 48.2, 49.0) == "44, 48, 49 hours"
    assert lead(0.05, 0.25, 0.5) == "3, 15, 30 minutes"
    assert lead(0.002, 0.005, 0.01) == "7, 18, 36 seconds"
    assert lead(44.0, 48.2, 49.0, clock=BY_CYCLE) == "44, 48, 49 cycles"


def test_errors_of_remaining_life_are_in_their_own_unit() -> None:
    """An error of half a minute is not 0.01 hours."""
    metrics = {"rmse_capped": 0.01, "rmse_uncapped": 0.02, "rmse_mean": 0.015}
    assert rows(metrics)["RMSE"] == "36.00 capped, 72.00 not capped (seconds)"
    assert rows(metrics)["  of the mean"] == "54.00 capped"
    assert rows({name: 1000 * value for name, value in metrics.items()})["RMSE"].endswith("(hours)")
    assert rows(metrics, BY_CYCLE)["RMSE"] == "0.01 capped, 0.02 not capped (cycles)"


def test_inspections_and_rates_count_cycles() -> None:
    metrics = {"fixed_interval_days": 14.0, "false_alarms": 3.0, "false_alarms_per_asset_month": 0.5}
    assert rows(metrics)["  by the calendar"].endswith("every 14 days")
    assert rows(metrics, BY_CYCLE)["  by the calendar"].endswith("every 336 cycles")
    assert rows(metrics, BY_CYCLE)["false alarms"] == "3, or 0.50 per 720 cycles of an asset"
    assert rows(metrics | {"fixed_interval_days": 60 / 86400})["  by the calendar"].endswith("every 60 seconds")
    assert rows({}, BY_CYCLE)["  by the calendar"].endswith("every - days")


def test_risks_are_written_in_their_own_unit() -> None:
    lives = [Risk("a", None, hours, False) for hours in (31.2, 0.5, 0.005)]
    assert list(map(str, lives)) == ["a 31 h", "a 30 min", "a 18 s"]
    assert lives[0].words(BY_CYCLE) == "a 31 cycles"


def test_each_cycle_is_suggested_as_a_cut_off() -> None:
    """Unless they are too many; where times are times a stride is suggested."""
    first = pd.Timestamp("2000-01-01", tz="UTC")
    few = pd.DataFrame({"first": [first] * 3, "last": [first + pd.Timedelta("80h")] * 3})
    many = few.assign(last=first + pd.Timedelta(hours=400_000))
    spans = pd.Series([80 * 3600.0])
    by_cycle, by_time, large = (
        suggest(profiles, 3600.0, spans, clock) for profiles, clock in ((few, BY_CYCLE), (few, TIME), (many, BY_CYCLE))
    )
    assert by_cycle is not None
    assert by_time is not None
    assert large is not None
    assert by_cycle.words.startswith('window = ["10h", "50h"], cut_offs = "rows", horizon = "10h"')  # round numbers
    assert by_cycle.life == "100h"
    assert "a cycle is 1h" in by_cycle.words
    assert by_cycle.to_dict()["cut_offs"] == "rows"
    assert 'stride = "2h"' in by_time.words
    assert by_time.to_dict().keys() == {"window", "stride", "horizon"}
    assert "stride" in large.words


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    def ran(*arguments: str, status: int = 0) -> str:
        capsys.readouterr()
        try:
            code = main([*arguments, "--workspace", "w"])
        except SystemExit as ended:
            code = ended.code
        printed = capsys.readouterr()
        assert (code or 0) == status, printed.err
        return " ".join(printed.out.split())

    return ran


def write_presses(folder: Path) -> None:
    rng = np.random.default_rng(0)
    lives = rng.integers(40, 70, 10)
    telemetry = [
        f"p{press},{cycle},{5 + 0.02 * cycle + max(0, cycle - life + 15) * 0.5 + rng.normal(0, 0.1):.3f}\n"
        for press, life in enumerate(lives)
        for cycle in range(1, life + 1)
    ]
    failures = [f"f{press},p{press},{life},die\n" for press, life in enumerate(lives[:9])]
    (folder / "telemetry.csv").write_text("asset,event_time,force\n" + "".join(telemetry))
    (folder / "failures.csv").write_text("failure_id,asset,event_time,mode\n" + "".join(failures))
    (folder / "press.odcs.yaml").write_text(CONTRACT)
    (folder / "press.toml").write_text(EXPERIMENT)


@pytest.mark.slow
def test_presses_are_told_in_cycles_from_files_to_scores(run: Run, tmp_path: Path) -> None:
    """No hour and no date is printed of machines whose contract counts cycles; JSON keys stay, beside the clock."""
    write_presses(tmp_path)
    files = ["--contract", "press.odcs.yaml", "--telemetry", "telemetry.csv", "--failures", "failures.csv"]
    imported = run("import", "files", *files)
    report = run("data", "report")
    assert 'cut_offs = "rows"' in report
    trained = run("train", "press.toml")
    assert "not capped (cycles)" in trained
    assert "threshold 10 cycles" in trained
    scored = run("score", "--as-of", "cycle 40")
    assert "as of cycle 40" in scored
    assert re.search(r"p\d \d+ cycles", scored)
    why = run("why", "alarm")
    suggestion = re.compile(r"try first: .*? \(a cycle is 1h\)")
    run("score", "--as-of", "cycle 30")
    watched = run("monitor")
    assert "No drift is decided on: the times of press count cycles" in watched
    assert "RMSE, capped" in watched
    assert "cycles" in watched
    assert "false alarms per 720" in watched
    page = (tmp_path / "w" / "reports" / "press.html").read_text()
    assert "what came later (remaining life, cycles)" in page
    figures = json.loads(run("monitor", "--json"))
    assert (figures["clock"], figures["decision"]) == ("cycle", "none")
    assert figures["compared"] > 5
    run("retrain", status=1)
    run("backtest", "press.toml", "--set", "target=failure", status=1)
    of_figures = watched.split("No drift is decided on")[1].split("report:")[0]
    parts = (imported.split("Stored now")[1], report, trained, scored, why.split("What was seen")[1], of_figures)
    for printed in parts:
        assert OF_TIME.findall(suggestion.sub("", printed)) == []
    assert json.loads(run("train", "press.toml", "--json"))["clock"] == "cycle"
    assert json.loads(run("score", "--as-of", "2000-01-02T16:00:00Z", "--json"))["clock"] == "cycle"
    hours = json.loads(run("train", "press.toml", "--set", "label.cap=30h", "--json"))["understood"]
    assert hours == ["durations may be in cycles; one counts 1h, so that label.cap 30h is 30 cycles"]
    assert json.loads(run("data", "report", "--json"))["reports"][0]["clock_is"] == "cycle"


@pytest.mark.slow
def test_each_press_is_scored_at_its_own_last_cycle(run: Run, tmp_path: Path) -> None:
    """Cycles have no present that presses share: who failed at the end is failed, a failure further on is yet to come.

    Stored features and the endpoint answer for the same cut-offs.
    """
    write_presses(tmp_path)
    telemetry = pd.read_csv(tmp_path / "telemetry.csv")
    lives = telemetry.groupby("asset")["event_time"].max()
    # Two presses still run: one has no failure on record, of the other it is known how it will end.
    cut = telemetry[~((telemetry["asset"] == "p1") & (telemetry["event_time"] > lives["p1"] - 5))]
    cut.to_csv(tmp_path / "telemetry.csv", index=False)
    files = ["--contract", "press.odcs.yaml", "--telemetry", "telemetry.csv", "--failures", "failures.csv"]
    run("import", "files", *files)
    run("train", "press.toml")
    printed = run("score", "--top", "5")
    assert f"each asset as of its own last reading, the latest cycle {lives.max()}: 2 assets" in printed
    assert "with a failure stored for a later cycle than that, which is not known there: 1" in printed
    assert OF_TIME.findall(printed) == []
    scored = json.loads(run("score", "--top", "5", "--json"))
    assert (scored["scored"], scored["stored"], len(scored["failed"])) == (2, 0, 8)
    assert (scored["own_cut_offs"], scored["fail_later"]) == (True, 1)
    cycles = {risk["asset"]: risk["cycle"] for risk in scored["by_risk"]}
    assert cycles == {"p1": lives["p1"] - 5, "p9": lives["p9"]}
    workspace = open_workspace(tmp_path / "w", {})
    champion = load_champion(workspace, "press").model
    lives_h = {risk["asset"]: risk["remaining_life_cycles"] for risk in scored["by_risk"]}
    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: pd.Timestamp.now("UTC"))
    serving = ServedChampion("press", champion.version, champion.artifact, pd.Timestamp.now("UTC"))
    for features in ("latest", "stored"):
        body = json.dumps({"assets": ["p0", "p1", "p9"], "features": features}).encode()
        failed, *answers = predictor.predict(parse_request(body, 10), serving)["predictions"]
        assert failed["status"] == "failed"
        for answer in answers:
            assert (answer["status"], answer["clock"]) == ("ok", "cycle")
            figures = answer["cycles"]
            assert figures["as_of"] == figures["last_reading"] == cycles[answer["asset"]]
            assert (figures["horizon"], figures["feature_age"]) == (10, 0)
            assert figures["remaining_life"] == pytest.approx(lives_h[answer["asset"]])
