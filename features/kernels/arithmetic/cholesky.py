"""Least squares by the Cholesky factor of a matrix of products, all nested models in one factorisation.

The regressors are in the order in which they enter, the target last. Row j of the factor is what regressor j adds to
those before it, so what remains of the target's own entry after row j is the residual sum of squares of the model with
the regressors 0 ... j.

Systems of a dozen equations are too small to vectorise, but there are many: so several are solved side by side, one a
lane.

References
----------
Golub and Van Loan (2013), Matrix Computations, section 4.2.5 (outer products) and section 5.3.8 (normal equations).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.lanes import copy, subtract_products
from features.kernels.compilation import compiled, compiled_sums

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class Ends(NamedTuple):
    """What lagged products over a part of the times need of some series, a series a lane."""

    first: FloatArray  # (reach, lanes), the first samples
    last: FloatArray  # (reach, lanes), the last ones, counted from the end
    total: FloatArray  # (lanes,), the sum of each series
    products: FloatArray  # (reach, lanes), ``sum(x[t] x[t-h])`` over all t for h = 0, 1, ...


@compiled
def make_ends(reach: int, lanes: int) -> Ends:
    """Allocate the ends of some series."""
    return Ends(np.empty((reach, lanes)), np.empty((reach, lanes)), np.empty(lanes), np.empty((reach, lanes)))


@compiled
def take_ends(series: FloatArray, products: FloatArray, rows: IntArray, ends: Ends) -> None:
    """Fill the ends with some rows of series (n, samples), better centred, and of their lagged products."""
    for lane in range(rows.size):
        x, of_series = series[rows[lane]], products[rows[lane]]
        ends.total[lane] = total_of(x)
        for i in range(len(ends.first)):
            ends.first[i, lane] = x[i]
            ends.last[i, lane] = x[x.size - 1 - i]
            ends.products[i, lane] = of_series[i]


@compiled
def products_of_lags(ends: Ends, lags: int, gram: FloatArray, sums: FloatArray) -> None:
    """Compute the products of series with themselves at lags 0 ... lags, over the times at which all of them exist.

    ``gram[a, b] = sum(x[t-a] x[t-b])``, upper triangle, and ``sums[a] = sum(x[t-a])`` over t = lags ... n - 1. The
    products over whole series are known; those of later times only shift a sum by one. Every entry is off by a few
    units in the last place of ``products[0]``, which is what to compare a pivot with.
    """
    first, last, lanes = ends.first, ends.last, ends.total.size
    for h in range(lags + 1):
        for lane in range(lanes):
            gram[0, h, lane] = ends.products[h, lane]
        subtract_products(first[h:lags], first[: lags - h], gram[0, h])
    for lane in range(lanes):
        sums[0, lane] = ends.total[lane]
        for t in range(lags):
            sums[0, lane] -= first[t, lane]
    for a in range(1, lags + 1):
        begin, end, total, later = first[lags - a], last[a - 1], sums[a], sums[a - 1]
        for lane in range(lanes):
            total[lane] = later[lane] + begin[lane] - end[lane]
        for b in range(a, lags + 1):
            same, before, other_begin, other_end = gram[a, b], gram[a - 1, b - 1], first[lags - b], last[b - 1]
            for lane in range(lanes):
                same[lane] = before[lane] + begin[lane] * other_begin[lane] - end[lane] * other_end[lane]


@compiled_sums
def total_of(x: FloatArray) -> float:
    """Sum a finite array, in any order."""
    total = 0.0
    for i in range(x.size):
        total += x[i]
    return total


@compiled
def factorise(gram: FloatArray, size: int, energy: FloatArray, residuals: FloatArray, smallest: FloatArray) -> None:
    """Turn products into upper Cholesky factors, in place, except for the target's own entry.

    `gram` has the target's products in column ``size - 1``; on return the factors' rows, with the reciprocals of their
    diagonals. `energy` is what each regressor's pivot is compared with. Filled: `residuals` with the residual sum of
    squares with the regressors 0 ... j, `smallest` (lanes,) with the smallest pivot in units of its energy, 0 if one is
    not positive, which makes the factor useless.
    """
    target = size - 1
    smallest[:] = np.inf
    for j in range(target):
        row = gram[j, j:size]
        for above in range(j):
            factor = gram[above, j]
            for k in range(len(row)):
                entry, multiplied = row[k], gram[above, j + k]
                for lane in range(factor.size):
                    entry[lane] -= factor[lane] * multiplied[lane]
        invert_pivots(row[0], energy[j], smallest)
        for k in range(1, len(row)):
            for lane in range(smallest.size):
                row[k, lane] *= row[0, lane]
    for j in range(target):
        for lane in range(smallest.size):
            gram[target, target, lane] -= gram[j, target, lane] * gram[j, target, lane]
            residuals[j, lane] = gram[target, target, lane]


@compiled
def invert_pivots(pivots: FloatArray, energy: FloatArray, smallest: FloatArray) -> None:
    """Take the reciprocal roots of pivots, and update the smallest share of its energy that one has had."""
    for lane in range(pivots.size):
        share = pivots[lane] / energy[lane]
        least = share if share < smallest[lane] else smallest[lane]
        smallest[lane] = least if share > 0.0 else 0.0
        pivots[lane] = 1.0 / np.sqrt(pivots[lane])


@compiled
def solve(factor: FloatArray, size: int, coefficients: FloatArray) -> None:
    """Compute the coefficients of all regressors by back substitution."""
    target = size - 1
    for j in range(target - 1, -1, -1):
        coefficient, pivot = coefficients[j], factor[j, j]
        copy(factor[j, target], coefficient)
        subtract_products(factor[j, j + 1 : target], coefficients[j + 1 : target], coefficient)
        for lane in range(pivot.size):
            coefficient[lane] *= pivot[lane]
