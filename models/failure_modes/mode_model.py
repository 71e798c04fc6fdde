"""A stored mode model: the probability of each mode given that the asset fails, and with it those of failing by each.

With one horizon the probability of failing by a mode is P(failure) x P(mode | failure). With several horizons both are
those of an interval given survival until it begins, which makes the products cause-specific hazards; their sum over the
intervals, each weighted by the probability to survive until it, is the mode's cumulative incidence. Either way the
modes add up to the probability of a failure, which the mode model does not change.

References
----------
Prentice et al., "The analysis of failure times in the presence of competing risks", Biometrics 34 (1978),
doi:10.2307/2530374 (cause-specific hazards). Fine & Gray, "A proportional hazards model for the subdistribution of a
competing risk", JASA 94 (1999), doi:10.1080/01621459.1999.10474144 (cumulative incidence). Tutz & Schmid, *Modeling
Discrete Time-to-Event Data* (2016), chapter 8 (both in discrete time).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
_FARTHEST = 5.0
"""Features count up to so many standard deviations: what lies far beyond the few failures known is not extrapolated."""


@dataclass(frozen=True)
class ModeModel:
    """A multinomial logistic model of the mode of a failure, stored as JSON numbers."""

    modes: tuple[str, ...]
    failures: tuple[int, ...]  # of each mode that it was fitted to
    mean: tuple[float, ...]  # of each feature over those failures
    scale: tuple[float, ...]  # its standard deviation there
    coefficients: tuple[tuple[float, ...], ...]  # of standardised features, a row for each mode
    intercepts: tuple[float, ...]
    penalty: float  # of the squared coefficients

    def given_failure(self, x: Matrix) -> Matrix:
        """Return the probability of each mode given a failure, for features (n, n_features); shape (n, n_modes).

        A row gets the same bits whether it is predicted alone or among others.
        """
        standardised = standardise(x, *self._moments)
        # BLAS adds in another order for one row than for many; numpy's sum along a row does not.
        scores = np.column_stack([(standardised * own).sum(axis=1) for own in self._coefficients])
        return softmax(scores + np.array(self.intercepts))

    @cached_property
    def _moments(self) -> tuple[Matrix, Matrix]:
        return np.array(self.mean), np.array(self.scale)

    @cached_property
    def _coefficients(self) -> Matrix:
        return np.array(self.coefficients)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "ModeModel":
        """Read what `to_dict` wrote."""
        lists = {name: tuple(content[name]) for name in ("modes", "failures", "mean", "scale", "intercepts")}
        return cls(**{**content, **lists, "coefficients": tuple(map(tuple, content["coefficients"]))})


def standardise(x: Matrix, mean: Matrix, scale: Matrix) -> Matrix:
    """Bring features to mean 0 and deviation 1, a missing one to the mean; shape as x, rows contiguous."""
    values = np.clip((x - mean) / scale, -_FARTHEST, _FARTHEST)
    return np.ascontiguousarray(np.where(np.isnan(values), 0.0, values))


def softmax(scores: Matrix) -> Matrix:
    """Turn the scores of a row into probabilities that add up to 1; shape as scores."""
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float64)


def mode_incidence(given_failure: Matrix, failed_by: Matrix) -> Matrix:
    """Return the probability of having failed by each mode by the end of each interval, (n, n_intervals, n_modes).

    Takes the probability of each mode given a failure in the interval, of that shape, and the probability of a failure
    by the end of each interval, (n, n_intervals), which the modes add up to.

    Examples
    --------
    >>> mode_incidence(np.array([[[0.5, 0.5], [1.0, 0.0]]]), np.array([[0.2, 0.6]])).round(3)
    array([[[0.1, 0.1],
            [0.5, 0.1]]])
    """
    steps = np.diff(failed_by, axis=1, prepend=0.0)
    return np.asarray(np.cumsum(steps[:, :, None] * given_failure, axis=1), dtype=np.float64)
