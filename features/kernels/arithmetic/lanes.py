"""Small matrices of several series side by side: the last axis is the series, so each step is done for all at once.

Each lane goes through the same steps, in the same order, as it would alone.
"""

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled

FloatArray = npt.NDArray[np.float64]

#: Series computed side by side.
LANES = 16


@compiled
def subtract_products(first: FloatArray, second: FloatArray, target: FloatArray) -> None:
    """Subtract the sum of products of two (m, lanes) arrays from the target (lanes,)."""
    m = len(first)
    odd = m % 2
    if odd:
        x, y = first[0], second[0]
        for lane in range(target.size):
            target[lane] -= x[lane] * y[lane]
    for i in range(odd, m, 2):
        x, y, later_x, later_y = first[i], second[i], first[i + 1], second[i + 1]
        for lane in range(target.size):
            target[lane] -= x[lane] * y[lane] + later_x[lane] * later_y[lane]


@compiled
def centre_products(
    products: FloatArray, first: FloatArray, second: FloatArray, equations: int, target: FloatArray
) -> None:
    """Turn sums of products (m, lanes), given the sums of the factors, into sums of products of centred factors.

    `first` (lanes,) is the sum of the factor common to the row, `second` (m or more, lanes) are those of the other
    factors.
    """
    share = 1.0 / equations
    for k in range(len(products)):
        product, total, entry = products[k], second[k], target[k]
        for lane in range(first.size):
            entry[lane] = product[lane] - first[lane] * total[lane] * share


@compiled
def copy(source: FloatArray, target: FloatArray) -> None:
    """Copy an array (lanes,); numba's own assignment takes seconds to compile."""
    for lane in range(target.size):
        target[lane] = source[lane]
