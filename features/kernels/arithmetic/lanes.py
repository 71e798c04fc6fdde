"""Small matrices of several series side by side: the last axis is the series, so each step is done for all at once.

Each lane sees the steps that it would see alone, in the same order.
"""

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled

FloatArray = npt.NDArray[np.float64]

#: So many series stand side by side, fewer if there are no more.
LANES = 16


@compiled
def subtract_products(first: FloatArray, second: FloatArray, target: FloatArray) -> None:
    """Subtract the sum of some products in every lane.

    Parameters
    ----------
    first, second : (m, lanes)
        The factors.
    target : (lanes,)
        Is changed.
    """
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
    """Turn sums of products, given the sums of the factors, into sums of products of centred factors.

    Parameters
    ----------
    products : (m, lanes)
        The sums of products.
    second, target : (m or more, lanes)
        The sums of the factors that differ, and what is filled.
    first : (lanes,)
        The sum of the factor that is the same in the whole row.
    equations
        How many products each sum has.
    """
    share = 1.0 / equations
    for k in range(len(products)):
        product, total, entry = products[k], second[k], target[k]
        for lane in range(first.size):
            entry[lane] = product[lane] - first[lane] * total[lane] * share


@compiled
def copy(source: FloatArray, target: FloatArray) -> None:
    """Copy what stands in the lanes; numba's own assignment takes seconds to compile.

    Parameters
    ----------
    source, target : (lanes,)
        The second is filled.
    """
    for lane in range(target.size):
        target[lane] = source[lane]
