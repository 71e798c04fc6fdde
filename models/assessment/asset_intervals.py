"""Intervals of figures, with the asset as the unit: samples of one asset are no independent trials.

The variance between assets is that of the linearised figure (delta method), its interval by Student's t with one degree
of freedom less than there are assets. An area under the ROC curve is on the scale of the log-odds, an error on that of
the logarithm, so that no interval leaves the possible.

References
----------
Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 53 (1997), doi:10.2307/2533958. Cochran,
*Sampling Techniques* (1977), chapter 6 (ratio estimators). Clopper & Pearson, Biometrika 26 (1934),
doi:10.1093/biomet/26.4.404, for an area of 1 or 0, whose variance cannot be seen.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import expit, logit

Vector = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]

_UNKNOWN = (math.nan, math.nan)


def auc_interval(asset: npt.ArrayLike, truth: Rows, score: Vector, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of the area under the ROC curve of n samples; NaN with one class or one failed asset.

    Examples
    --------
    >>> asset, truth = ["m1", "m1", "m2", "m2"], np.array([True, False, True, False])
    >>> auc_interval(asset, truth, np.array([0.9, 0.1, 0.8, 0.2]))[1]
    1.0
    """
    codes = np.unique(np.asarray(asset, dtype=str), return_inverse=True)[1]
    n_assets, positives, negatives = codes.max(initial=-1) + 1, int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return _UNKNOWN
    above = _shares_below(score[truth], score[~truth])
    below = 1.0 - _shares_below(score[~truth], score[truth])
    area = float(above.mean())
    failed = len(np.unique(codes[truth]))
    tail = (1.0 - confidence) / 2
    if area in (0.0, 1.0):
        bound = tail ** (1.0 / failed)
        return (bound, 1.0) if area else (0.0, 1.0 - bound)
    if failed < 2 or n_assets < 2:
        return _UNKNOWN
    ten = np.bincount(codes[truth], above - area, minlength=n_assets)
    one = np.bincount(codes[~truth], below - area, minlength=n_assets)
    healthy = max(2, len(np.unique(codes[~truth])))
    variance = (
        failed / (failed - 1) * (ten**2).sum() / positives**2
        + healthy / (healthy - 1) * (one**2).sum() / negatives**2
        + 2 * n_assets / (n_assets - 1) * (ten * one).sum() / (positives * negatives)
    )
    half = stats.t.isf(tail, failed - 1) * math.sqrt(max(variance, 0.0)) / (area * (1 - area))
    return float(expit(logit(area) - half)), float(expit(logit(area) + half))


def rmse_interval(
    asset: npt.ArrayLike, predicted: Vector, true: Vector, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the root mean squared error of n samples; NaN with fewer than two assets."""
    codes = np.unique(np.asarray(asset, dtype=str), return_inverse=True)[1]
    n_assets = codes.max(initial=-1) + 1
    squares = (predicted - true) ** 2
    if n_assets < 2 or not squares.any():
        return _UNKNOWN
    mean = float(squares.mean())
    residuals = np.bincount(codes, squares - mean)
    error = math.sqrt(n_assets / (n_assets - 1) * float((residuals**2).sum())) / len(squares)
    half = stats.t.isf((1.0 - confidence) / 2, n_assets - 1) * error / mean
    return math.sqrt(mean * math.exp(-half)), math.sqrt(mean * math.exp(half))


def _shares_below(score: Vector, others: Vector) -> Vector:
    """Return the share of others below each score, ties counting half."""
    ordered = np.sort(others)
    count = np.searchsorted(ordered, score, side="left") + np.searchsorted(ordered, score, side="right")
    return np.asarray(count / (2 * len(ordered)), dtype=np.float64)
