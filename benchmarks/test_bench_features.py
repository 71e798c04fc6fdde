"""tsfresh's three sets by our engine, by tsfresh and by tsfresh-rs: the same windows in turn, one process, one core."""

import importlib.util
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table
from tsfresh import extract_features
from tsfresh.feature_extraction import settings

from benchmarks.telemetry_like import FloatArray, long_frame, windows
from features import extract_windows, stream_windows

ROUNDS = 5
# In tied and stuck windows tsfresh's values depend on the processor or on rounding: docs/reference/feature-values.md.
NOT_COMPARED = ("permutation_entropy", "partial_autocorrelation", "fourier_entropy", "ar_coefficient")
RUST = importlib.util.find_spec("tsfresh_rs") is not None


@dataclass(frozen=True)
class Sizes:
    """How many windows of how many channels each library gets."""

    samples: int
    channels: int
    ours: int
    rust: int
    tsfresh: int


SIZES = {
    ("minimal", 1024): Sizes(1024, 8, 400, 100, 60),
    ("minimal", 30): Sizes(30, 14, 6000, 2000, 200),
    ("efficient", 1024): Sizes(1024, 8, 60, 12, 1),
    ("efficient", 30): Sizes(30, 14, 1500, 80, 2),
    ("comprehensive", 1024): Sizes(1024, 8, 40, 4, 1),
    ("comprehensive", 30): Sizes(30, 14, 1500, 80, 2),
}


# All take turns in one test, so that other load on the machine slows them alike.
@pytest.mark.usefixtures("benchmark")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(1800)
def test_sets_beside_tsfresh(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(box=None)
    for name in ("set", "samples", "forewarn", "streamed", "tsfresh-rs", "tsfresh", "tsfresh / ours", "rs / ours"):
        table.add_column(name, justify="right")
    for (preset, samples), sizes in SIZES.items():
        ours, streamed, rust, theirs = (1e6 * seconds for seconds in compare(preset, sizes))
        best = min(ours, streamed)
        figures = (ours, streamed, rust, theirs)
        times = [f"{figure:,.2f} µs" if figure == figure else "-" for figure in figures]
        table.add_row(preset, str(samples), *times, f"{theirs / best:,.0f}", f"{rust / best:,.1f}")
    with capsys.disabled():
        title = f"CPU time a series (one channel in one window), one core, median of {ROUNDS} rounds in turn"
        Console(width=120).print("", title, table, sep="\n")


def compare(preset: str, sizes: Sizes) -> tuple[float, float, float, float]:
    """Check that the values agree; return the median CPU seconds a series of each library."""
    values = windows(sizes.ours, sizes.channels, sizes.samples, seed=sizes.samples)
    channels = [f"c{number}" for number in range(sizes.channels)]
    by_tsfresh = tsfresh_side(preset, values[: sizes.tsfresh])
    sides: list[tuple[Callable[[], object], int]] = [
        (lambda: extract_windows(values, channels, preset, threads=1), sizes.ours),
        (lambda: consume(stream_windows(values, channels, preset, threads=1)), sizes.ours),
        (rust_side(preset, values[: sizes.rust]) if RUST else lambda: None, sizes.rust),
        (by_tsfresh, sizes.tsfresh),
    ]
    agree(extract_windows(values[: sizes.tsfresh], channels, preset), by_tsfresh())
    for run, _ in sides[:3]:
        run()
    rounds = [[seconds(run) / (n * sizes.channels) for run, n in sides] for _ in range(ROUNDS)]
    ours, streamed, rust, theirs = (median(each) for each in zip(*rounds, strict=True))
    return ours, streamed, rust if RUST else float("nan"), theirs


def agree(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    columns = [column for column in theirs.columns if column.split("__")[1] not in NOT_COMPARED]
    np.testing.assert_allclose(ours[columns], theirs[columns].astype(float), rtol=1e-6, atol=1e-10)


def tsfresh_side(preset: str, values: FloatArray) -> Callable[[], pd.DataFrame]:
    frame, parameters = long_frame(values), getattr(settings, f"{preset.capitalize()}FCParameters")()

    def run() -> pd.DataFrame:
        features: pd.DataFrame = extract_features(
            frame,
            column_id="window",
            column_sort="time",
            default_fc_parameters=parameters,
            n_jobs=0,
            disable_progressbar=True,
        )
        return features

    return run


def rust_side(preset: str, values: FloatArray) -> Callable[[], object]:
    import tsfresh_rs

    frame, parameters = long_frame(values), getattr(tsfresh_rs, f"{preset.capitalize()}FCParameters")()
    return lambda: tsfresh_rs.extract_features(
        frame,
        column_id="window",
        column_sort="time",
        default_fc_parameters=parameters,
        n_jobs=0,
        disable_progressbar=True,
    )


def consume(batches: Iterator[object]) -> int:
    return sum(1 for _ in batches)


def seconds(run: Callable[[], object]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin
