"""Anomaly alarms of a simulated fleet that has seen no failure, beside a model that has.

    python benchmarks/bench_anomalies.py

Detectors learn from 60 days of 60 machines, a third of which is telemetry of wearing parts, as nobody reported any
failure. The next 60 days are scored. Counted is the share of the failures that an alarm announced 24 h to 168 h before,
by what failed: at the limit that blocks of the 60 days give for one false alarm in two asset-months, and at the limit
that would have given just that rate in the test, which nobody knows beforehand. Beside them: as many alarms at random,
and the failure model of the same features, trained on the failures of the same 60 days.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from data_contracts.tables.history import read_history
from data_contracts.workspace import init_workspace, open_workspace
from models.artifact.scoring import score
from models.experiment.experiment import Experiment
from models.outcomes.error_rates import error_rates
from models.outcomes.outcomes import Terms, outcomes
from models.training.samples import draw_samples
from models.training.training import latest_known_time, train
from pipelines.fleet.simulation import Fleet
from pipelines.importers.batch import import_batch

RATE, START, TEST = 0.5, pd.Timestamp("2025-01-01", tz="UTC"), "2025-03-02"
NONE, DAY, WEEK = (pd.Timedelta(hours=h).as_unit("us") for h in (0, 24, 168))
DETECTORS = ("mahalanobis", "principal_components", "isolation_forest", "anomaly_ensemble")


def experiment(kind, window, regimes):
    target = "failure" if kind == "lightgbm" else "anomaly"
    return Experiment.from_json(
        json.dumps(
            {
                "name": "bench",
                "target": target,
                "data": {"asset_type": "cnc_machine"},
                "label": {"horizon": "168h", "down_after_failure": "24h"},
                "windows": {"window": window, "stride": "12h"},
                "features": {
                    "tsfresh": ["mean", "standard_deviation", 'linear_trend__attr_"slope"'],
                    "regimes": regimes,
                    "operating_channels": ["spindle_speed"],
                    "events": target == "failure",
                    "ages": target == "failure",
                },
                "estimator": {"kind": kind},
                "alarms": {} if target == "failure" else {"per_asset_month": RATE},
                "split": {"kind": "time", "test_start": TEST},
            }
        )
    )


def judged(scores, threshold, history, now):
    """Return false alarms per asset-month, and the failures with their states, at a threshold.

    An alarm is false if no failure follows within a week; a failure is announced by one a day before it or earlier.
    """
    predictions = scores.assign(alert=scores["score"] >= threshold)
    false, announced = (
        outcomes(
            predictions,
            history.failures,
            history.work_orders,
            now=now,
            terms=Terms(lead, WEEK - lead, DAY, NONE, DAY),
        )
        for lead in (NONE, DAY)
    )
    failures = announced.failures
    first, last = scores["as_of"].min() + WEEK, scores["as_of"].max()
    failures = failures[(failures["event_time"] > first) & (failures["event_time"] <= last)]
    return error_rates(false).false_episodes.value, failures


def at_rate(scores, history, now):
    """Find the threshold with the declared rate of false alarms in the test itself."""
    low, high = 0.0, len(scores) - 1.0
    ordered = np.sort(scores["score"].to_numpy())
    for _ in range(12):
        middle = (low + high) / 2
        if judged(scores, ordered[int(middle)], history, now)[0] > RATE:
            low = middle
        else:
            high = middle
    return ordered[int(np.ceil(high))]


def line(name, threshold, scores, history, now):
    rate, failures = judged(scores, threshold, history, now)
    modes = history.failures.drop_duplicates(["asset", "event_time"]).set_index(["asset", "event_time"])["mode"]
    keys = pd.MultiIndex.from_frame(failures[["asset", "event_time"]])
    caught = failures["state"].isin(["caught", "prevented"]).to_numpy()
    table = pd.DataFrame({"mode": modes.reindex(keys).to_numpy(), "caught": caught})
    by_mode = table.groupby("mode")["caught"].agg(["sum", "size"])
    words = ", ".join(f"{mode} {row['sum']}/{row['size']}" for mode, row in by_mode.iterrows())
    share = caught.mean()
    print(f"{name:46s} {share:5.1%} of {len(caught)} announced, {rate:.2f} false a month: {words}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--detectors", nargs="*", default=list(DETECTORS))
    parser.add_argument("--alone", action="store_true", help="neither the failure model nor chance")
    parser.add_argument("--known", action="store_true", help="leave out what known failures followed")
    parser.add_argument("--window", default="24h")
    parser.add_argument("--regimes", type=int, default=3)
    options = parser.parse_args()
    if options.workspace is None:
        workspace = init_workspace(Path(tempfile.mkdtemp()) / "fleet")
        end = START + pd.Timedelta(days=120)
        import_batch(workspace, Fleet(seed=options.seed, machines=60, start=START).advance(end), now=end)
    else:
        workspace = open_workspace(options.workspace, {})
    history = read_history(workspace, "cnc_machine")
    now = latest_known_time(history)
    silent = replace(history, failures=history.failures[:0], work_orders=history.work_orders[:0])
    for kind in (*options.detectors, *(() if options.alone else ("lightgbm",))):
        plan = experiment(kind, options.window, options.regimes)
        trained = train(plan, history if kind == "lightgbm" or options.known else silent)
        tested = draw_samples(plan, history, now).test[["asset", "as_of"]]
        frame = score(trained.artifact, history, tested)
        column = "probability" if kind == "lightgbm" else "anomaly_score"
        scores = frame[["asset", "as_of"]].assign(score=frame[column])[frame[column].notna()]
        if kind != "lightgbm":
            print(f"{kind}: {trained.columns_reason}\n  limit: {trained.threshold.reason}")
            line(f"{kind}, limit by held-out blocks", trained.threshold.value, scores, history, now)
        line(f"{kind}, limit at the rate of the test", at_rate(scores, history, now), scores, history, now)
    if options.alone:
        return
    rng = np.random.default_rng(0)
    chance = scores.assign(score=rng.random(len(scores)))
    line("at random, at the rate of the test", at_rate(chance, history, now), chance, history, now)


if __name__ == "__main__":
    main()
