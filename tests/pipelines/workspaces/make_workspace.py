"""Make the small workspace that later versions upgrade; the argument is the archive to write, such as v0.1.tar.xz.

Run by the version that it is named after, once; it is kept as it was written. Plots and the copies of the source that
MLflow keeps with a model are left out, as nothing reads them and they are most of its size.
"""

import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from data_contracts.records.records import open_records
from data_contracts.records.tokens import create_token
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace
from models.experiment.experiment_file import load_experiment
from pipelines.jobs.monitor import monitor_champion
from pipelines.jobs.score import score_fleet
from pipelines.jobs.train import train_experiment
from pipelines.settings.settings import read_settings

START, HOUR = pd.Timestamp("2026-01-01T00:00Z").as_unit("us"), pd.Timedelta("1h")
DAYS, ASSETS = 60, [f"pump-{number}" for number in range(6)]
CHANNELS = ("volt", "rotate", "pressure", "vibration")
SCORED = START + DAYS * 24 * HOUR
EXPERIMENT = """
name = "kept"
target = "failure"
seed = 1
[data]
asset_type = "azure_machine"
[label]
horizon = "48h"
[windows]
window = "24h"
stride = "12h"
[features]
tsfresh = "minimal"
events = false
ages = false
[estimator]
kind = "lightgbm"
params = {n_estimators = 8, num_leaves = 4}
[split]
kind = "time"
test_start = 2026-02-10T00:00:00Z
"""


def fill(workspace: Workspace) -> None:
    """Store two months of telemetry in which vibration rises before each failure."""
    rng, hours = np.random.default_rng(2), np.arange(0, DAYS * 24 + 1, 3)
    telemetry, failures = [], []
    for asset in ASSETS:
        values = rng.normal((170.0, 450.0, 100.0, 40.0), (3.0, 10.0, 2.0, 1.0), (len(hours), 4)).round(1)
        for failed in range(int(rng.integers(100, 200)), DAYS * 24, 170):
            values[(hours > failed - 50) & (hours < failed), 3] += 6.0
            failures.append((f"{asset}-{failed}", asset, START + failed * HOUR, "bearing"))
        telemetry.append(
            pd.DataFrame(values, columns=list(CHANNELS)).assign(asset=asset, event_time=START + hours * HOUR)
        )
    rows = pd.concat(telemetry, ignore_index=True)
    failed_at = pd.DataFrame(failures, columns=["failure_id", "asset", "event_time", "mode"])
    known = pd.DataFrame({"asset": ASSETS, "event_time": START, "known_time": START})
    for name, frame in (
        ("telemetry/azure_machine", rows.assign(known_time=rows["event_time"], source="physical")),
        ("failures", failed_at.assign(known_time=failed_at["event_time"] + 6 * HOUR)),
        ("assets", known.assign(asset_type="azure_machine", model="m1", plant="plant", line="a")),
    ):
        tables.append(workspace, name, frame, "all")


def make(root: Path) -> None:
    """Make the workspace: data, a champion, its predictions, a run of the monitor, a token."""
    workspace = init_workspace(root)
    fill(workspace)
    experiment = root.parent / "kept.toml"
    experiment.write_text(EXPERIMENT)
    train_experiment(workspace, load_experiment(experiment), now=START + 45 * 24 * HOUR)
    settings = read_settings(workspace, {})
    for days in (46, 50, 55, 60):
        score_fleet(workspace, "kept", as_of=START + days * 24 * HOUR)
    monitor_champion(workspace, "kept", now=SCORED, settings=settings)
    create_token(open_records(workspace.records_url), "scheduler", ["predict"], at=SCORED)


def pack(root: Path, archive: Path) -> None:
    """Write the workspace into an archive, without what nothing reads."""
    with open_records(f"sqlite:///{root}/records.db").connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    for folder in (*root.rglob("code"), *root.rglob("plots"), root / "reports", root / "prefect"):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (*root.rglob("*.png"), *root.rglob("*-wal"), *root.rglob("*-shm")):
        file.unlink()
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        packed.add(root, "workspace")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        make(Path(scratch) / "workspace")
        pack(Path(scratch) / "workspace", Path(sys.argv[1]))
