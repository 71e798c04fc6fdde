"""Figures of predictions as sums over assets, and how far two learners differ: a paired bootstrap over assets.

A figure takes predictions and how often each asset is drawn, (n_draws, n_assets), and returns one value a draw. What
is compared are differences of the same draws, averaged over the seeds of both learners: an asset that is hard for both
does not affect which is better. Percentiles are spread as Student's t is wider than the normal distribution, since
those of few assets are too narrow.

References
----------
Efron & Tibshirani, *An Introduction to the Bootstrap* (1993), chapters 8 and 13. Field & Welsh, "Bootstrapping
clustered data", JRSS-B 69 (2007), doi:10.1111/j.1467-9868.2007.00593.x. Hesterberg, "What teachers should know about
the bootstrap", The American Statistician 69 (2015), doi:10.1080/00031305.2015.1089789, section 5.3.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

Matrix = npt.NDArray[np.float64]
Figure = Callable[[pd.DataFrame, Matrix], Matrix]
DRAWS = 2000


@dataclass(frozen=True)
class Difference:
    """How much larger ours is than a peer's, with its 95 % interval by asset."""

    value: float
    low: float
    high: float


def draw_assets(n_assets: int) -> Matrix:
    """Draw assets with replacement, (DRAWS, n_assets)."""
    draws = np.random.default_rng(0).multinomial(n_assets, np.full(n_assets, 1.0 / n_assets), DRAWS)
    return draws.astype(np.float64)


def figure_of(figure: Figure, by_seed: Sequence[pd.DataFrame]) -> float:
    """Return the mean over the seeds."""
    return float(_mean(figure, by_seed, np.ones((1, _n_assets(by_seed))))[0])


def difference(figure: Figure, ours: Sequence[pd.DataFrame], peer: Sequence[pd.DataFrame]) -> Difference:
    """Compare the same samples, predicted by both with some seeds; columns asset (number), truth, prediction, alert."""
    n = _n_assets(ours)
    draws = draw_assets(n)
    differences = _mean(figure, ours, draws) - _mean(figure, peer, draws)
    tail = float(stats.norm.sf(stats.t.isf(0.025, n - 1) * math.sqrt(n / (n - 1))))
    low, high = np.nanquantile(differences, [tail, 1.0 - tail])
    return Difference(figure_of(figure, ours) - figure_of(figure, peer), float(low), float(high))


def rmse(frame: pd.DataFrame, weights: Matrix) -> Matrix:
    """Root mean squared error."""
    squares = (frame["prediction"] - frame["truth"]).to_numpy(np.float64) ** 2
    return np.sqrt(_sums(frame, squares, weights) / _sums(frame, np.ones(len(frame)), weights))


def nasa_score(frame: pd.DataFrame, weights: Matrix) -> Matrix:
    """NASA's score of remaining life (Saxena et al., PHM 2008, doi:10.1109/PHM.2008.4711414, section III)."""
    error = (frame["prediction"] - frame["truth"]).to_numpy(np.float64)
    return _sums(frame, np.where(error < 0, np.expm1(-error / 13.0), np.expm1(error / 10.0)), weights)


def f1(frame: pd.DataFrame, weights: Matrix) -> Matrix:
    """F1 of the decisions, one a sample whose outcome is known."""
    decided = frame[frame["truth"].notna()]
    truth, alert = decided["truth"].to_numpy() > 0, decided["alert"].to_numpy(np.bool_)
    doubled = 2 * _sums(decided, (truth & alert).astype(np.float64), weights)
    total = doubled + _sums(decided, (truth ^ alert).astype(np.float64), weights)
    return np.divide(doubled, total, out=np.full_like(total, np.nan), where=total > 0)


def cost(frame: pd.DataFrame, weights: Matrix) -> Matrix:
    """Missed failures and false alarm episodes times what they cost, booked on single rows in the column cost."""
    return _sums(frame, frame["cost"].to_numpy(np.float64), weights)


def pr_auc(frame: pd.DataFrame, weights: Matrix) -> Matrix:
    """Average precision of the samples whose outcome is known; samples of one score are alerted together."""
    decided = frame[frame["truth"].notna()].sort_values("prediction", ascending=False, kind="stable")
    asset, truth = decided["asset"].to_numpy(), decided["truth"].to_numpy(np.float64)
    last = np.flatnonzero(np.append(np.diff(decided["prediction"].to_numpy()) != 0, True))
    return np.array([_average_precision(drawn[asset], truth, last) for drawn in weights])


def _average_precision(weight: Matrix, truth: Matrix, last: npt.NDArray[np.intp]) -> float:
    found, alerted = np.cumsum(weight * truth)[last], np.cumsum(weight)[last]
    if found[-1] == 0:
        return math.nan
    precision = np.divide(found, alerted, out=np.zeros_like(found), where=alerted > 0)
    return float((np.diff(found, prepend=0.0) * precision).sum() / found[-1])


def _mean(figure: Figure, by_seed: Sequence[pd.DataFrame], weights: Matrix) -> Matrix:
    return np.asarray(np.mean([figure(frame, weights) for frame in by_seed], axis=0), dtype=np.float64)


def _sums(frame: pd.DataFrame, values: Matrix, weights: Matrix) -> Matrix:
    by_asset = np.bincount(frame["asset"], values, minlength=weights.shape[1])
    return np.asarray(weights @ by_asset, dtype=np.float64)


def _n_assets(by_seed: Sequence[pd.DataFrame]) -> int:
    return int(by_seed[0]["asset"].max()) + 1
