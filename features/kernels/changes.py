"""Differences between consecutive samples."""

from collections.abc import Sequence

import numpy as np

from features.kernels.block import Block, BoolArray, FloatArray, stage
from features.kernels.compilation import compiled, compiled_sums
from features.kernels.kernel import Kernel, Parameters, plain

# Squares of smaller deviations than these lose digits, of larger ones are infinite.
TINY, HUGE = 1e-140, 1e140


def mean_change(block: Block) -> FloatArray:
    """Compute ``(x[n-1] - x[0]) / (n - 1)`` (tsfresh: mean_change; free)."""
    if block.samples < 2:
        return block.full(np.nan)
    return (block.series[:, -1] - block.series[:, 0]) / (block.samples - 1)


def mean_abs_change(block: Block) -> FloatArray:
    """Average ``|x[i+1] - x[i]|``, NaN for one sample (tsfresh: mean_abs_change; shares the sum)."""
    if block.samples < 2:
        return block.full(np.nan)
    return absolute_sum_of_changes(block) / (block.samples - 1)


def absolute_sum_of_changes(block: Block) -> FloatArray:
    """Add up ``|x[i+1] - x[i]|`` (tsfresh: absolute_sum_of_changes; one pass, shared with cid_ce)."""
    return _sums_of_changes(block)[0]


def mean_second_derivative_central(block: Block) -> FloatArray:
    """Compute ``(x[n-1] - x[n-2] - x[1] + x[0]) / (2 (n-2))`` (tsfresh: mean_second_derivative_central; free)."""
    if block.samples < 3:
        return block.full(np.nan)
    x = block.series
    return (x[:, -1] - x[:, -2] - x[:, 1] + x[:, 0]) / (2 * (block.samples - 2))


def cid_ce(block: Block, normalized: BoolArray, out: FloatArray) -> BoolArray:
    """Compute ``sqrt(sum((x[i+1] - x[i])**2))``, over ``std(x)`` or not (tsfresh: cid_ce; shares the sum).

    The normalised value of a constant series is 0. Doubtful where squares overflow or underflow.

    References
    ----------
    Batista et al. (2014), "CID: an efficient complexity-invariant distance for time series",
    doi:10.1007/s10618-013-0312-3.
    """
    stretch = np.sqrt(_sums_of_changes(block)[1])
    spread = block.deviation
    out[~normalized] = stretch
    out[normalized] = np.divide(stretch, spread, out=block.full(0.0), where=spread != 0)
    doubtful: BoolArray = ((spread > 0) & (spread < TINY)) | ~(spread < HUGE)
    return doubtful


def number_crossing_m(block: Block, levels: FloatArray, out: FloatArray) -> None:
    """Count how often the series crosses m (tsfresh: number_crossing_m; one pass for each m)."""
    count_crossings(block.series, levels, out)


@stage
def _sums_of_changes(block: Block) -> FloatArray:
    return sums_of_changes(block.series)


def _normalized(parameters: Sequence[Parameters], _samples: int) -> BoolArray:
    return np.array([p["normalize"] for p in parameters], dtype=np.bool_)


def _levels(parameters: Sequence[Parameters], _samples: int) -> FloatArray:
    return np.array([p["m"] for p in parameters], dtype=np.float64)


@compiled_sums
def sums_of_changes(series: FloatArray) -> FloatArray:
    """Sum the absolute and the squared changes of each series, (2, n)."""
    n, samples = series.shape
    out = np.empty((2, n))
    for row in range(n):
        before, after = series[row, : samples - 1], series[row, 1:samples]
        absolute, squared = 0.0, 0.0
        for i in range(samples - 1):
            change = after[i] - before[i]
            absolute += abs(change)
            squared += change * change
        out[0, row], out[1, row] = absolute, squared
    return out


@compiled
def count_crossings(series: FloatArray, levels: FloatArray, out: FloatArray) -> None:
    """Count consecutive samples on either side of each level (m,), into `out` (m, n)."""
    n, samples = series.shape
    for row in range(n):
        before, after = series[row, : samples - 1], series[row, 1:samples]
        for j in range(levels.size):
            level = levels[j]
            crossings = 0
            for i in range(samples - 1):
                crossings += (after[i] > level) != (before[i] > level)
            out[j, row] = crossings


KERNELS: dict[str, Kernel] = {
    "mean_change": plain(mean_change),
    "mean_abs_change": plain(mean_abs_change),
    "absolute_sum_of_changes": plain(absolute_sum_of_changes),
    "mean_second_derivative_central": plain(mean_second_derivative_central),
    "cid_ce": Kernel(cid_ce, _normalized),
    "number_crossing_m": Kernel(number_crossing_m, _levels),
}
