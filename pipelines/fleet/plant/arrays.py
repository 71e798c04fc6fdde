"""Array types of the simulation, and how uniform draws become quantities."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
Quantity = TypeVar("Quantity", float, Floats)


def between(bounds: tuple[float, float], share: Quantity) -> Quantity:
    """Return what lies this share of the way from the lower to the upper bound."""
    return bounds[0] + (bounds[1] - bounds[0]) * share
