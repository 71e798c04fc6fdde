"""Least squares by the Cholesky factor of a matrix of products, all nested models in one factorisation.

The regressors stand in the order in which they enter, the target last. Row j of the factor is what regressor j adds to
those before it, so what remains of the target's own entry after row j is the residual sum of squares of the model with
the regressors 0 ... j.

References
----------
Golub and Van Loan (2013), Matrix Computations, section 4.2.5 (outer products) and section 5.3.8 (normal equations).
"""

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled, compiled_sums

FloatArray = npt.NDArray[np.float64]


@compiled
def products_of_lags(x: FloatArray, products: FloatArray, lags: int, gram: FloatArray, sums: FloatArray) -> None:
    """Form the products of a series with itself at lags 0 ... lags, over the times at which all of them exist.

    ``gram[a, b] = sum(x[t-a] x[t-b])`` and ``sums[a] = sum(x[t-a])`` over t = lags ... n - 1. The products over whole
    series are known; those of later times only shift a sum by one. Every entry is wrong by a few units in the last
    place of ``products[0]``, which is what to compare a pivot with.

    Parameters
    ----------
    x : (n,)
        The series, better centred.
    products : (lags + 1 or more,)
        ``sum(x[t] x[t-h])`` over all t for h = 0 ... lags.
    lags
        The largest lag, less than n.
    gram : (lags + 1 or more, lags + 1 or more)
        Its upper triangle is filled.
    sums : (lags + 1 or more,)
        Is filled.
    """
    n = x.size
    for h in range(lags + 1):
        before = 0.0
        for t in range(h, lags):
            before += x[t] * x[t - h]
        gram[0, h] = products[h] - before
    for a in range(1, lags + 1):
        for b in range(a, lags + 1):
            gram[a, b] = gram[a - 1, b - 1] + x[lags - a] * x[lags - b] - x[n - a] * x[n - b]
    sums[0] = total_of(x[lags:])
    for a in range(1, lags + 1):
        sums[a] = sums[a - 1] + x[lags - a] - x[n - a]


@compiled_sums
def total_of(x: FloatArray) -> float:
    """Sum an array, in any order.

    Parameters
    ----------
    x : (n,)
        Finite.

    Returns
    -------
    float
    """
    total = 0.0
    for i in range(x.size):
        total += x[i]
    return total


@compiled
def factorise(gram: FloatArray, size: int, energy: FloatArray, residuals: FloatArray) -> float:
    """Turn products into the upper Cholesky factor, in place, the target's own entry excepted.

    Parameters
    ----------
    gram : (size or more, size or more)
        Products in the upper triangle, the target's in column ``size - 1``; on return the factor's rows.
    size
        The number of regressors and one.
    energy : (size or more,)
        What each regressor's pivot is measured by.
    residuals : (size - 1 or more,)
        Is filled: the residual sum of squares with the regressors 0 ... j.

    Returns
    -------
    float
        The smallest pivot in units of its energy; the factor is of no use when that is near or under zero.
    """
    smallest = np.inf
    last = size - 1
    for j in range(last):
        share = gram[j, j] / energy[j]
        if not share > 0.0:
            return 0.0
        smallest = min(smallest, share)
        root = np.sqrt(gram[j, j])
        for i in range(j, size):
            gram[j, i] /= root
        for i in range(j + 1, size):
            factor = gram[j, i]
            above = gram[j, i:size]
            below = gram[i, i:size]
            for k in range(above.size):
                below[k] -= factor * above[k]
        residuals[j] = gram[last, last]
    return smallest


@compiled
def solve(factor: FloatArray, size: int, coefficients: FloatArray) -> None:
    """Find the coefficients of all regressors by substitution from the last.

    Parameters
    ----------
    factor : (size or more, size or more)
        From `factorise`.
    size
        The number of regressors and one.
    coefficients : (size - 1 or more,)
        Is filled.
    """
    last = size - 1
    for j in range(last - 1, -1, -1):
        left = factor[j, last]
        for i in range(j + 1, last):
            left -= factor[j, i] * coefficients[i]
        coefficients[j] = left / factor[j, j]
