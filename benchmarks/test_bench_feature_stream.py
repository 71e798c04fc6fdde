"""Windows of a whole data set as a stream: time and memory, to a consumer that sums every column and to Parquet."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from benchmarks.telemetry_like import windows

CHANNELS = 14
SAMPLES = 30
ROUNDS = 3

# Each run has a process of its own, so that its peak of memory is the run's. The windows are made in another one, so
# that none of their memory is reused.
RUN = """
import ctypes, gc, json, sys, time
from pathlib import Path
import numpy as np
import tsfresh.feature_extraction.feature_calculators  # computes the values that kernels leave to it
from features import stream_windows, write_features

def memory(line):
    status = Path("/proc/self/status").read_text()
    return int(status.split(line)[1].split()[0]) / 1e3

values, target = np.load(sys.argv[1]), sys.argv[2]
channels = [f"c{number}" for number in range(values.shape[1])]
# Compiling, importing and planning once is not part of the measurement.
def sums(batch):
    return np.asarray(batch.to_tensor(row_major=False)).sum(axis=0)

for batch in stream_windows(values[:64], channels, "efficient"):
    sums(batch)
del batch
gc.collect()
# Return freed memory to the system, and reset the peak.
ctypes.CDLL(None).malloc_trim(0)
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS:")
begin, cpu = time.perf_counter(), time.process_time()
stream = stream_windows(values, channels, "efficient")
if target == "sum":
    total = np.zeros(len(stream.schema))
    for batch in stream:
        total += sums(batch)
else:
    write_features(stream, target)
print(json.dumps({
    "seconds": time.perf_counter() - begin,
    "cpu": time.process_time() - cpu,
    "mb": memory("VmHWM:") - before,
}))
"""


@pytest.mark.usefixtures("benchmark")
@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")
@pytest.mark.timeout(1800)
def test_stream_of_windows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = Table(box=None)
    for name in ("windows", "to", "seconds", "CPU seconds", "extra memory, MB"):
        table.add_column(name, justify="right")
    for n, target in ((52_000, "sum"), (104_000, "sum"), (13_000, "parquet"), (26_000, "parquet")):
        file = tmp_path / f"{n}.npy"
        np.save(file, windows(n, CHANNELS, SAMPLES, seed=1))
        runs = [measure(file, target, tmp_path / f"{n}-{number}") for number in range(ROUNDS)]
        middle = sorted(runs, key=lambda run: run["seconds"])[ROUNDS // 2]
        table.add_row(f"{n:,}", target, *(f"{middle[name]:,.1f}" for name in ("seconds", "cpu", "mb")))
    with capsys.disabled():
        title = f"Windows of {SAMPLES} samples x {CHANNELS} channels, Efficient set, all cores, median of {ROUNDS} runs"
        Console(width=120).print("", title, table, sep="\n")


def measure(file: Path, target: str, folder: Path) -> dict[str, float]:
    destination = "sum" if target == "sum" else str(folder)
    run = subprocess.run(
        [sys.executable, "-c", RUN, str(file), destination],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    # Gigabytes a run: all of them together could fill the disk.
    shutil.rmtree(folder, ignore_errors=True)
    assert not run.returncode, f"exit status {run.returncode}:\n{run.stderr[-3_000:]}"
    measured: dict[str, float] = json.loads(run.stdout)
    return measured
