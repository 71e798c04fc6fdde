"""Whether a series is drawn back to a level or wanders off: the test of a unit root."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from features.kernels.arithmetic.cholesky import factorise, products_of_lags
from features.kernels.block import Block, BoolArray, FloatArray, stage
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters
from features.kernels.lags import LaggedProducts, products_of_centred

_STATISTIC, _LAG = 0, 1

# The normal equations here are wrong by the first share of a regressor's energy, the singular values on which
# tsfresh's least squares stand by the second share of the largest; and where the smallest is less than a fraction of
# that, statsmodels drops it. The error that passes is well inside a relative 1e-6.
_OURS, _THEIRS = 1e-13, 3e-16
_LARGEST_CONDITION = 1e13
_RELATIVE, _ABSOLUTE = 1e-7, 1e-11

# MacKinnon's response surface for a constant and one variable: beyond the ends the p-value is 0 or 1, between them two
# polynomials (constant first) meet at the bend.
_LEFT_END, _BEND, _RIGHT_END = -18.83, -1.61, 2.74
_LEFT_OF_BEND = (2.1659, 1.4412, 3.8269e-2)
_RIGHT_OF_BEND = (1.7339, 9.3202e-1, -1.2745e-1, -1.0368e-2)
_NEAR = 1e-6


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


def augmented_dickey_fuller(block: Block, attributes: tuple[str, ...], out: FloatArray) -> BoolArray | None:
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
    changes = centred_changes(block)
    found = np.empty((2, block.n))
    sure = test_unit_roots(
        block.centred,
        products_of_centred(block).upto(lags + 1),
        changes.series,
        changes.upto(lags),
        block.mean,
        lags,
        found,
    )
    constant = block.constant
    found[:, constant] = np.nan
    statistic = found[_STATISTIC]
    values = {"teststat": statistic, "usedlag": found[_LAG]}
    if "pvalue" in attributes:
        values["pvalue"] = mackinnon_p_value(statistic)
        for threshold in (_LEFT_END, _BEND, _RIGHT_END):
            sure &= ~(np.abs(statistic - threshold) < _NEAR)
    for row, attribute in zip(out, attributes, strict=True):
        row[:] = values[attribute]
    doubtful: BoolArray = ~(sure | constant)
    return doubtful


@stage
def centred_changes(block: Block) -> LaggedProducts:
    """Give the lagged products of the differences less their mean."""
    mean = (block.series[:, -1] - block.series[:, 0]) / (block.samples - 1)
    return LaggedProducts(block.changes - mean[:, None])


def mackinnon_p_value(statistic: FloatArray) -> FloatArray:
    """Look up the asymptotic p-value of the test with a constant.

    Parameters
    ----------
    statistic : (n,)
        The t-statistic of the lagged level; NaN gives NaN.

    Returns
    -------
    (n,) array
    """
    left, right = (np.polynomial.polynomial.polyval(statistic, c) for c in (_LEFT_OF_BEND, _RIGHT_OF_BEND))
    inside: FloatArray = ndtr(np.where(statistic <= _BEND, left, right))
    return np.where(statistic > _RIGHT_END, 1.0, np.where(statistic < _LEFT_END, 0.0, inside))


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
    total = 0.0
    for t in range(lags, last):
        total += level[t]
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
def test_unit_roots(
    levels: FloatArray,
    level_products: FloatArray,
    changes: FloatArray,
    change_products: FloatArray,
    means: FloatArray,
    most: int,
    found: FloatArray,
) -> npt.NDArray[np.bool_]:
    """Test each series.

    Parameters
    ----------
    levels : (n, samples)
        The centred series.
    level_products : (n, most + 2 or more)
        Their lagged products.
    changes : (n, samples - 1)
        Their centred changes.
    change_products : (n, most + 1 or more)
        Lagged products of these.
    means : (n,)
        Means of the series.
    most
        The largest number of lags to try.
    found : (2, n)
        Is filled: the statistic, the number of lags.

    Returns
    -------
    (n,) array of bool
        Whether the statistic has the digits that it shows and no other number of lags is as good.
    """
    n = levels.shape[0]
    size = most + 2
    system, gram = np.empty((size, size)), np.empty((size, size))
    sums, cross, energy, residuals = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    criteria = np.empty(most + 1)
    sure = np.zeros(n, np.bool_)
    for row in range(n):
        found[0, row] = found[1, row] = np.nan
        level, change = levels[row], changes[row]
        of_level, of_change = level_products[row], change_products[row]
        # The products of level and changes are differences of products of levels, and no better than those.
        ours = _OURS * max(1.0, np.sqrt(of_level[0] / of_change[0]))
        largest = 1.0 + means[row] * means[row] + of_level[0] / level.size
        smallest = np.sqrt(min(of_level[0] / level.size, of_change[0] / change.size))
        # The column of ones is one of theirs, and the least of them when the series is large.
        theirs = _THEIRS * np.sqrt(largest) / min(1.0, smallest)

        energy[:] = of_change[0]
        energy[0] = of_level[0]
        equations = normal_equations(level, of_level, change, of_change, most, True, system, gram, sums, cross)
        share = factorise(system, most + 2, energy, residuals)
        share = min(share, residuals[most] / of_change[0])
        error = ours / share + theirs / np.sqrt(share)
        if not (error < _RELATIVE and largest / smallest < _LARGEST_CONDITION * np.sqrt(share)):
            continue
        best = 0
        for lag in range(most + 1):
            criteria[lag] = equations * np.log(residuals[lag]) + 2.0 * lag
            if criteria[lag] < criteria[best]:
                best = lag
        tied = False
        for lag in range(most + 1):
            tied |= lag != best and criteria[lag] - criteria[best] < equations * error
        if tied:
            continue

        energy[:] = of_change[0]
        energy[best] = of_level[0]
        equations = normal_equations(level, of_level, change, of_change, best, False, system, gram, sums, cross)
        share = factorise(system, best + 2, energy, residuals)
        share = min(share, residuals[best] / of_change[0])
        statistic = system[best, best + 1] / np.sqrt(residuals[best] / (equations - best - 2))
        found[0, row], found[1, row] = statistic, best
        error = ours / share + theirs / np.sqrt(share)
        sure[row] = np.sqrt(equations) * error < _RELATIVE * abs(statistic) + _ABSOLUTE
    return sure


def prepare_attributes(wanted: Sequence[Parameters], _samples: int) -> tuple[str, ...]:
    """List the wanted attributes."""
    return tuple(parameters["attr"] for parameters in wanted)


def _supports(parameters: Parameters) -> bool:
    return parameters["attr"] in ("teststat", "pvalue", "usedlag") and parameters.get("autolag", "AIC") == "AIC"


KERNELS: dict[str, Kernel] = {
    "augmented_dickey_fuller": Kernel(augmented_dickey_fuller, prepare=prepare_attributes, supports=_supports),
}
