"""Reliability of predicted probabilities: what share failed at each level, and the slope and intercept of calibration.

References
----------
Cox, "Two further applications of a model for binary regression", Biometrika 45 (1958), doi:10.1093/biomet/45.3-4.562
(slope and intercept). Van Calster et al., "Calibration: the Achilles heel of predictive analytics", BMC Medicine 17
(2019), doi:10.1186/s12916-019-1466-7 (how to report them). Liang & Zeger, "Longitudinal data analysis using generalized
linear models", Biometrika 73 (1986), doi:10.1093/biomet/73.1.13 (the variance between assets).

SciPy and scikit-learn are imported where they are used: whoever reads settings imports this, and most need no more.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]

_BINS = 10
_NEAREST = 1e-9


@dataclass(frozen=True)
class ReliabilityBin:
    """The samples whose predicted probability lies in [low, high)."""

    low: float
    high: float
    count: int
    predicted: float  # mean
    observed: float  # share that failed

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return dict(vars(self))


@dataclass(frozen=True)
class CalibrationSlope:
    """The logistic regression of outcomes on the log-odds predicted: slope 1 and intercept 0 are perfect.

    A slope below 1 means that predictions are too extreme, above 1 that they are too cautious. NaN where it has no
    finite value: with one class, or where all samples that failed score above all others.
    """

    slope: float
    intercept: float
    slope_low: float  # 95 % interval by asset; NaN with fewer than two assets that failed
    slope_high: float


def reliability_bins(truth: Rows, probability: Vector, bins: int = _BINS) -> tuple[ReliabilityBin, ...]:
    """Count the outcomes of n samples by predicted probability, in bins of equal width; empty ones are left out.

    Examples
    --------
    >>> [each.count for each in reliability_bins(np.array([False, True, True]), np.array([0.1, 0.15, 0.9]))]
    [2, 1]
    """
    which = np.minimum((probability * bins).astype(int), bins - 1)
    counts = np.bincount(which, minlength=bins)
    predicted = np.bincount(which, weights=probability, minlength=bins)
    observed = np.bincount(which, weights=truth, minlength=bins)
    return tuple(
        ReliabilityBin(
            low=number / bins,
            high=(number + 1) / bins,
            count=int(counts[number]),
            predicted=float(predicted[number] / counts[number]),
            observed=float(observed[number] / counts[number]),
        )
        for number in np.flatnonzero(counts).tolist()
    )


def calibration_slope(
    asset: npt.ArrayLike, truth: Rows, probability: Vector, confidence: float = 0.95
) -> CalibrationSlope:
    """Regress the outcomes of n samples on the log-odds of their predicted probabilities, with the asset as the unit.

    Examples
    --------
    >>> truth = np.arange(100) % 4 == 0
    >>> probability = np.where(np.arange(100) % 2 == 0, 0.5, 0.001)
    >>> calibration_slope(np.arange(100), truth, probability).slope_low
    nan
    """
    from scipy.special import logit
    from sklearn.linear_model import LogisticRegression

    scores = logit(np.clip(probability, _NEAREST, 1.0 - _NEAREST))
    if truth.all() or not truth.any() or scores[truth].min() >= scores[~truth].max() or np.ptp(scores) == 0:
        return CalibrationSlope(math.nan, math.nan, math.nan, math.nan)
    # C is so large that nothing is regularised.
    fitted = LogisticRegression(C=1e9).fit(scores[:, None], truth)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    half = _half_width(asset, truth, scores, (slope, intercept), confidence)
    return CalibrationSlope(slope, intercept, slope - half, slope + half)


def _half_width(
    asset: npt.ArrayLike, truth: Rows, scores: Vector, fitted: tuple[float, float], confidence: float
) -> float:
    """Return half the width of the slope's interval, from the variance of the estimating equations between assets."""
    from scipy import stats
    from scipy.special import expit

    codes = np.unique(np.asarray(asset, dtype=str), return_inverse=True)[1]
    failed = len(np.unique(codes[truth]))
    if failed < 2:
        return math.nan
    chance = expit(fitted[0] * scores + fitted[1])
    design = np.column_stack([scores, np.ones(len(scores))])
    information = (design * (chance * (1.0 - chance))[:, None]).T @ design
    residuals = design * (truth - chance)[:, None]
    by_asset = np.column_stack([np.bincount(codes, weights=column) for column in residuals.T])
    inverse = np.linalg.pinv(information)
    variance = inverse @ (by_asset.T @ by_asset) @ inverse * failed / (failed - 1)
    return float(stats.t.isf((1.0 - confidence) / 2, failed - 1) * math.sqrt(max(variance[0, 0], 0.0)))
