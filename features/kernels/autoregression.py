"""The series as a regression on its own past."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.cholesky import factorise, products_of_lags, solve
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
    """Fit an autoregression with a constant to each series; all is zero for a series that is zero throughout.

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
    any_doubtful = False
    gram, system = np.empty((lags + 1, lags + 1)), np.empty((lags + 1, lags + 1))
    sums, energy, residuals = np.empty(lags + 1), np.empty(lags), np.empty(lags)
    solution, coefficients = np.empty(lags), np.empty(lags + 1)
    equations = samples - lags
    for row in range(n):
        products_of_lags(centred[row], products[row], lags, gram, sums)
        for a in range(1, lags + 1):
            energy[a - 1] = products[row, 0]
            for b in range(a, lags + 1):
                system[a - 1, b - 1] = gram[a, b] - sums[a] * sums[b] / equations
            system[a - 1, lags] = gram[0, a] - sums[0] * sums[a] / equations
        system[lags, lags] = gram[0, 0] - sums[0] * sums[0] / equations
        solution[:] = 0.0
        inverse = np.inf
        if factorise(system, lags + 1, energy, residuals) > 0.0:
            solve(system, lags + 1, solution)
            inverse = products[row, 0] * trace_of_inverse(system, lags, residuals) / lags
        constant, remaining = sums[0] / equations, 1.0
        for j in range(lags):
            coefficients[j + 1] = solution[j]
            constant -= solution[j] * sums[j + 1] / equations
            remaining -= solution[j]
        coefficients[0] = constant + means[row] * remaining
        for place in range(rows.size):
            out[rows[place], row] = coefficients[numbers[place]] if numbers[place] <= lags else np.nan
        zero = means[row] == 0.0 and are_zeros(centred[row])
        if not zero and not is_sure(coefficients, means[row], np.sqrt(products[row, 0] / samples), inverse):
            doubtful[row] = any_doubtful = True
    return any_doubtful


@compiled
def are_zeros(x: FloatArray) -> bool:
    """Say whether there are only zeros.

    Parameters
    ----------
    x : (n,)
        Anything.

    Returns
    -------
    bool
    """
    i = 0
    while i < x.size and x[i] == 0.0:
        i += 1
    return i >= x.size


@compiled
def trace_of_inverse(factor: FloatArray, size: int, column: FloatArray) -> float:
    """Sum the inverse eigenvalues of a matrix: small pivots that multiply show here, not in the smallest of them.

    Parameters
    ----------
    factor : (size or more, size or more)
        Its upper Cholesky factor.
    size
        The number of rows.
    column : (size or more,)
        Scratch.

    Returns
    -------
    float
    """
    trace = 0.0
    for k in range(size):
        column[k] = 1.0 / factor[k, k]
        trace += column[k] * column[k]
        for j in range(k - 1, -1, -1):
            left = 0.0
            for i in range(j + 1, k + 1):
                left -= factor[j, i] * column[i]
            column[j] = left / factor[j, j]
            trace += column[j] * column[j]
    return trace


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
    if not (1.0 + lags * mean * mean) / smallest < _LARGEST_CONDITION:
        return False
    norm = 0.0
    for j in range(1, lags + 1):
        norm += coefficients[j] * coefficients[j]
    norm = np.sqrt(norm)
    error = (1.0 + norm) * (_OURS * inverse + _THEIRS * abs(mean) / smallest)
    sure = (abs(mean) + deviation) * error < _RELATIVE * abs(coefficients[0]) + _ABSOLUTE
    for j in range(1, lags + 1):
        sure &= error < _RELATIVE * abs(coefficients[j]) + _ABSOLUTE
    return sure


def _supports(parameters: Parameters) -> bool:
    return 1 <= parameters["k"] <= _MOST_LAGS and parameters["coeff"] >= 0


KERNELS: dict[str, Kernel] = {
    "ar_coefficient": Kernel(ar_coefficient, prepare=prepare_orders, supports=_supports),
}
