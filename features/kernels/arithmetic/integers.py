"""Integer tables."""

from typing import Any

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled


@compiled
def greatest(values: npt.NDArray[np.integer[Any]]) -> int:
    """Return the maximum of at least one integer."""
    most = values[0]
    for value in values:
        most = max(most, value)
    return int(most)
