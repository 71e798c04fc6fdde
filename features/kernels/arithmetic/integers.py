"""Whole numbers of a table."""

from typing import Any

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled


@compiled
def greatest(values: npt.NDArray[np.integer[Any]]) -> int:
    """Find the greatest of some whole numbers.

    Parameters
    ----------
    values : (n,)
        At least one.

    Returns
    -------
    int
    """
    most = values[0]
    for value in values:
        most = max(most, value)
    return int(most)
