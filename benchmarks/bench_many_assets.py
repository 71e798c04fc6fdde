"""CPU seconds and memory of reading, training and scoring fleets of many assets, each step in a process of its own.

    python benchmarks/bench_many_assets.py --assets 2000 50000

Every asset has two days of hourly readings; one in 25 fails and is silent from then on. The last column says how many
times the CPU seconds an asset grew from the smallest fleet: 1.0 is linear.
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
import pandas as pd

START = pd.Timestamp("2026-03-01T00:00Z").as_unit("us")
HOURS = 48
FAILING = 25  # one asset in so many
WARNING_H = 10
AS_OF = (START + pd.Timedelta(hours=30)).isoformat()
NOW = (START + pd.Timedelta(days=4)).isoformat()
REPOSITORY = Path(__file__).parents[1]
CLI = "from pipelines.cli import main; main()"
READ = """
import os, sys
from pathlib import Path
from data_contracts.tables.history import read_history
from data_contracts.workspace import open_workspace
history = read_history(open_workspace(Path(sys.argv[1]), os.environ), "pump")
assert history.assets["asset"].nunique() == int(sys.argv[2])
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


@dataclass(frozen=True)
class Used:
    """What a step used."""

    cpu_s: float
    peak_mb: float


def write_fleet(folder: Path, n_assets: int) -> None:
    """Write telemetry, records, failures and work orders of a fleet, its contract and its experiment."""
    rng = np.random.default_rng(n_assets)
    names = np.array([f"pump-{number:06d}" for number in range(n_assets)])
    fails_at = np.where(np.arange(n_assets) % FAILING == 0, rng.integers(20, HOURS, n_assets), HOURS + WARNING_H)
    hour = np.tile(np.arange(HOURS), n_assets)
    left = np.repeat(fails_at, HOURS) - hour
    telemetry = pd.DataFrame({"asset": np.repeat(names, HOURS), "event_time": START + pd.to_timedelta(hour, unit="h")})
    warning = np.clip(WARNING_H - left, 0, None) / 4
    telemetry["vibration"] = (2 + warning + rng.normal(0, 0.3, len(hour))).round(3)
    telemetry["temperature"] = rng.normal(60, 2, len(hour)).round(2)
    telemetry["known_time"], telemetry["source"] = telemetry["event_time"], "physical"
    telemetry[left >= 0].to_parquet(folder / "telemetry.parquet", index=False)
    failed = np.flatnonzero(fails_at < HOURS)
    at = START + pd.to_timedelta(fails_at[failed], unit="h")
    failures = pd.DataFrame({"failure_id": [f"F{number}" for number in failed], "asset": names[failed]})
    failures.assign(event_time=at, mode="bearing").to_parquet(folder / "failures.parquet", index=False)
    orders = pd.DataFrame({"work_order_id": [f"W{number}" for number in range(n_assets)], "asset": names})
    orders = orders.assign(event_time=START + pd.Timedelta(hours=1), kind="routine", component="seal")
    orders.to_parquet(folder / "work_orders.parquet", index=False)
    records = pd.DataFrame({"asset": names, "event_time": START - pd.Timedelta(days=30), "asset_type": "pump"})
    records = records.assign(model=rng.choice(["A", "B"], n_assets), plant=rng.choice(["north", "south"], n_assets))
    records.to_parquet(folder / "assets.parquet", index=False)
    (folder / "pump.odcs.yaml").write_text(CONTRACT, encoding="utf-8")
    (folder / "pumps.toml").write_text(EXPERIMENT, encoding="utf-8")


def steps(n_assets: int) -> dict[str, Sequence[str]]:
    """Return the commands, in order."""
    names = ("telemetry", "assets", "failures", "work_orders")
    files = [word for name in names for word in (f"--{name.replace('_', '-')}", f"{name}.parquet")]
    workspace = ["-w", "w"]
    return {
        "import": ["-c", CLI, "import", "files", "--contract", "pump.odcs.yaml", *files, *workspace],
        "read": ["-c", READ, "w", str(n_assets)],
        "train": ["-c", CLI, "train", "pumps.toml", *workspace],
        "score": ["-c", CLI, "score", "--as-of", AS_OF, *workspace, "--json"],
        "score again": ["-c", CLI, "score", "--as-of", AS_OF, *workspace, "--json"],
        "monitor": ["-c", CLI, "monitor", "--now", NOW, *workspace, "--json"],
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
    if process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command[2:])} ended with {process.returncode}; see {log}")
    return Used(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def run(n_assets: int, folder: Path, chosen: Sequence[str]) -> dict[str, Used]:
    """Make a fleet and measure every step with it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "telemetry.parquet").exists():
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
