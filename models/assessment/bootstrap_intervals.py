"""Bootstrap intervals of figures, drawing assets with replacement: samples of one asset are no independent trials.

The percentiles are spread as Student's t is wider than the normal distribution, since those of few assets are too
narrow; a figure of 0 or 1, which all draws repeat, has the bound of as many trials as there are assets that failed.

References
----------
Efron & Tibshirani, *An Introduction to the Bootstrap* (1993), chapters 8 and 13. Field & Welsh, "Bootstrapping
clustered data", JRSS-B 69 (2007), doi:10.1111/j.1467-9868.2007.00593.x (drawing clusters). Hesterberg, "What teachers
should know about the bootstrap", The American Statistician 69 (2015), doi:10.1080/00031305.2015.1089789, section 5.3
(expanded percentiles).
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

Vector = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]

DRAWS = 500
_SEED = 0
_UNKNOWN = (math.nan, math.nan)


def f1_interval(asset: npt.ArrayLike, truth: Rows, alert: Rows, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of F1 of n decisions; NaN with fewer than two assets that failed.

    Examples
    --------
    >>> f1_interval(["a", "b", "c"], np.array([True, True, False]), np.array([True, True, False]))[1]
    1.0
    """
    code, failed = _assets(asset, truth)
    right, wrong = (np.bincount(code, mask, code.max(initial=-1) + 1) for mask in (alert & truth, alert ^ truth))
    if failed < 2 or not (alert | truth).any():
        return _UNKNOWN
    draws = asset_draws(len(right))
    doubled = 2 * (draws @ right)
    total = doubled + draws @ wrong
    return _interval(doubled[total > 0] / total[total > 0], failed, confidence)


def pr_auc_interval(asset: npt.ArrayLike, truth: Rows, score: Vector, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of the average precision of n samples; NaN with fewer than two assets that failed."""
    code, failed = _assets(asset, truth)
    if failed < 2:
        return _UNKNOWN
    areas = pr_auc_draws(code, truth, score, asset_draws(int(code.max()) + 1))
    return _interval(areas[~np.isnan(areas)], failed, confidence)


def pr_auc_draws(code: npt.NDArray[np.intp], truth: Rows, score: Vector, draws: Vector) -> Vector:
    """Return the average precision of n samples in each of the draws; NaN for one without a positive sample.

    `code` is the number of each sample's asset, `draws` how often each asset is drawn, shape (n_draws, n_assets).
    """
    order = np.argsort(-score, kind="stable")
    code, positive = code[order], truth[order].astype(np.float64)
    # Samples of one score are alerted together.
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    areas = np.full(len(draws), math.nan)
    for number, draw in enumerate(draws):
        weight = draw[code]
        found, alerted = np.cumsum(weight * positive)[last], np.cumsum(weight)[last]
        if found[-1] > 0:
            precision = np.divide(found, alerted, out=np.zeros_like(found), where=alerted > 0)
            areas[number] = float((np.diff(found, prepend=0.0) * precision).sum() / found[-1])
    return areas


def roc_auc_draws(code: npt.NDArray[np.intp], truth: Rows, score: Vector, draws: Vector) -> Vector:
    """Return the area under the ROC curve of n samples in each of the draws; NaN for one with a single class.

    Parameters as for `pr_auc_draws`.
    """
    order = np.argsort(score, kind="stable")
    code, positive = code[order], truth[order].astype(np.float64)
    tie = np.append(0, np.cumsum(np.diff(score[order]) != 0))
    areas = np.full(len(draws), math.nan)
    for number, draw in enumerate(draws):
        weight = draw[code]
        above = np.bincount(tie, weight * positive)
        below = np.bincount(tie, weight * (1.0 - positive))
        pairs = above.sum() * below.sum()
        if pairs > 0:
            # A tie counts half.
            areas[number] = float((above * (np.cumsum(below) - below / 2)).sum() / pairs)
    return areas


def mean_interval(asset: npt.ArrayLike, values: Vector, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of the mean of n values; NaN with fewer than two assets."""
    code = np.unique(np.asarray(asset, dtype=str), return_inverse=True)[1]
    n_assets = int(code.max(initial=-1)) + 1
    if n_assets < 2:
        return _UNKNOWN
    draws = asset_draws(n_assets)
    means = (draws @ np.bincount(code, values)) / (draws @ np.bincount(code))
    return expanded_percentiles(means, n_assets, confidence)


def _assets(asset: npt.ArrayLike, truth: Rows) -> tuple[npt.NDArray[np.intp], int]:
    """Return the number of each sample's asset, and how many assets failed."""
    code = np.unique(np.asarray(asset, dtype=str), return_inverse=True)[1]
    return code, len(np.unique(code[truth]))


def asset_draws(n_assets: int, n_draws: int = DRAWS) -> Vector:
    """Return how often each asset is drawn, (n_draws, n_assets)."""
    draws = np.random.default_rng(_SEED).multinomial(n_assets, np.full(n_assets, 1.0 / n_assets), n_draws)
    return draws.astype(np.float64)


def _interval(figures: Vector, failed: int, confidence: float) -> tuple[float, float]:
    bound = ((1.0 - confidence) / 2) ** (1.0 / failed)
    if (figures >= 1.0).all():
        return bound, 1.0
    return (0.0, 1.0 - bound) if (figures <= 0.0).all() else expanded_percentiles(figures, failed, confidence)


def expanded_percentiles(figures: Vector, n: int, confidence: float) -> tuple[float, float]:
    """Return the interval of a figure by its draws, spread as Student's t of n assets is wider than the normal."""
    tail = float(stats.norm.sf(stats.t.isf((1.0 - confidence) / 2, n - 1) * math.sqrt(n / (n - 1))))
    low, high = np.quantile(figures, [tail, 1.0 - tail])
    return float(low), float(high)
