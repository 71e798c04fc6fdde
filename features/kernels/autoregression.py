"""Autoregression: a series regressed on its own past."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.cholesky import factorise, make_ends, products_of_lags, solve, take_ends
from features.kernels.arithmetic.lanes import LANES, centre_products, copy, subtract_products
from features.kernels.block import Block, BoolArray, FloatArray
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters
from features.kernels.lags import products_of_centred

_MOST_LAGS = 30

# The error of the coefficients was measured against sums in extended precision. Here it grows with the inverse of the
# normal equations; in tsfresh, whose least squares work on the series itself, with the root of that, and statsmodels
# drops singular values under 1e-15 of the largest.
_OURS, _THEIRS = 2e-15, 5e-15
_RELATIVE, _ABSOLUTE = 1e-6, 1e-10
_LARGEST_CONDITION = 1e13

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Order:
    """What is requested of the autoregression of one order."""

    lags: int  # the number of lags
    rows: IntArray  # (m,), rows of the result
    numbers: IntArray  # (m,), the number of the coefficient that each holds


def prepare_orders(parameters: Sequence[Parameters], _samples: int) -> tuple[Order, ...]:
    """Group the requested coefficients by the number of lags."""
    places: dict[int, list[tuple[int, int]]] = {}
    for row, p in enumerate(parameters):
        places.setdefault(p["k"], []).append((row, p["coeff"]))
    return tuple(Order(lags, *np.array(members, dtype=np.int64).T.copy()) for lags, members in places.items())


def ar_coefficient(block: Block, orders: tuple[Order, ...], out: FloatArray) -> BoolArray | None:
    """Fit ``x[t] = c + sum(a[j] x[t-j])``, j = 1 ... k, by conditional least squares (tsfresh: ar_coefficient).

    Coefficient 0 is the constant c. NaN where there are fewer equations than coefficients, but 0 for coefficient k, as
    in tsfresh. For a constant series the solution of least norm. The normal equations of the centred series come from
    its lagged products, at the cost of another k**3 / 6 steps.

    References
    ----------
    Hamilton (1994), Time Series Analysis, section 5.2; Golub and Van Loan (2013), Matrix Computations, section 5.3.8.
    """
    doubtful, any_doubtful = np.zeros(block.n, dtype=np.bool_), False
    for order in orders:
        if block.samples - order.lags < order.lags + 1:
            out[order.rows] = np.where(order.numbers == order.lags, 0.0, np.nan)[:, None]
            continue
        products = products_of_centred(block).upto(order.lags)
        any_doubtful |= fit_autoregressions(
            block.centred, products, block.mean, order.lags, order.rows, order.numbers, out, doubtful
        )
        if any_doubtful and block.constant.any():
            out[np.ix_(order.rows, block.constant)] = least_solution(block.series[block.constant, 0], order)
    return doubtful & ~block.constant if any_doubtful else None


def least_solution(value: FloatArray, order: Order) -> FloatArray:
    """Return the coefficients of least norm for constant series of value (n,), (m, n).

    ``value / (1 + k value**2)`` for the constant, ``value**2 / (1 + k value**2)`` for each lag, NaN beyond.
    """
    constant = 1 / (1 / value + order.lags * value)
    lagged = 1 / (1 / value**2 + order.lags)
    constant[value == 0] = 0.0
    beyond = np.where(order.numbers > order.lags, np.nan, 0.0)[:, None]
    return np.where(order.numbers[:, None] == 0, constant, lagged) + beyond


@compiled
def fit_autoregressions(
    centred: FloatArray,
    products: FloatArray,
    means: FloatArray,
    lags: int,
    rows: IntArray,
    numbers: IntArray,
    out: FloatArray,
    doubtful: BoolArray,
) -> bool:
    """Fit an autoregression with a constant to each series; true if any is doubtful.

    `centred` (n, samples) are the series less their `means`, `products` (n, lags + 1 or more) their lagged products.
    Row ``rows[j]`` of `out` gets coefficient ``numbers[j]``: 0 is the constant; NaN beyond the last. `doubtful` (n,) is
    set where coefficients are not accurate to all the digits compared.
    """
    n, samples = centred.shape
    size, lanes, any_doubtful = lags + 1, min(LANES, n), False
    ends, chosen = make_ends(size, lanes), np.empty(lanes, np.int64)
    gram, system, sums = np.empty((size, size, lanes)), np.empty((size, size, lanes)), np.empty((size, lanes))
    energy, residuals, column = np.empty((lags, lanes)), np.empty((lags, lanes)), np.empty((lags, lanes))
    solution, coefficients = np.empty((lags, lanes)), np.empty((n, size))
    smallest, bound, trace = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    for begin in range(0, n, lanes):
        for lane in range(lanes):
            chosen[lane] = min(begin + lane, n - 1)
        take_ends(centred, products, chosen, ends)
        products_of_lags(ends, lags, gram, sums)
        normal_equations(gram, sums, samples - lags, system)
        for j in range(lags):
            copy(ends.products[0], energy[j])
        factorise(system, size, energy, residuals, smallest)
        solve(system, size, solution)
        bound_inverse(system, lags, column, bound)
        exact = False
        for lane in range(min(lanes, n - begin)):
            row = begin + lane
            fill_coefficients(solution, sums, lane, means[row], samples - lags, coefficients[row])
            deviation = np.sqrt(products[row, 0] / samples)
            unit = products[row, 0] / lags if smallest[lane] > 0.0 else np.inf
            if is_sure(coefficients[row], means[row], deviation, unit * bound[lane]):
                continue
            if not exact:
                trace_of_inverse(system, lags, column, trace)
                exact = True
            if not is_sure(coefficients[row], means[row], deviation, unit * trace[lane]):
                doubtful[row] = any_doubtful = True
    for place in range(rows.size):
        of_rows, number = out[rows[place]], numbers[place]
        for row in range(n):
            of_rows[row] = coefficients[row, number] if number <= lags else np.nan
    return any_doubtful


@compiled
def normal_equations(gram: FloatArray, sums: FloatArray, equations: int, system: FloatArray) -> None:
    """Centre lagged products, and put the target, which has lag 0, last; fills the upper triangle of `system`."""
    lags = len(sums) - 1
    for a in range(1, lags + 1):
        centre_products(gram[a, a:], sums[a], sums[a:], equations, system[a - 1, a - 1 : lags])
        centre_products(gram[0, a : a + 1], sums[0], sums[a : a + 1], equations, system[a - 1, lags:])
    centre_products(gram[0, :1], sums[0], sums[:1], equations, system[lags, lags:])


@compiled
def bound_inverse(factor: FloatArray, size: int, sums: FloatArray, bound: FloatArray) -> None:
    """Bound what `trace_of_inverse` sums, as if nothing cancelled: size**2 steps, not size**3.

    `factor` are upper Cholesky factors with the reciprocals of the diagonals, `sums` (size or more, lanes) is scratch.
    Higham (2002), Accuracy and Stability of Numerical Algorithms, section 8.3 (the comparison matrix).
    """
    bound[:] = 0.0
    for j in range(size - 1, -1, -1):
        total, pivot = sums[j], factor[j, j]
        total[:] = 1.0
        for i in range(j + 1, size):
            entry, below = factor[j, i], sums[i]
            for lane in range(bound.size):
                total[lane] += abs(entry[lane]) * below[lane]
        for lane in range(bound.size):
            total[lane] *= pivot[lane]
            bound[lane] += total[lane] * total[lane]


@compiled
def trace_of_inverse(factor: FloatArray, size: int, column: FloatArray, trace: FloatArray) -> None:
    """Sum the inverse eigenvalues of matrices (lanes,), which reveal small pivots that multiply.

    `factor` are upper Cholesky factors with the reciprocals of the diagonals, `column` (size or more, lanes) is
    scratch.
    """
    trace[:] = 0.0
    for k in range(size):
        copy(factor[k, k], column[k])
        for j in range(k - 1, -1, -1):
            entry, pivot = column[j], factor[j, j]
            entry[:] = 0.0
            subtract_products(factor[j, j + 1 : k + 1], column[j + 1 : k + 1], entry)
            for lane in range(trace.size):
                entry[lane] *= pivot[lane]
        for j in range(k + 1):
            for lane in range(trace.size):
                trace[lane] += column[j, lane] * column[j, lane]


@compiled
def fill_coefficients(
    solution: FloatArray, sums: FloatArray, lane: int, mean: float, equations: int, coefficients: FloatArray
) -> None:
    """Collect the coefficients of the series in one lane, its constant first."""
    constant, remaining = sums[0, lane], 1.0
    for j in range(len(solution)):
        coefficients[j + 1] = solution[j, lane]
        constant -= solution[j, lane] * sums[j + 1, lane]
        remaining -= solution[j, lane]
    coefficients[0] = constant / equations + mean * remaining


@compiled
def is_sure(coefficients: FloatArray, mean: float, deviation: float, inverse: float) -> bool:
    """Whether coefficients, the constant first, are accurate enough, here and in tsfresh.

    `inverse` is the mean of the inverse eigenvalues of the normal equations, in units of the series' energy.
    """
    lags = coefficients.size - 1
    smallest = deviation / np.sqrt(inverse)
    norm, least = 0.0, np.inf
    for j in range(1, lags + 1):
        size = abs(coefficients[j])
        norm += size * size
        least = min(least, size)
    error = (1.0 + np.sqrt(norm)) * (_OURS * inverse + _THEIRS * abs(mean) / smallest)
    sure = (1.0 + lags * mean * mean) / smallest < _LARGEST_CONDITION
    sure &= (abs(mean) + deviation) * error < _RELATIVE * abs(coefficients[0]) + _ABSOLUTE
    return sure & (error < _RELATIVE * least + _ABSOLUTE)


def _supports(parameters: Parameters) -> bool:
    return 1 <= parameters["k"] <= _MOST_LAGS and parameters["coeff"] >= 0


KERNELS: dict[str, Kernel] = {
    "ar_coefficient": Kernel(ar_coefficient, prepare=prepare_orders, supports=_supports),
}
