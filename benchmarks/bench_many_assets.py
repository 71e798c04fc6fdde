"""CPU seconds and memory of fleets of many assets: import, read, train, score, monitor, predict, plan.

    python benchmarks/bench_many_assets.py --assets 2000 50000

Each step is a process of its own. Every asset has three days of hourly readings; one in four fails and is silent from
then on, one in twenty is retired. The last column is the CPU seconds an asset in the largest fleet beside the smallest:
x 1.00 is linear, and less because every process takes some seconds to start.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

START = pd.Timestamp("2026-03-01T00:00Z").as_unit("us")
LEARNED_H, HOURS = 48, 72  # the hours to learn from, and all
FAILING, RETIRED, INSPECTED = 4, 20, 10  # one asset in so many
WARNING_H = 10
NAMES = ("assets", "failures", "work_orders", "telemetry")
REPOSITORY = Path(__file__).parents[1]
CLI = "from pipelines.cli import main; main()"
OPEN = """
import os, sys
from pathlib import Path
import pandas as pd
from data_contracts.workspace import open_workspace
workspace, n_assets = open_workspace(Path("w"), os.environ), int(sys.argv[1])
START = pd.Timestamp("2026-03-01T00:00Z").as_unit("us")
"""
READ = """
from data_contracts.tables.history import read_history
history = read_history(workspace, "pump")
assert history.assets["asset"].nunique() == n_assets
"""
TRAIN = """
from models.experiment.experiment_file import load_experiment
from pipelines.jobs.train import train_experiment
print(train_experiment(workspace, load_experiment(Path("pumps.toml"), []), now=START + pd.Timedelta("48h")).to_dict())
"""
ENDPOINT = """
import json
from types import SimpleNamespace
from pipelines.evidence.champion import load_champion
from serving.deployment.champion import Champion
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.routes.worklist import plan_worklist
from serving.schemas.planning_requests import WorklistRequest
from serving.schemas.predict_request import parse_request
from serving.settings import Settings
now = START + pd.Timedelta("51h")
model = load_champion(workspace, "pumps").model
champion = Champion(model.name, model.version, model.artifact, now)
predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: now)
worker = SimpleNamespace(
    workspace=workspace,
    settings=Settings(),
    predictor=predictor,
    watch=SimpleNamespace(current=champion),
    champion=lambda: champion,
)
"""
PREDICT = """
for first in range(10):
    names = [f"pump-{number:06d}" for number in range(first, 1000, 10)]
    body = json.dumps({"assets": names, "as_of": now.isoformat()}).encode()
    assert len(predictor.predict(parse_request(body, 100), champion)["predictions"]) == 100
"""
WORKLIST = """
costs = {"planned": 1000, "failure": 20000, "downtime_per_hour": 1000, "unplanned_hours": 10}
crews = {"machines_per_day": 50}
request = WorklistRequest.model_validate({"days": 2, "crews": crews, "costs": costs, "repair_hours": 6})
answer = plan_worklist(worker, request)
print(len(answer["lines"]), "lines", len(answer["left_out"]), "left out")
"""
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: bench.pump
name: telemetry_pump
version: 1.0.0
status: active
customProperties: [{property: assetType, value: pump}]
schema:
  - name: telemetry
    logicalType: object
    properties:
      - {name: asset, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: event_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 2}
      - {name: source, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 3}
      - {name: known_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 4}
      - {name: vibration, logicalType: number}
      - {name: temperature, logicalType: number}
"""
EXPERIMENT = """
name = "pumps"
target = "failure"
[data]
asset_type = "pump"
[label]
horizon = "12h"
[windows]
window = ["12h"]
stride = "6h"
[features]
tsfresh = "minimal"
ages = true
[estimator]
kind = "lightgbm"
[estimator.params]
n_estimators = 50
[split]
kind = "asset"
test_share = 0.3
"""


Names = npt.NDArray[np.str_]
Hours = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Used:
    """What a step used."""

    cpu_s: float
    peak_mb: float


def write_fleet(folder: Path, n_assets: int) -> None:
    """Write telemetry, records, failures and work orders of a fleet in two parts, its contract and its experiment."""
    rng = np.random.default_rng(n_assets)
    names = np.array([f"pump-{number:06d}" for number in range(n_assets)])
    number = np.arange(n_assets)
    fails_at = np.where(number % FAILING == 0, rng.integers(20, HOURS, n_assets), 10 * HOURS)
    retires_at = np.where(number % RETIRED == 1, HOURS - WARNING_H, 10 * HOURS)
    tables = {
        "assets": _records(rng, names, retires_at),
        "failures": _failures(names, fails_at),
        "work_orders": _work_orders(rng, names),
        "telemetry": _telemetry(rng, names, fails_at, retires_at),
    }
    for name, table in tables.items():
        later = table["event_time"] >= START + pd.Timedelta(hours=LEARNED_H)
        table[~later].to_parquet(folder / f"{name}_1.parquet", index=False)
        table[later].to_parquet(folder / f"{name}_2.parquet", index=False)
    (folder / "pump.odcs.yaml").write_text(CONTRACT, encoding="utf-8")
    (folder / "pumps.toml").write_text(EXPERIMENT, encoding="utf-8")


