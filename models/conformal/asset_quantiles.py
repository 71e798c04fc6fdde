"""Quantiles of scores that cover a new asset: assets are exchangeable, samples of one asset are not.

The distribution functions of the assets are averaged (Dunn, Wasserman & Ramdas), each asset weighing the same however
many samples it has. A quantile of that average covers the assets it was taken of, but a new one less. How much less is
measured: each asset in turn is held against the quantile of all others, and the level is raised until they are covered
as often as wanted. For one sample an asset this is the quantile of split conformal prediction, or the next higher
score; the more the samples of an asset differ among themselves, the less the level has to be raised.

References
----------
Dunn, Wasserman & Ramdas, "Distribution-free prediction sets for two-layer hierarchical models", Journal of the American
Statistical Association 118 (2023), doi:10.1080/01621459.2022.2060112 (pooling of distribution functions). Lee, Barber &
Willett, "Distribution-free inference with hierarchical data", arXiv:2306.06342. Barber, Candes, Ramdas & Tibshirani,
"Predictive inference with the jackknife+", Annals of Statistics 49 (2021), doi:10.1214/20-AOS1965 (leaving out one).
"""

import math

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
_FEWEST_ASSETS = 5
# Of so many assets each one alone hardly moves the quantile, and not all need be left out in turn.
_MOST_LEFT_OUT = 200
_LEVELS = 201
# Sums of weights that should be equal differ in the last bits.
_ROUNDING = 1e-9


def covering_quantile(scores: Vector, asset: Codes, weights: Vector, level: float) -> float | None:
    """Return the score that a new asset's samples stay within with probability `level`; None where too few bound it.

    Takes n scores with the number of their asset and their weight, above zero: what share of the asset's samples each
    stands for.

    Examples
    --------
    >>> covering_quantile(np.arange(10.0), np.arange(10), np.ones(10), 0.9)
    9.0
    >>> covering_quantile(np.arange(8.0), np.arange(8), np.ones(8), 0.9) is None
    True
    """
    order = np.argsort(scores, kind="stable")
    ordered, weight = scores[order], weights[order]
    code = np.unique(asset, return_inverse=True)[1][order]
    n_assets = int(code.max(initial=-1)) + 1
    if n_assets < _FEWEST_ASSETS:
        return None
    left_out = np.unique(np.linspace(0, n_assets - 1, min(n_assets, _MOST_LEFT_OUT)).astype(np.intp))
    levels = np.linspace(level, 1.0, _LEVELS)
    quantiles, covered = _without_each(ordered, code, weight, left_out, levels)
    enough = covered >= level - _ROUNDING
    # An order statistic, since infinite scores have no mean.
    quantile = float(np.sort(quantiles[:, enough.argmax()])[len(left_out) // 2])
    return quantile if enough.any() and math.isfinite(quantile) else None


def _without_each(
    ordered: Vector, code: Codes, weight: Vector, left_out: Codes, levels: Vector
) -> tuple[Vector, Vector]:
    """Return the quantiles of all others for each asset left out, and how much of it they cover, on average."""
    pooled = np.cumsum(weight)
    quantiles, covered, total = np.empty((len(left_out), len(levels))), np.zeros(len(levels)), 0.0
    for row, number in enumerate(left_out):
        own = np.cumsum(np.where(code == number, weight, 0.0))
        others = pooled - own
        first = np.searchsorted(others, levels * others[-1] * (1.0 - _ROUNDING))
        quantiles[row] = ordered[np.minimum(first, len(ordered) - 1)]
        covered += own[np.searchsorted(ordered, quantiles[row], side="right") - 1]
        total += own[-1]
    return quantiles, covered / total
