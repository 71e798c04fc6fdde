"""The series as a regression on its own past."""

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

# How wrong the coefficients are was measured against sums in extended precision. Here the normal equations lose as much
# as their inverse is large; in tsfresh, whose least squares work with the series as it is, the root of that shows it,
# and statsmodels drops singular values under 1e-15 of the largest.
_OURS, _THEIRS = 2e-15, 5e-15
_RELATIVE, _ABSOLUTE = 1e-6, 1e-10
_LARGEST_CONDITION = 1e13

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Order:
    """Say what is wanted of the autoregression of one order.

    Parameters
    ----------
    lags
        The number of lags.
    rows : (m,)
        Rows of the result.
    numbers : (m,)
        The number of the coefficient that each holds.
    """

    lags: int
    rows: IntArray
    numbers: IntArray


def prepare_orders(wanted: Sequence[Parameters], _samples: int) -> tuple[Order, ...]:
    """Sort the wanted coefficients by the number of lags."""
    places: dict[int, list[tuple[int, int]]] = {}
    for row, parameters in enumerate(wanted):
        places.setdefault(parameters["k"], []).append((row, parameters["coeff"]))
    return tuple(Order(lags, *np.array(of_order, dtype=np.int64).T.copy()) for lags, of_order in places.items())


def ar_coefficient(block: Block, orders: tuple[Order, ...], out: FloatArray) -> BoolArray | None:
    """Fit ``x[t] = c + sum(a[j] x[t-j])``, j = 1 ... k, by conditional least squares (tsfresh: ar_coefficient).

    Coefficient 0 is the constant c. NaN where there are fewer equations than coefficients, but 0 for coefficient k, as
    in tsfresh. For a series that is constant itself the least of the many solutions. The normal equations of the
    centred series come from its lagged products: k**3 / 6 steps beside them.

    References
    ----------
    Hamilton (1994), Time Series Analysis, section 5.2; Golub and Van Loan (2013), Matrix Computations, section 5.3.8.
    """
    doubtful, some = np.zeros(block.n, dtype=np.bool_), False
    for order in orders:
        if block.samples - order.lags < order.lags + 1:
            out[order.rows] = np.where(order.numbers == order.lags, 0.0, np.nan)[:, None]
            continue
        products = products_of_centred(block).upto(order.lags)
        some |= fit_autoregressions(
            block.centred, products, block.mean, order.lags, order.rows, order.numbers, out, doubtful
        )
        if some and block.constant.any():
            out[np.ix_(order.rows, block.constant)] = least_solution(block.series[block.constant, 0], order)
    return doubtful & ~block.constant if some else None


def least_solution(value: FloatArray, order: Order) -> FloatArray:
    """Give the coefficients of least length for constant series, of the many that fit them.

    Parameters
    ----------
    value : (n,)
        The values of the series.
    order
        The autoregression, and which of its coefficients are wanted.

    Returns
    -------
    (n_wanted, n) array
        ``value / (1 + k value**2)`` for the constant, ``value**2 / (1 + k value**2)`` for each lag, NaN beyond these.
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
    """Fit an autoregression with a constant to each series.

    Parameters
    ----------
    centred : (n, samples)
        The series less their means.
    products : (n, lags + 1 or more)
        Their lagged products.
    means : (n,)
        Their means.
    lags
        The number of lags, at least 1.
    rows, numbers : (m,)
        Which rows of the result to fill, and with which coefficient: 0 is the constant; NaN beyond the last.
    out : (rows, n)
        Is filled.
    doubtful : (n,)
        Is set where coefficients have not the digits that they show.

    Returns
    -------
    bool
        Whether any is doubtful.
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
    """Take the means off lagged products, and put the target, which has lag 0, last.

    Parameters
    ----------
    gram, sums : (lags + 1, lags + 1, lanes), (lags + 1, lanes)
        From `products_of_lags`.
    equations
        The number of times summed over.
    system : (lags + 1, lags + 1, lanes)
        Its upper triangle is filled.
    """
    lags = len(sums) - 1
    for a in range(1, lags + 1):
        centre_products(gram[a, a:], sums[a], sums[a:], equations, system[a - 1, a - 1 : lags])
        centre_products(gram[0, a : a + 1], sums[0], sums[a : a + 1], equations, system[a - 1, lags:])
    centre_products(gram[0, :1], sums[0], sums[:1], equations, system[lags, lags:])


@compiled
def bound_inverse(factor: FloatArray, size: int, sums: FloatArray, bound: FloatArray) -> None:
    """Bound what `trace_of_inverse` sums, by what it would be if nothing cancelled: size**2 steps, not size**3.

    Parameters
    ----------
    factor : (size or more, size or more, lanes)
        Upper Cholesky factors, with the reciprocals of the diagonals.
    size
        The number of rows.
    sums : (size or more, lanes)
        Scratch: what the sizes of a row of the inverse factor add up to, at most.
    bound : (lanes,)
        Is filled.

    References
    ----------
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
    """Sum the inverse eigenvalues of matrices: small pivots that multiply show here, not in the smallest of them.

    Parameters
    ----------
    factor : (size or more, size or more, lanes)
        Their upper Cholesky factors, with the reciprocals of the diagonals.
    size
        The number of rows.
    column : (size or more, lanes)
        Scratch.
    trace : (lanes,)
        Is filled.
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
    """Collect the coefficients of one series, its constant first.

    Parameters
    ----------
    solution, sums : (lags, lanes), (lags + 1, lanes)
        Coefficients of the centred series, and the sums of its lagged samples.
    lane
        Where the series stands.
    mean
        Its mean.
    equations
        The number of times summed over.
    coefficients : (lags + 1,)
        Is filled.
    """
    constant, remaining = sums[0, lane], 1.0
    for j in range(len(solution)):
        coefficients[j + 1] = solution[j, lane]
        constant -= solution[j, lane] * sums[j + 1, lane]
        remaining -= solution[j, lane]
    coefficients[0] = constant / equations + mean * remaining


@compiled
def is_sure(coefficients: FloatArray, mean: float, deviation: float, inverse: float) -> bool:
    """Say whether coefficients have the digits that they show, here and in tsfresh.

    Parameters
    ----------
    coefficients : (lags + 1,)
        The constant first.
    mean, deviation
        Those of the series.
    inverse
        The mean of the inverse eigenvalues of the normal equations, in units of the series' energy.

    Returns
    -------
    bool
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
