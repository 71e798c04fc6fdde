"""Platt calibration of a learner's scores to probabilities."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

Vector = npt.NDArray[np.float64]
_NEAREST = 1e-9


@dataclass(frozen=True)
class Calibration:
    """A sigmoid that turns scores into probabilities: expit(slope * logit(score) + intercept).

    References
    ----------
    Platt, "Probabilistic outputs for support vector machines", 1999.
    """

    slope: float
    intercept: float

    def apply(self, scores: Vector) -> Vector:
        """Calibrate scores between 0 and 1, shape (n,)."""
        inside = np.clip(scores, _NEAREST, 1.0 - _NEAREST)
        return np.asarray(expit(self.slope * logit(inside) + self.intercept), dtype=np.float64)
