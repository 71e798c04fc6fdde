"""Differences between consecutive samples."""

import numpy as np

from features.kernels.block import Block, FloatArray, row_count, row_sum
from features.kernels.kernel import Kernel, each, plain


def mean_change(block: Block) -> FloatArray:
    """Compute ``(x[n-1] - x[0]) / (n - 1)`` (tsfresh: mean_change; free)."""
    if block.samples < 2:
        return block.full(np.nan)
    return (block.series[:, -1] - block.series[:, 0]) / (block.samples - 1)


def mean_abs_change(block: Block) -> FloatArray:
    """Average ``|x[i+1] - x[i]|``, NaN for one sample (tsfresh: mean_abs_change; one pass)."""
    if block.samples < 2:
        return block.full(np.nan)
    return absolute_sum_of_changes(block) / (block.samples - 1)


def absolute_sum_of_changes(block: Block) -> FloatArray:
    """Add up ``|x[i+1] - x[i]|`` (tsfresh: absolute_sum_of_changes; one pass)."""
    return row_sum(np.abs(block.changes))


def mean_second_derivative_central(block: Block) -> FloatArray:
    """Compute ``(x[n-1] - x[n-2] - x[1] + x[0]) / (2 (n-2))`` (tsfresh: mean_second_derivative_central; free)."""
    if block.samples < 3:
        return block.full(np.nan)
    x = block.series
    return (x[:, -1] - x[:, -2] - x[:, 1] + x[:, 0]) / (2 * (block.samples - 2))


def cid_ce(block: Block, normalize: bool) -> FloatArray:
    """Compute ``sqrt(sum((x[i+1] - x[i])**2))``, of the z-normalised series or not (tsfresh: cid_ce; one pass).

    References
    ----------
    Batista et al. (2014), "CID: an efficient complexity-invariant distance for time series",
    doi:10.1007/s10618-013-0312-3.
    """
    if not normalize:
        return np.sqrt(row_sum(block.changes * block.changes))
    spread = block.deviation
    scaled = block.centred / np.where(spread == 0, 1.0, spread)[:, None]
    steps = np.diff(scaled, axis=1)
    return np.where(spread == 0, 0.0, np.sqrt(row_sum(steps * steps)))


def number_crossing_m(block: Block, m: float) -> FloatArray:
    """Count how often the series crosses m (tsfresh: number_crossing_m; one pass)."""
    above = block.series > m
    return row_count(above[:, 1:] != above[:, :-1])


KERNELS: dict[str, Kernel] = {
    "mean_change": plain(mean_change),
    "mean_abs_change": plain(mean_abs_change),
    "absolute_sum_of_changes": plain(absolute_sum_of_changes),
    "mean_second_derivative_central": plain(mean_second_derivative_central),
    "cid_ce": each(cid_ce),
    "number_crossing_m": each(number_crossing_m),
}
