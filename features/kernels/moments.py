"""Sums, means, variances and the like: what adds up over a window."""

import numpy as np
import pandas as pd

from features.kernels.block import Block, FloatArray, row_count, row_sum
from features.kernels.kernel import Kernel, each, plain


def sum_values(block: Block) -> FloatArray:
    """Compute ``sum(x)`` (tsfresh: sum_values; one pass)."""
    return block.total


def mean(block: Block) -> FloatArray:
    """Compute ``sum(x) / n`` (tsfresh: mean; one division)."""
    return block.mean


def length(block: Block) -> FloatArray:
    """Give the number of samples n (tsfresh: length; free)."""
    return block.full(block.samples)


def variance(block: Block) -> FloatArray:
    """Compute the population variance ``mean((x - mean(x))**2)`` (tsfresh: variance; two passes)."""
    return block.variance


def standard_deviation(block: Block) -> FloatArray:
    """Compute the root of the population variance (tsfresh: standard_deviation; shares it)."""
    return block.deviation


def root_mean_square(block: Block) -> FloatArray:
    """Compute ``sqrt(mean(x**2))`` (tsfresh: root_mean_square; one pass)."""
    return np.sqrt(abs_energy(block) / block.samples)


def abs_energy(block: Block) -> FloatArray:
    """Compute ``sum(x**2)`` (tsfresh: abs_energy; one pass)."""
    return row_sum(block.series * block.series)


def variation_coefficient(block: Block) -> FloatArray:
    """Compute ``std(x) / mean(x)``, NaN for a zero mean (tsfresh: variation_coefficient; shares both)."""
    centre = block.mean
    return np.divide(block.deviation, centre, out=block.full(np.nan), where=centre != 0)


def variance_larger_than_standard_deviation(block: Block) -> FloatArray:
    """Say whether ``var(x) > std(x)`` (tsfresh: variance_larger_than_standard_deviation; shares both)."""
    return (block.variance > block.deviation).astype(np.float64)


def large_standard_deviation(block: Block, r: float) -> FloatArray:
    """Say whether ``std(x) > r * (max(x) - min(x))`` (tsfresh: large_standard_deviation; shares all three)."""
    return (block.deviation > r * (block.maximum - block.minimum)).astype(np.float64)


def ratio_beyond_r_sigma(block: Block, r: float) -> FloatArray:
    """Give the share of samples over ``r * std(x)`` from the mean (tsfresh: ratio_beyond_r_sigma; one pass)."""
    return row_count(np.abs(block.centred) > (r * block.deviation)[:, None]) / block.samples


def skewness(block: Block) -> FloatArray:
    """Compute the adjusted Fisher-Pearson skewness G1 (tsfresh: skewness; three passes).

    pandas does it, as in tsfresh: its rule for variances that are only round-off is not worth a second version.

    References
    ----------
    Joanes and Gill (1998), "Comparing measures of sample skewness and kurtosis", doi:10.1111/1467-9884.00122.
    """
    return pd.DataFrame(block.series).skew(axis=1, skipna=False).to_numpy(np.float64)


def kurtosis(block: Block) -> FloatArray:
    """Compute the adjusted excess kurtosis G2 (tsfresh: kurtosis; three passes); like `skewness` through pandas."""
    return pd.DataFrame(block.series).kurt(axis=1).to_numpy(np.float64)


KERNELS: dict[str, Kernel] = {
    "sum_values": plain(sum_values),
    "mean": plain(mean),
    "length": plain(length),
    "variance": plain(variance),
    "standard_deviation": plain(standard_deviation),
    "root_mean_square": plain(root_mean_square),
    "abs_energy": plain(abs_energy),
    "variation_coefficient": plain(variation_coefficient),
    "variance_larger_than_standard_deviation": plain(variance_larger_than_standard_deviation),
    "large_standard_deviation": each(large_standard_deviation),
    "ratio_beyond_r_sigma": each(ratio_beyond_r_sigma),
    "skewness": plain(skewness),
    "kurtosis": plain(kurtosis),
}
