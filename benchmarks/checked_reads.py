"""What it costs to compare files with their checksums before a model learns from them.

python benchmarks/checked_reads.py [ROWS]: CPU and wall seconds of the comparison, and of reading the same history once,
as a training does; a table of 200 assets with eight channels of noise.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from deltalake import DeltaTable

from data_contracts.tables import tables
from data_contracts.tables.files.verification import data_files, refuse_damaged
from data_contracts.tables.history import open_history
from data_contracts.tables.table_access import location
from data_contracts.workspace import init_workspace

TABLE = "telemetry/press"
BATCH = 200_000


def fill(root: Path, count: int) -> str:
    """Store so many rows in batches; return the table's folder."""
    workspace, rng = init_workspace(root), np.random.default_rng(0)
    for first in range(0, count, BATCH):
        minutes = np.arange(first, first + BATCH) // 200
        times = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us") + pd.to_timedelta(minutes, unit="min")
        frame = pd.DataFrame({"asset": [f"press-{n % 200:03d}" for n in range(BATCH)], "event_time": times})
        frame = frame.assign(known_time=frame["event_time"], source="physical")
        frame[[f"c{n}" for n in range(8)]] = rng.normal(size=(BATCH, 8)).round(3)
        tables.append(workspace, TABLE, frame, str(first))
    return location(workspace, TABLE)


def main(count: int) -> None:
    """Print the cost of both."""
    with tempfile.TemporaryDirectory() as folder:
        where = fill(Path(folder, "workspace"), count)
        workspace = init_workspace(Path(folder, "workspace"))
        delta = DeltaTable(where)
        files = data_files(delta)
        size = sum(file.size for file in files)
        wall, cpu = time.perf_counter(), time.process_time()
        refuse_damaged(delta, TABLE)
        checked = time.perf_counter() - wall, time.process_time() - cpu
        wall, cpu = time.perf_counter(), time.process_time()
        rows = sum(len(block.telemetry) for block in open_history(workspace, "press").blocks())
        read = time.perf_counter() - wall, time.process_time() - cpu
        print(f"{rows:,} rows in {len(files)} files, {size / 1e6:.0f} MB")
        print(f"compared: {checked[0]:.2f} s, {checked[1]:.2f} s of CPU, {size / 1e6 / checked[1]:.0f} MB/s")
        print(f"read:     {read[0]:.2f} s, {read[1]:.2f} s of CPU")
        print(f"ratio of CPU {checked[1] / read[1]:.4f}, of time {checked[0] / read[0]:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4_000_000)
