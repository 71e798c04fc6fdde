"""Whether a series is drawn back to a level or wanders off: the test of a unit root."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.cholesky import Ends, factorise, make_ends, products_of_lags, take_ends
from features.kernels.arithmetic.lagged_products import GROUP, lagged_products
from features.kernels.arithmetic.lanes import LANES, centre_products, copy, subtract_products
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


class Regression(NamedTuple):
    """Hold the regression of the change on the level before it and on the changes before that, a series a lane.

    Parameters
    ----------
    levels, changes
        Ends of the centred series, and of their centred changes.
    system, gram : (size, size, lanes)
        The normal equations, the target last, and the lagged products of the changes.
    sums, cross, energy, residuals : (size, lanes)
        Sums of lagged changes, lagged products of level and changes, and what `factorise` takes and gives.
    total, square : (1, lanes)
        Sums of the levels and of their squares.
    share : (lanes,)
        The least share of a regressor's energy that the others leave.
    """

    levels: Ends
    changes: Ends
    system: FloatArray
    gram: FloatArray
    sums: FloatArray
    cross: FloatArray
    energy: FloatArray
    residuals: FloatArray
    total: FloatArray
    square: FloatArray
    share: FloatArray


@compiled
def make_regression(most: int, lanes: int) -> Regression:
    """Make room for the regressions of some series, with so many lags at most."""
    shape, square = (most + 2, lanes), (most + 2, most + 2, lanes)
    levels, changes = make_ends(most + 2, lanes), make_ends(most + 1, lanes)
    system, gram, sums, cross = np.empty(square), np.empty(square), np.empty(shape), np.empty(shape)
    total, squares = np.empty((1, lanes)), np.empty((1, lanes))
    energy, residuals, share = np.empty(shape), np.empty(shape), np.empty(lanes)
    return Regression(levels, changes, system, gram, sums, cross, energy, residuals, total, squares, share)


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
    changes, change_products = np.empty((n, samples - 1)), np.empty((n, -(-(most + 1) // GROUP) * GROUP))
    centre_changes(series, changes)
    lagged_products(changes, 0, change_products)
    lanes = min(LANES, n)
    model = make_regression(most, lanes)
    lags, statistics, theirs = np.empty(n, np.int64), np.full(n, np.nan), np.empty(n)
    chosen, rows = np.empty(lanes, np.int64), np.arange(n)
    for begin in range(0, n, lanes):
        taken = choose_rows(rows, begin, chosen)
        take_ends(levels, level_products, chosen, model.levels)
        take_ends(changes, change_products, chosen, model.changes)
        fit(model, samples, most, True)
        choose_lags(model, samples, most, means, chosen[:taken], theirs, lags)
    for lag in range(most + 1):
        # Series with one number of lags stand side by side.
        end = list_rows(lags, lag, rows)
        for begin in range(0, end, lanes):
            taken = choose_rows(rows[:end], begin, chosen)
            take_ends(levels, level_products, chosen, model.levels)
            take_ends(changes, change_products, chosen, model.changes)
            fit(model, samples, lag, False)
            judge_statistics(model, samples, lag, chosen[:taken], theirs, statistics, lags)
    return write_results(series, statistics, lags, attributes, out, doubtful)


@compiled
def write_results(
    series: FloatArray,
    statistics: FloatArray,
    lags: IntArray,
    attributes: IntArray,
    out: FloatArray,
    doubtful: BoolArray,
) -> bool:
    """Write what is wanted of each series, and say whether any is doubtful."""
    any_doubtful = False
    for row in range(len(series)):
        constant, statistic = holds_one_value(series[row]), statistics[row]
        doubtful[row] = not constant and (lags[row] < 0 or is_near_a_threshold(statistic))
        any_doubtful |= doubtful[row]
        for place in range(attributes.size):
            attribute = attributes[place]
            value = statistic if attribute == 0 else float(lags[row])
            value = mackinnon_p_value(statistic) if attribute == 1 else value
            out[place, row] = np.nan if constant else value
    return any_doubtful


@compiled
def choose_rows(rows: IntArray, begin: int, chosen: IntArray) -> int:
    """Choose the next rows for the lanes, the last one again for those left over; say how many there are."""
    for lane in range(chosen.size):
        chosen[lane] = rows[min(begin + lane, rows.size - 1)]
    return min(chosen.size, rows.size - begin)


@compiled
def list_rows(lags: IntArray, lag: int, rows: IntArray) -> int:
    """List the series that take so many lags; say how many there are."""
    found = 0
    for row in range(lags.size):
        rows[found] = row
        found += int(lags[row] == lag)
    return found


@compiled
def centre_changes(series: FloatArray, changes: FloatArray) -> None:
    """Take the differences of each series less their mean."""
    for row in range(len(series)):
        x, change = series[row], changes[row]
        mean = (x[x.size - 1] - x[0]) / change.size
        for i in range(change.size):
            change[i] = x[i + 1] - x[i] - mean


@compiled
def holds_one_value(series: FloatArray) -> bool:
    """Say whether a series is constant."""
    i = 1
    while i < series.size and series[i] == series[0]:
        i += 1
    return i >= series.size


@compiled
def products_with_level(model: Regression, samples: int, lags: int) -> None:
    """Form the products of levels with themselves and with the centred changes after them.

    With w for the levels the changes are ``d[t] = w[t+1] - w[t] - mean change``. Fills `cross` with
    ``sum(w[t] d[t-b])`` for b = 0 ... lags, `total` with ``sum(w[t])``, `square` with ``sum(w[t]**2)``, all over
    t = lags ... samples - 2.
    """
    levels, cross, total, square = model.levels, model.cross, model.total[0], model.square[0]
    first, last = levels.first, levels.last
    lanes = total.size
    # First sum(w[t] w[t-b]) over the same times, from b = -1 on.
    for lane in range(lanes):
        cross[0, lane] = levels.products[1, lane]
        total[lane] = levels.total[lane] - last[0, lane]
        for t in range(lags):
            total[lane] -= first[t, lane]
    subtract_products(first[1 : lags + 1], first[:lags], cross[0])
    for b in range(lags + 1):
        for lane in range(lanes):
            cross[b + 1, lane] = levels.products[b, lane] - last[0, lane] * last[b, lane]
        subtract_products(first[b:lags], first[: lags - b], cross[b + 1])
    copy(cross[1], square)
    for b in range(lags + 1):
        earlier, later = cross[b], cross[b + 1]
        for lane in range(lanes):
            mean_change = (last[0, lane] - first[0, lane]) / (samples - 1)
            earlier[lane] -= later[lane] + mean_change * total[lane]


@compiled
def fit(model: Regression, samples: int, lags: int, level_first: bool) -> None:
    """Regress the change on the level before it and on so many changes before that, the level first or last.

    The ends of the series are given, all else is filled.
    """
    system, gram, sums, total, energy = model.system, model.gram, model.sums, model.total, model.energy
    products_of_lags(model.changes, lags, gram, sums)
    products_with_level(model, samples, lags)
    equations = samples - 1 - lags
    # The change itself is the target, and stands last.
    place, target = (0 if level_first else lags), lags + 1
    for a in range(1, lags + 1):
        row = a if level_first else a - 1
        width = lags + 1 - a
        centre_products(gram[a, a : lags + 1], sums[a], sums[a : lags + 1], equations, system[row, row : row + width])
        centre_products(gram[0, a : a + 1], sums[0], sums[a : a + 1], equations, system[row, target:])
        beside = system[place, row:] if level_first else system[row, place:]
        centre_products(model.cross[a : a + 1], total[0], sums[a : a + 1], equations, beside)
        copy(model.changes.products[0], energy[row])
    centre_products(gram[0, :1], sums[0], sums[:1], equations, system[target, target:])
    centre_products(model.cross[:1], total[0], sums[:1], equations, system[place, target:])
    centre_products(model.square, total[0], total, equations, system[place, place:])
    copy(model.levels.products[0], energy[place])
    factorise(system, lags + 2, energy, model.residuals, model.share)
    for lane in range(model.share.size):
        left = model.residuals[lags, lane] / model.changes.products[0, lane]
        # A NaN stays.
        model.share[lane] = left if not left >= model.share[lane] else model.share[lane]


@compiled
def choose_lags(
    model: Regression, samples: int, most: int, means: FloatArray, rows: IntArray, theirs: FloatArray, lags: IntArray
) -> None:
    """Choose numbers of lags by Akaike's criterion.

    Parameters
    ----------
    model
        Fitted with the level first.
    samples
        The length of the series.
    most
        The largest number of lags.
    means : (n,)
        Means of all series.
    rows : (lanes or fewer,)
        Which of them stand in the lanes.
    theirs, lags : (n,)
        Are filled in these rows: by how much tsfresh's own least squares may be wrong, to be divided by the root of
        the share that is left; and the number of lags, -1 when two are as good or nothing is certain.
    """
    equations = samples - 1 - most
    for lane in range(rows.size):
        row = rows[lane]
        level_variance = model.levels.products[0, lane] / samples
        smallest = np.sqrt(min(level_variance, model.changes.products[0, lane] / (samples - 1)))
        largest = 1.0 + means[row] * means[row] + level_variance
        # The column of ones is one of theirs, and the least of them when the series is large.
        theirs[row] = _THEIRS * np.sqrt(largest) / min(1.0, smallest)
        error = error_of(model, lane, theirs[row])
        # The criterion is a logarithm: its exponential has the same order.
        step = np.exp(2.0 / equations)
        best, second, penalty, lag = np.inf, np.inf, 1.0, 0
        for j in range(most + 1):
            criterion = model.residuals[j, lane] * penalty
            penalty *= step
            lag = j if criterion < best else lag
            second = min(second, max(best, criterion))
            best = min(best, criterion)
        sure = error < _RELATIVE and largest / smallest < _LARGEST_CONDITION * np.sqrt(model.share[lane])
        lags[row] = lag if sure and second - best >= best * error else -1


@compiled
def error_of(model: Regression, lane: int, theirs: float) -> float:
    """Bound the error of a regression's residuals, as a share of them."""
    # The products of level and changes are differences of products of levels, and no better than those.
    ours = _OURS * max(1.0, np.sqrt(model.levels.products[0, lane] / model.changes.products[0, lane]))
    return ours / model.share[lane] + theirs / np.sqrt(model.share[lane])


