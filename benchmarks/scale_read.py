"""CPU seconds and peak memory of what reads telemetry, by how many rows there are: train, score, features, monitor.

    python benchmarks/scale_read.py --rows 1 10 100 --folder /tmp/scale

A fleet of 2,000 assets with two channels; `--rows` are millions, stored as daily batches straight into the table. Every
asset wears for ten days, fails and is repaired. Each step is a process of its own, the learner a small one. Samples and
predictions stay as many, so that what grows is due to the telemetry.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

REPOSITORY = Path(__file__).parents[1]
START, DAYS = pd.Timestamp("2026-03-01T00:00Z").as_unit("us"), 40
LIFE_H = 240
OPEN = """
import os, sys
from pathlib import Path
import pandas as pd
from data_contracts.workspace import open_workspace
workspace = open_workspace(Path("w"), os.environ)
START = pd.Timestamp("2026-03-01T00:00Z").as_unit("us")
now = START + pd.Timedelta(days=int(sys.argv[1]))
"""
STEPS = {
    "train": """
from models.experiment.experiment_file import load_experiment
from models.registry.registry import Registry
from pipelines.jobs.train import train_experiment
first = Registry(workspace).champion("pumps") is None
print(train_experiment(workspace, load_experiment(Path("pumps.toml"), []), now=now, insist=first).to_dict())
""",
    "features": """
import shutil
from models.experiment.experiment_file import load_experiment
from pipelines.jobs.extraction import extract_features
shutil.rmtree("features", ignore_errors=True)
print(extract_features(workspace, load_experiment(Path("pumps.toml"), []), Path("features"), now=now).to_dict())
""",
    "score": """
from pipelines.jobs.score import score_fleet
print({**score_fleet(workspace, "pumps", now=now).to_dict(), "by_risk": None, "alerts": None})
""",
    "monitor": """
from pipelines.evidence.monitoring_snapshot import gather_snapshot
from pipelines.settings.settings import read_settings
snapshot = gather_snapshot(workspace, "pumps", now=now, settings=read_settings(workspace, os.environ))
print(snapshot.rates, len(snapshot.diagnosis.findings))
""",
    "retrain": """
from pipelines.retraining.challenger import hold_out, plan_comparison
from pipelines.settings.settings import read_settings
settings = read_settings(workspace, os.environ)
holdout = hold_out(workspace, "pumps", settings, now=now, urgent=True)
print(holdout.length, plan_comparison(holdout, settings)[1])
""",
}
EXPERIMENT = """
name = "pumps"
target = "failure"
[data]
asset_type = "pump"
[label]
horizon = "48h"
[windows]
window = ["12h"]
stride = "48h"
[features]
tsfresh = ["mean", "maximum"]
[estimator]
kind = "lightgbm"
[estimator.params]
n_estimators = 20
[split]
kind = "time"
test_start = "2026-03-25T00:00Z"
"""


def write_fleet(folder: Path, n_assets: int, millions: float) -> None:
    """Store a fleet in a new workspace, its telemetry day by day."""
    sys.path.insert(0, str(REPOSITORY))
    from data_contracts.tables import tables
    from data_contracts.workspace import init_workspace

    workspace, rng = init_workspace(folder / "w"), np.random.default_rng(n_assets)
    (folder / "pumps.toml").write_text(EXPERIMENT, encoding="utf-8")
    names = np.array([f"pump-{number:06d}" for number in range(n_assets)])
    phase = rng.uniform(0, LIFE_H, n_assets)
    records = pd.DataFrame({"asset": names, "event_time": START - pd.Timedelta(days=30), "asset_type": "pump"})
    records = records.assign(model=rng.choice(["A", "B"], n_assets), plant="north", status="in_service", line="1")
    tables.append(workspace, "assets", records.assign(known_time=START - pd.Timedelta(days=30)), "assets")
    ends = np.concatenate([LIFE_H * k - phase for k in range(1, DAYS * 24 // LIFE_H + 2)])
    failed = pd.DataFrame({"asset": np.resize(names, len(ends)), "h": ends}).query("0 < h < 24 * @DAYS")
    at = START + pd.to_timedelta(failed["h"].round(3), unit="h").dt.as_unit("us")
    failures = pd.DataFrame({"asset": failed["asset"], "event_time": at, "known_time": at, "mode": "bearing"})
    failures["failure_id"] = [f"F{number}" for number in range(len(failures))]
    tables.append(workspace, "failures", failures, "failures")
    a_day = max(1, round(millions * 1e6 / n_assets / DAYS))
    for day in range(DAYS):
        hours = np.tile(24 * day + (np.arange(a_day) + 1) * 24 / a_day, n_assets)
        worn = (hours + np.repeat(phase, a_day)) % LIFE_H / LIFE_H
        frame = pd.DataFrame({"asset": np.repeat(names, a_day)})
        frame["event_time"] = START + pd.to_timedelta((hours * 3_600e6).astype(np.int64), unit="us")
        frame["known_time"], frame["source"] = frame["event_time"], "physical"
        frame["vibration"] = (2 + 3 * worn**4 + rng.normal(0, 0.3, len(hours))).round(3)
        frame["temperature"] = rng.normal(60, 2, len(hours)).round(2)
        tables.append(workspace, "telemetry/pump", frame, f"day {day}")


def measure(code: str, folder: Path, log: Path) -> tuple[float, float]:
    """Run one step and wait for it; return CPU seconds and peak megabytes."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with log.open("ab") as output:
        command = [sys.executable, "-c", OPEN + code, str(DAYS)]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"a step ended with {process.returncode}; see {log}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, nargs="+", default=[1, 10], help="millions of rows of telemetry")
    parser.add_argument("--assets", type=int, default=2_000)
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--folder", type=Path, help="where to keep the workspaces; a temporary folder by default")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        for millions in chosen.rows:
            folder = (chosen.folder or Path(temporary)).resolve() / f"{chosen.assets}_{millions:g}"
            if not folder.exists():
                folder.mkdir(parents=True)
                write_fleet(folder, chosen.assets, millions)
            for step in chosen.steps:
                cpu, peak = measure(STEPS[step], folder, folder / "output.log")
                print(f"{millions:g} M rows, {chosen.assets:,} assets, {step}: {cpu:.1f} s, {peak:,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