def _telemetry(rng: np.random.Generator, names: Names, fails_at: Hours, retires_at: Hours) -> pd.DataFrame:
    hour = np.tile(np.arange(HOURS), len(names))
    left = np.repeat(fails_at, HOURS) - hour
    frame = pd.DataFrame({"asset": np.repeat(names, HOURS), "event_time": START + pd.to_timedelta(hour, unit="h")})
    warning = np.clip(WARNING_H - left, 0, None) / 4
    frame["vibration"] = (2 + warning + rng.normal(0, 0.3, len(hour))).round(3)
    frame["temperature"] = rng.normal(60, 2, len(hour)).round(2)
    return frame.assign(source="physical")[(left >= 0) & (hour <= np.repeat(retires_at, HOURS))]


def _records(rng: np.random.Generator, names: Names, retires_at: Hours) -> pd.DataFrame:
    records = pd.DataFrame({"asset": names, "event_time": START - pd.Timedelta(days=30), "asset_type": "pump"})
    records["model"], records["plant"] = rng.choice(["A", "B"], len(names)), rng.choice(["north", "south"], len(names))
    records["status"] = "in_service"
    retired = retires_at < HOURS
    at = START + pd.to_timedelta(retires_at[retired], unit="h")
    return pd.concat([records, records[retired].assign(event_time=at, status="retired")], ignore_index=True)


def _failures(names: Names, fails_at: Hours) -> pd.DataFrame:
    failed = np.flatnonzero(fails_at < HOURS)
    at = START + pd.to_timedelta(fails_at[failed], unit="h")
    frame = pd.DataFrame({"failure_id": [f"F{number}" for number in failed], "asset": names[failed], "event_time": at})
    return frame.assign(mode="bearing")


def _work_orders(rng: np.random.Generator, names: Names) -> pd.DataFrame:
    routine = pd.DataFrame({"asset": names, "event_time": START + pd.Timedelta(hours=1), "kind": "routine"})
    inspected = names[::INSPECTED]
    at = START + pd.to_timedelta(rng.integers(2, HOURS, len(inspected)), unit="h")
    inspections = pd.DataFrame({"asset": inspected, "event_time": at, "kind": "inspection", "prompted_by": "alarm"})
    inspections["finding"] = rng.choice(["no_fault_found", "defect_confirmed"], len(inspected))
    orders = pd.concat([routine, inspections], ignore_index=True).assign(component="seal")
    return orders.assign(work_order_id=[f"W{number}" for number in range(len(orders))])


def steps(n_assets: int) -> dict[str, Sequence[str]]:
    """Return the commands, in order."""

    def imported(part: int) -> list[str]:
        files = [word for name in NAMES for word in (f"--{name.replace('_', '-')}", f"{name}_{part}.parquet")]
        return ["-c", CLI, "import", "files", "--contract", "pump.odcs.yaml", *files, "-w", "w"]

    def python(*code: str) -> list[str]:
        return ["-c", OPEN + "".join(code), str(n_assets)]

    as_of, now = ((START + pd.Timedelta(hours=hours)).isoformat() for hours in (50, HOURS))
    scored = ["-c", CLI, "score", "--as-of", as_of, "-w", "w", "--json"]
    return {
        "import two days": imported(1),
        "train": python(TRAIN),
        "import a day": imported(2),
        "read": python(READ),
        "score": scored,
        "score again": scored,
        "monitor": ["-c", CLI, "monitor", "--now", now, "-w", "w", "--json"],
        "predict 10 x 100": python(ENDPOINT, PREDICT),
        "worklist": python(ENDPOINT, WORKLIST),
    }


def measure(command: Sequence[str], folder: Path, log: Path) -> Used:
    """Run one step and wait for it; a step that dies ends the benchmark."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=folder, env=environment, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command[2:])} ended with {process.returncode}; see {log}")
    return Used(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def run(n_assets: int, folder: Path, chosen: Sequence[str]) -> dict[str, Used]:
    """Make a fleet and measure every step with it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "telemetry_2.parquet").exists():
        write_fleet(folder, n_assets)
    used = {}
    for name, command in steps(n_assets).items():
        if not chosen or name in chosen:
            used[name] = measure(command, folder, folder / "output.log")
            print(
                f"{n_assets:,} assets, {name}: {used[name].cpu_s:.1f} s, {used[name].peak_mb:,.0f} MB", file=sys.stderr
            )
    return used


def table(results: dict[int, dict[str, Used]]) -> str:
    """Lay the figures out, a row a step."""
    smallest, largest = min(results), max(results)
    rows = []
    for name in results[smallest]:
        row: dict[str, str] = {"step": name}
        for n_assets, used in results.items():
            row |= {
                f"CPU s, {n_assets:,}": f"{used[name].cpu_s:.1f}",
                f"MB, {n_assets:,}": f"{used[name].peak_mb:,.0f}",
            }
        ratio = results[largest][name].cpu_s / results[smallest][name].cpu_s * smallest / largest
        rows.append(row | {"per asset": f"x {ratio:.2f}"})
    return pd.DataFrame(rows).to_string(index=False)


def main() -> None:
    """Read the arguments, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, nargs="+", default=[2_000, 50_000], help="sizes of the fleets")
    parser.add_argument("--steps", nargs="+", default=[], help="only these steps, in a folder that has the others")
    parser.add_argument("--folder", type=Path, help="where to keep files and workspaces; a temporary folder by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = (arguments.folder or Path(temporary)).resolve()
        results = {size: run(size, root / str(size), arguments.steps) for size in sorted(arguments.assets)}
    print(table(results))


if __name__ == "__main__":
    main()