@compiled
def judge_statistics(
    model: Regression,
    samples: int,
    lag: int,
    rows: IntArray,
    theirs: FloatArray,
    statistics: FloatArray,
    lags: IntArray,
) -> None:
    """Compute the t-statistics of the level, and take the number of lags back where a statistic is uncertain.

    Parameters
    ----------
    model
        Fitted with the level last.
    samples
        The length of the series.
    lag
        The number of lags.
    rows : (lanes or fewer,)
        Which series stand in the lanes.
    theirs : (n,)
        From `choose_lags`.
    statistics, lags : (n,)
        Are filled in these rows; -1 for the lags where the statistic may be wrong.
    """
    equations = samples - 1 - lag
    for lane in range(rows.size):
        row = rows[lane]
        deviation = np.sqrt(model.residuals[lag, lane] / (equations - lag - 2))
        statistic = model.system[lag, lag + 1, lane] / deviation
        error = np.sqrt(equations) * error_of(model, lane, theirs[row])
        statistics[row] = statistic
        lags[row] = lag if error < _RELATIVE * abs(statistic) + _ABSOLUTE else -1


def prepare_attributes(wanted: Sequence[Parameters], _samples: int) -> IntArray:
    """Turn the wanted attributes into numbers."""
    return np.array([_ATTRIBUTES.index(parameters["attr"]) for parameters in wanted], dtype=np.int64)


def _supports(parameters: Parameters) -> bool:
    return parameters["attr"] in _ATTRIBUTES and parameters.get("autolag", "AIC") == "AIC"


KERNELS: dict[str, Kernel] = {
    "augmented_dickey_fuller": Kernel(augmented_dickey_fuller, prepare=prepare_attributes, supports=_supports),
}
