"""The augmented Dickey-Fuller test of a unit root."""

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

# Relative errors: of the normal equations here, as a share of a regressor's energy, and of the singular values in
# tsfresh's least squares, as a share of the largest; statsmodels drops a singular value that is too small a fraction of
# it. The accepted error is well inside a relative 1e-6.
_OURS, _THEIRS = 1e-13, 3e-16
_LARGEST_CONDITION = 1e13
_RELATIVE, _ABSOLUTE = 1e-7, 1e-11


def most_lags(samples: int) -> int:
    """Return the largest number of lags to try: Schwert's rule, and half the window at most.

    Negative below four samples, too few for the test. Schwert (1989), "Tests for unit roots: a Monte Carlo
    investigation", doi:10.2307/1391432.
    """
    return min(samples // 2 - 2, math.ceil(12 * (samples / 100) ** 0.25))


def augmented_dickey_fuller(block: Block, attributes: IntArray, out: FloatArray) -> BoolArray | None:
    """Test for a unit root, the number of lags by Akaike's criterion (tsfresh: augmented_dickey_fuller).

    ``x[t] - x[t-1] = c + b x[t-1] + sum(a[j] (x[t-j] - x[t-j-1]))``: the t-statistic of b, its p-value, the number of
    lags j. NaN for constants and below four samples, as in tsfresh. One factorisation of the normal equations gives the
    criterion for every number of lags: lags**3 / 6 steps besides the lagged products.

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
    any_doubtful = test_unit_roots(block.series, block.centred, products, block.mean, lags, attributes, out, doubtful)
    return doubtful if any_doubtful else None


class Regression(NamedTuple):
    """The regression of the change on the level before it and on earlier changes, a series a lane."""

    levels: Ends  # ends of the centred series
    changes: Ends  # ends of their centred changes
    system: FloatArray  # (size, size, lanes), the normal equations, the target last
    gram: FloatArray  # (size, size, lanes), lagged products of the changes
    sums: FloatArray  # (size, lanes), of lagged changes
    cross: FloatArray  # (size, lanes), lagged products of level and changes
    energy: FloatArray  # (size, lanes), input of `factorise`
    residuals: FloatArray  # (size, lanes), output of `factorise`
    total: FloatArray  # (1, lanes), sums of the levels
    square: FloatArray  # (1, lanes), sums of their squares
    share: FloatArray  # (lanes,), the least share of a regressor's energy that the others leave


@compiled
def make_regression(most: int, lanes: int) -> Regression:
    """Allocate the regressions of some series, with at most `most` lags."""
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
    """Test each series; true if any is doubtful.

    `levels` are the series less their `means`, `level_products` (n, most + 2 or more) their lagged products.
    `attributes` (m,) are what each row of `out` holds: 0 the statistic, 1 its p-value, 2 the number of lags. `doubtful`
    (n,) is set unless the statistic is accurate and no other number of lags is as good.
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
        # Series with the same number of lags are computed side by side.
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
    """Write the requested attributes of each series; true if any is doubtful."""
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
    """Choose the next rows for the lanes, repeating the last one in unused lanes; return their number."""
    for lane in range(chosen.size):
        chosen[lane] = rows[min(begin + lane, rows.size - 1)]
    return min(chosen.size, rows.size - begin)


@compiled
def list_rows(lags: IntArray, lag: int, rows: IntArray) -> int:
    """List the series with this number of lags; return how many there are."""
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
    """Whether a series is constant."""
    i = 1
    while i < series.size and series[i] == series[0]:
        i += 1
    return i >= series.size


@compiled
def products_with_level(model: Regression, samples: int, lags: int) -> None:
    """Compute products of levels with themselves and with the centred changes after them.

    With w for the levels the changes are ``d[t] = w[t+1] - w[t] - mean change``. Fills `cross` with
    ``sum(w[t] d[t-b])`` for b = 0 ... lags, `total` with ``sum(w[t])``, `square` with ``sum(w[t]**2)``, all over t =
    lags ... samples - 2.
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
    """Regress the change on the level before it and on earlier changes, the level first or last.

    The ends of the series are input, everything else is filled.
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
    """Choose numbers of lags by Akaike's criterion from a model fitted with the level first.

    `rows` are the series in the lanes. `theirs` and `lags` (n,) are filled for them: the error of tsfresh's own least
    squares, to be divided by the root of the share that is left; and the number of lags, -1 when two are as good or the
    choice is uncertain.
    """
    equations = samples - 1 - most
    for lane in range(rows.size):
        row = rows[lane]
        level_variance = model.levels.products[0, lane] / samples
        smallest = np.sqrt(min(level_variance, model.changes.products[0, lane] / (samples - 1)))
        largest = 1.0 + means[row] * means[row] + level_variance
        # The column of ones is one of the regressors there, and the smallest when the series is large.
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
    """Bound the relative error of a regression's residuals."""
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
    """Compute the t-statistics of the level, and reset the number of lags to -1 where a statistic is uncertain.

    The model is fitted with the level last; `rows` are the series in the lanes, `theirs` is from `choose_lags`.
    """
    equations = samples - 1 - lag
    for lane in range(rows.size):
        row = rows[lane]
        deviation = np.sqrt(model.residuals[lag, lane] / (equations - lag - 2))
        statistic = model.system[lag, lag + 1, lane] / deviation
        error = np.sqrt(equations) * error_of(model, lane, theirs[row])
        statistics[row] = statistic
        lags[row] = lag if error < _RELATIVE * abs(statistic) + _ABSOLUTE else -1


def prepare_attributes(parameters: Sequence[Parameters], _samples: int) -> IntArray:
    """Return the numbers of the requested attributes."""
    return np.array([_ATTRIBUTES.index(p["attr"]) for p in parameters], dtype=np.int64)


def _supports(parameters: Parameters) -> bool:
    return parameters["attr"] in _ATTRIBUTES and parameters.get("autolag", "AIC") == "AIC"


KERNELS: dict[str, Kernel] = {
    "augmented_dickey_fuller": Kernel(augmented_dickey_fuller, prepare=prepare_attributes, supports=_supports),
}
