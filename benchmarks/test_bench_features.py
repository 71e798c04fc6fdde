"""tsfresh's Minimal set by our kernels and by tsfresh itself: the same series, the same values, one process."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table
from tsfresh import extract_features
from tsfresh.feature_extraction import MinimalFCParameters

from features import extract_windows

CHANNELS = ("volt", "rotate", "pressure", "vibration")
WINDOWS = (1, 100)
SAMPLES = (30, 1024)
ROUNDS = 7


# Both sides take turns in one test, so that whatever else the machine does slows them alike.
@pytest.mark.usefixtures("benchmark")
@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")
def test_minimal_set_beside_tsfresh(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(box=None)
    for name in ("windows", "samples", "forewarn ms", "tsfresh ms", "ratio"):
        table.add_column(name, justify="right")
    for windows in WINDOWS:
        for samples in SAMPLES:
            ours, theirs = compare(windows, samples)
            cells = (f"{1e3 * ours:.3f}", f"{1e3 * theirs:.1f}", f"{theirs / ours:,.0f}")
            table.add_row(str(windows), str(samples), *cells)
    with capsys.disabled():
        title = f"tsfresh's Minimal set of {len(CHANNELS)} channels, median of {ROUNDS} rounds in turn"
        Console(width=100).print("", title, table, sep="\n")


def compare(windows: int, samples: int) -> tuple[float, float]:
    """Return the median seconds of both, their values having been found equal."""
    values = np.random.default_rng(samples).normal(50.0, 5.0, (windows, len(CHANNELS), samples))
    # What either side wants to be given is made beforehand: only the features are timed.
    long = pd.DataFrame({"window": np.repeat(np.arange(windows), samples)})
    for number, channel in enumerate(CHANNELS):
        long[channel] = values[:, number].ravel()
    settings = MinimalFCParameters()

    def ours() -> pd.DataFrame:
        return extract_windows(values, CHANNELS, "minimal")

    def theirs() -> pd.DataFrame:
        found: pd.DataFrame = extract_features(
            long, column_id="window", default_fc_parameters=settings, n_jobs=0, disable_progressbar=True
        )
        return found

    by_tsfresh = theirs()
    np.testing.assert_allclose(ours()[by_tsfresh.columns], by_tsfresh, rtol=1e-6)
    rounds = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
    return median(first for first, _ in rounds), median(second for _, second in rounds)


def seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin
