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


@dataclass(frozen=True)
class Orders:
    """Sort the wanted coefficients by the number of lags.

    Parameters
    ----------
    rows
        For each number of lags k, pairs of (row of the result, number of the coefficient).
    """

    rows: dict[int, list[tuple[int, int]]]


def prepare_orders(wanted: Sequence[Parameters], _samples: int) -> Orders:
    """Sort the wanted coefficients by the number of lags."""
    rows: dict[int, list[tuple[int, int]]] = {}
    for row, parameters in enumerate(wanted):
        rows.setdefault(parameters["k"], []).append((row, parameters["coeff"]))
    return Orders(rows)


def ar_coefficient(block: Block, orders: Orders, out: FloatArray) -> BoolArray:
    """Fit ``x[t] = c + sum(a[j] x[t-j])``, j = 1 ... k, by conditional least squares (tsfresh: ar_coefficient).

    Coefficient 0 is the constant c. NaN where there are fewer equations than coefficients, but 0 for coefficient k, as
    in tsfresh. The normal equations of the centred series come from its lagged products: k**3 / 6 steps beside them.

    References
    ----------
    Hamilton (1994), Time Series Analysis, section 5.2; Golub and Van Loan (2013), Matrix Computations, section 5.3.8.
    """
    doubtful = np.zeros(block.n, dtype=np.bool_)
    for lags, rows in orders.rows.items():
        if block.samples - lags < lags + 1:
            for row, coefficient in rows:
                out[row] = 0.0 if coefficient == lags else np.nan
            continue
        coefficients = np.empty((lags + 1, block.n))
        products = products_of_centred(block).upto(lags)
        doubtful |= ~fit_autoregressions(block.centred, products, block.mean, lags, coefficients)
        for row, coefficient in rows:
            out[row] = coefficients[coefficient] if coefficient <= lags else np.nan
    zero = block.constant & (block.maximum == 0)
    return doubtful & ~zero


@compiled
def fit_autoregressions(
    centred: FloatArray, products: FloatArray, means: FloatArray, lags: int, coefficients: FloatArray
) -> npt.NDArray[np.bool_]:
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
    coefficients : (lags + 1, n)
        Is filled: the constant, then the lags' coefficients. Zero for a series that is zero throughout.

    Returns
    -------
    (n,) array of bool
        Whether the coefficients have the digits that they show.
    """
    n, samples = centred.shape
    sure = np.zeros(n, np.bool_)
    gram, system = np.empty((lags + 1, lags + 1)), np.empty((lags + 1, lags + 1))
    sums, energy, residuals, solution = np.empty(lags + 1), np.empty(lags), np.empty(lags), np.empty(lags)
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
            coefficients[j + 1, row] = solution[j]
            constant -= solution[j] * sums[j + 1] / equations
            remaining -= solution[j]
        coefficients[0, row] = constant + means[row] * remaining
        sure[row] = is_sure(coefficients[:, row], means[row], np.sqrt(products[row, 0] / samples), inverse)
    return sure


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
