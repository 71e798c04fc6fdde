"""Whether a series is drawn back to a level or wanders off: the test of a unit root."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.cholesky import factorise, products_of_lags, total_of
from features.kernels.arithmetic.lagged_products import GROUP, lagged_products
from features.kernels.arithmetic.mackinnon import is_near_a_threshold, mackinnon_p_value
from features.kernels.block import Block, BoolArray, FloatArray
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters
from features.kernels.lags import products_of_centred

_ATTRIBUTES = ("teststat", "pvalue", "usedlag")

IntArray = npt.NDArray[np.int64]

# The normal equations here are wrong by the first share of a regressor's energy, the singular values on which
# tsfresh's least squares stand by the second share of the largest; and where the smallest is less than a fraction of
# that, statsmodels drops it. The error that passes is well inside a relative 1e-6.
_OURS, _THEIRS = 1e-13, 3e-16
_LARGEST_CONDITION = 1e13
_RELATIVE, _ABSOLUTE = 1e-7, 1e-11


def most_lags(samples: int) -> int:
    """Give the largest number of lags that is tried: Schwert's rule, and half the window at most.

    Parameters
    ----------
    samples
        The length of the series.

    Returns
    -------
    int
        Negative for fewer than four samples: too short for the test.

    References
    ----------
    Schwert (1989), "Tests for unit roots: a Monte Carlo investigation", doi:10.2307/1391432.
    """
    return min(samples // 2 - 2, math.ceil(12 * (samples / 100) ** 0.25))


def augmented_dickey_fuller(block: Block, attributes: IntArray, out: FloatArray) -> BoolArray | None:
    """Test for a unit root, the number of lags by Akaike's criterion (tsfresh: augmented_dickey_fuller).

    ``x[t] - x[t-1] = c + b x[t-1] + sum(a[j] (x[t-j] - x[t-j-1]))``: the t-statistic of b, its p-value, the number of
    lags j. NaN for constants and for fewer than four samples, as in tsfresh. One factorisation of the normal equations
    gives the criterion for every number of lags: lags**3 / 6 steps beside the lagged products.

    References
    ----------
    Said and Dickey (1984), "Testing for unit roots in autoregressive-moving average models of unknown order",
    doi:10.1093/biomet/71.3.599; MacKinnon (1994), "Approximate asymptotic distribution functions for unit-root and
    cointegration tests", doi:10.2307/1391481.
    """
    lags = most_lags(block.samples)
    if lags < 0:
        out[:] = np.nan
        return None
    doubtful = np.empty(block.n, dtype=np.bool_)
    products = products_of_centred(block).upto(lags + 1)
    some = test_unit_roots(block.series, block.centred, products, block.mean, lags, attributes, out, doubtful)
    return doubtful if some else None


@compiled
def products_with_level(
    level: FloatArray, products: FloatArray, mean_change: float, lags: int, cross: FloatArray
) -> tuple[float, float]:
    """Form the products of the level with itself and with the centred changes after it, from its lagged products.

    Parameters
    ----------
    level : (n,)
        The centred series w.
    products : (lags + 2 or more,)
        Its lagged products.
    mean_change
        What is taken off each change, so that ``d[t] = w[t+1] - w[t] - mean_change``.
    lags
        The largest lag.
    cross : (lags + 1 or more,)
        Is filled: ``sum(w[t] d[t-b])`` over t = lags ... n - 2, for b = 0 ... lags.

    Returns
    -------
    tuple of float
        ``sum(w[t])`` and ``sum(w[t]**2)`` over the same times.
    """
    last = level.size - 1
    total = total_of(level[lags:last])
    # sum(w[t] w[t-b]) over the same times, first for b = -1.
    later = products[1]
    for t in range(lags):
        later -= level[t + 1] * level[t]
    square = 0.0
    for b in range(lags + 1):
        same = products[b] - level[last] * level[last - b]
        for t in range(b, lags):
            same -= level[t] * level[t - b]
        if b == 0:
            square = same
        cross[b] = later - same - mean_change * total
        later = same
    return total, square


@compiled
def normal_equations(
    level: FloatArray,
    level_products: FloatArray,
    changes: FloatArray,
    change_products: FloatArray,
    lags: int,
    level_first: bool,
    system: FloatArray,
    gram: FloatArray,
    sums: FloatArray,
    cross: FloatArray,
) -> int:
    """Set up the regression of the change on the level before it and on the changes before that.

    Parameters
    ----------
    level : (n,)
        The centred series.
    level_products, change_products : (lags + 2 or more,)
        Lagged products of the level and of the changes.
    changes : (n - 1,)
        The centred changes.
    lags
        How many changes before it.
    level_first
        Whether the level is the first regressor or the last.
    system : (lags + 2 or more, lags + 2 or more)
        Its upper triangle is filled; the target stands last.
    gram, sums, cross
        Scratch, at least lags + 1 long.

    Returns
    -------
    int
        The number of equations.
    """
    products_of_lags(changes, change_products, lags, gram, sums)
    mean_change = (level[level.size - 1] - level[0]) / (level.size - 1)
    total, square = products_with_level(level, level_products, mean_change, lags, cross)
    equations = changes.size - lags
    place = 0 if level_first else lags
    first = 1 if level_first else 0
    target = lags + 1
    for a in range(1, lags + 1):
        for b in range(a, lags + 1):
            system[first + a - 1, first + b - 1] = gram[a, b] - sums[a] * sums[b] / equations
        system[first + a - 1, target] = gram[0, a] - sums[0] * sums[a] / equations
        with_level = cross[a] - total * sums[a] / equations
        if level_first:
            system[0, a] = with_level
        else:
            system[a - 1, lags] = with_level
    system[place, place] = square - total * total / equations
    system[place, target] = cross[0] - total * sums[0] / equations
    system[target, target] = gram[0, 0] - sums[0] * sums[0] / equations
    return equations


@compiled
def centre_changes(series: FloatArray, changes: FloatArray) -> None:
    """Take the differences of a series less their mean.

    Parameters
    ----------
    series : (samples,)
        One series.
    changes : (samples - 1,)
        Is filled.
    """
    mean = (series[series.size - 1] - series[0]) / changes.size
    for i in range(changes.size):
        changes[i] = series[i + 1] - series[i] - mean


@compiled
def holds_one_value(series: FloatArray) -> bool:
    """Say whether a series is constant.

    Parameters
    ----------
    series : (samples,)
        One series.

    Returns
    -------
    bool
    """
    i = 1
    while i < series.size and series[i] == series[0]:
        i += 1
    return i >= series.size


@compiled
def test_unit_roots(
    series: FloatArray,
    levels: FloatArray,
    level_products: FloatArray,
    means: FloatArray,
    most: int,
    attributes: IntArray,
    out: FloatArray,
    doubtful: BoolArray,
) -> bool:
    """Test each series.

    Parameters
    ----------
    series, levels : (n, samples)
        One series a row, and the same less its mean.
    level_products : (n, most + 2 or more)
        Lagged products of the levels.
    means : (n,)
        Means of the series.
    most
        The largest number of lags to try.
    attributes : (m,)
        What each row of the result holds: 0 for the statistic, 1 for its p-value, 2 for the number of lags.
    out : (m, n)
        Is filled.
    doubtful : (n,)
        Is set unless the statistic has the digits that it shows and no other number of lags is as good.

    Returns
    -------
    bool
        Whether any is doubtful.
    """
    n, samples = series.shape
    size = most + 2
    changes, change_products = np.empty((1, samples - 1)), np.empty((1, -(-(most + 1) // GROUP) * GROUP))
    system, gram = np.empty((size, size)), np.empty((size, size))
    sums, cross, energy, residuals = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    values, any_doubtful = np.empty(3), False
    for row in range(n):
        values[:] = np.nan
        doubtful[row] = False
        if not holds_one_value(series[row]):
            centre_changes(series[row], changes[0])
            lagged_products(changes, 0, change_products)
            statistic, lag = test_unit_root(
                levels[row],
                level_products[row],
                changes[0],
                change_products[0],
                means[row],
                most,
                system,
                gram,
                sums,
                cross,
                energy,
                residuals,
            )
            doubtful[row] = lag < 0 or is_near_a_threshold(statistic)
            values[0], values[1], values[2] = statistic, mackinnon_p_value(statistic), lag
        any_doubtful |= doubtful[row]
        for place in range(attributes.size):
            out[place, row] = values[attributes[place]]
    return any_doubtful


@compiled
def test_unit_root(
    level: FloatArray,
    level_products: FloatArray,
    changes: FloatArray,
    change_products: FloatArray,
    mean: float,
    most: int,
    system: FloatArray,
    gram: FloatArray,
    sums: FloatArray,
    cross: FloatArray,
    energy: FloatArray,
    residuals: FloatArray,
) -> tuple[float, int]:
    """Test one series.

    Parameters
    ----------
    level, changes : (samples,), (samples - 1,)
        The centred series and its centred changes.
    level_products, change_products : (most + 2 or more,), (most + 1 or more,)
        Their lagged products.
    mean
        The mean of the series.
    most
        The largest number of lags to try.
    system, gram, sums, cross, energy, residuals
        Scratch, most + 2 long in each direction.

    Returns
    -------
    tuple
        The statistic, and the number of lags; -1 for that when either may be wrong.
    """
    level_energy, change_energy = level_products[0], change_products[0]
    # The products of level and changes are differences of products of levels, and no better than those.
    ours = _OURS * max(1.0, np.sqrt(level_energy / change_energy))
    largest = 1.0 + mean * mean + level_energy / level.size
    smallest = np.sqrt(min(level_energy / level.size, change_energy / changes.size))
    # The column of ones is one of theirs, and the least of them when the series is large.
    theirs = _THEIRS * np.sqrt(largest) / min(1.0, smallest)

    energy[:] = change_energy
    energy[0] = level_energy
    equations = normal_equations(level, level_products, changes, change_products, most, True, system, gram, sums, cross)
    share = factorise(system, most + 2, energy, residuals)
    share = min(share, residuals[most] / change_energy)
    error = ours / share + theirs / np.sqrt(share)
    if not (error < _RELATIVE and largest / smallest < _LARGEST_CONDITION * np.sqrt(share)):
        return np.nan, -1
    lag = best_number_of_lags(residuals[: most + 1], equations, error)
    if lag < 0:
        return np.nan, -1

    energy[:] = change_energy
    energy[lag] = level_energy
    equations = normal_equations(level, level_products, changes, change_products, lag, False, system, gram, sums, cross)
    share = factorise(system, lag + 2, energy, residuals)
    share = min(share, residuals[lag] / change_energy)
    statistic = system[lag, lag + 1] / np.sqrt(residuals[lag] / (equations - lag - 2))
    error = ours / share + theirs / np.sqrt(share)
    sure = np.sqrt(equations) * error < _RELATIVE * abs(statistic) + _ABSOLUTE
    return statistic, (lag if sure else -1)


@compiled
def best_number_of_lags(residuals: FloatArray, equations: int, error: float) -> int:
    """Choose a number of lags by Akaike's criterion.

    Parameters
    ----------
    residuals : (most + 1,)
        The residual sum of squares with 0, 1, ... lags.
    equations
        How many equations there are.
    error
        By which share the sums may be wrong.

    Returns
    -------
    int
        -1 when two are as good.
    """
    best, second, lag = np.inf, np.inf, 0
    for j in range(residuals.size):
        criterion = equations * np.log(residuals[j]) + 2.0 * j
        if criterion < best:
            best, second, lag = criterion, best, j
        else:
            second = min(second, criterion)
    return -1 if second - best < equations * error else lag


def prepare_attributes(wanted: Sequence[Parameters], _samples: int) -> IntArray:
    """Turn the wanted attributes into numbers."""
    return np.array([_ATTRIBUTES.index(parameters["attr"]) for parameters in wanted], dtype=np.int64)


def _supports(parameters: Parameters) -> bool:
    return parameters["attr"] in _ATTRIBUTES and parameters.get("autolag", "AIC") == "AIC"


KERNELS: dict[str, Kernel] = {
    "augmented_dickey_fuller": Kernel(augmented_dickey_fuller, prepare=prepare_attributes, supports=_supports),
}
