"""One window at a time, as an endpoint computes it, and the load of a whole fleet."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from benchmarks.telemetry_like import windows
from features import FeatureSet, extract_windows

CHANNELS = tuple(f"c{number}" for number in range(8))
SAMPLES = 1024
CALLS, ROUNDS = 2000, 5

# The fleet: machines, samples a second, seconds a window.
MACHINES, RATE, SECONDS = 200, 100, 10


@pytest.mark.usefixtures("benchmark")
@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")
def test_one_window_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    values = windows(64, len(CHANNELS), SAMPLES, seed=3)
    efficient = FeatureSet.from_preset("efficient")
    columns = np.random.default_rng(0).choice(efficient.columns(CHANNELS), 40, replace=False)
    table = Table(box=None)
    for name in ("features", "p50 ms", "p99 ms", "p99 of the slowest round"):
        table.add_column(name, justify="right")
    for name, chosen in (("Efficient, 6,216 columns", efficient), ("a model's 40 columns", efficient.reduce(columns))):
        calls = [lambda v=v, c=chosen: extract_windows(v[None], CHANNELS, c) for v in values]
        rounds = [np.percentile(1e3 * latencies(calls), (50, 99)) for _ in range(ROUNDS)]
        middle, slowest = np.median(rounds, axis=0), np.max(rounds, axis=0)
        table.add_row(name, f"{middle[0]:.2f}", f"{middle[1]:.2f}", f"{slowest[1]:.2f}")
    with capsys.disabled():
        title = (
            f"{len(CHANNELS)} channels x {SAMPLES} samples, {CALLS} calls in turn over {len(values)} windows; "
            f"medians of {ROUNDS} rounds"
        )
        Console(width=120).print("", title, table, sep="\n")


@pytest.mark.usefixtures("benchmark")
@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")
def test_a_whole_fleet(capsys: pytest.CaptureFixture[str]) -> None:
    values = windows(MACHINES, len(CHANNELS), RATE * SECONDS, seed=5)
    extract_windows(values, CHANNELS, "efficient", threads=1)
    rounds = []
    for _ in range(5):
        begin = time.process_time()
        extract_windows(values, CHANNELS, "efficient", threads=1)
        rounds.append((time.process_time() - begin) / SECONDS)
    share = float(np.median(rounds))
    with capsys.disabled():
        Console(width=120).print(
            "",
            f"{MACHINES} machines x {len(CHANNELS)} channels x {RATE} Hz in windows of {SECONDS} s, Efficient set: "
            f"{share:.1%} of one core; two cores carry {2 * MACHINES / share:,.0f} machines",
            sep="\n",
        )


def latencies(calls: list[Callable[[], object]]) -> np.ndarray:
    for call in calls:
        call()
    times = []
    for number in range(CALLS):
        begin = time.perf_counter()
        calls[number % len(calls)]()
        times.append(time.perf_counter() - begin)
    return np.array(times)
