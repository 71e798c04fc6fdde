"""The series against itself, later."""

import numpy as np

from features.kernels.block import Block, FloatArray, row_sum
from features.kernels.kernel import Kernel, each

# tsfresh's bound (numpy.isclose to zero) under which a variance counts as none.
_NO_VARIANCE = 1e-8


def autocorrelation(block: Block, lag: int) -> FloatArray:
    """Compute ``sum((x[t] - m)(x[t+lag] - m)) / ((n - lag) var(x))`` (tsfresh: autocorrelation; one pass).

    NaN where the variance is no more than 1e-8, as in tsfresh.
    """
    pairs = block.samples - lag
    if pairs <= 0:
        return block.full(np.nan)
    products = row_sum(block.centred[:, :pairs] * block.centred[:, lag:])
    some = block.variance > _NO_VARIANCE
    return np.divide(products, pairs * block.variance, out=block.full(np.nan), where=some)


def c3(block: Block, lag: int) -> FloatArray:
    """Average ``x[t+2lag] x[t+lag] x[t]``, zero for too short a series (tsfresh: c3; one pass).

    References
    ----------
    Schreiber and Schmitz (1997), "Discrimination power of measures for nonlinearity in a time series",
    doi:10.1103/PhysRevE.55.5443.
    """
    triples = block.samples - 2 * lag
    if triples <= 0:
        return block.full(0.0)
    x = block.series
    return row_sum(x[:, 2 * lag :] * x[:, lag : lag + triples] * x[:, :triples]) / triples


def time_reversal_asymmetry_statistic(block: Block, lag: int) -> FloatArray:
    """Average ``x[t+2lag]**2 x[t+lag] - x[t+lag] x[t]**2`` (tsfresh's name is the same; one pass).

    References
    ----------
    Fulcher and Jones (2014), "Highly comparative feature-based time-series classification",
    doi:10.1109/TKDE.2014.2316504.
    """
    triples = block.samples - 2 * lag
    if triples <= 0:
        return block.full(0.0)
    first = block.series[:, :triples]
    second = block.series[:, lag : lag + triples]
    third = block.series[:, 2 * lag :]
    return row_sum(third * third * second - second * first * first) / triples


KERNELS: dict[str, Kernel] = {
    "autocorrelation": each(autocorrelation),
    "c3": each(c3),
    "time_reversal_asymmetry_statistic": each(time_reversal_asymmetry_statistic),
}
