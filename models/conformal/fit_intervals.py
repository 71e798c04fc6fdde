"""Fits the interval table of a model to predictions of assets that the predicting models had not seen.

References
----------
Vovk, Gammerman & Shafer, *Algorithmic Learning in a Random World* (2005), section 4.5 (Mondrian categories).
Lei, G'Sell, Rinaldo, Tibshirani & Wasserman, "Distribution-free predictive inference for regression", JASA 113 (2018),
doi:10.1080/01621459.2017.1307116, section 5.2 (locally scaled residuals). Yang & Kuchibhotla, "Selection and
aggregation of conformal prediction sets", arXiv:2104.13871 (what choosing the narrowest costs in coverage).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.conformal.asset_quantiles import covering_quantile
from models.conformal.censoring import observation_weights
from models.conformal.interval_table import IntervalTable, Stage

Vector = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]
# A stage of fewer assets says little of what is rare.
_ASSETS_A_STAGE, _MOST_STAGES = 20, 5
_MOST_KNOTS, _SAMPLES_A_KNOT = 12, 30
_SMALLEST_SCALE = 1e-3
_SCALE_FOLDS = 10


@dataclass(frozen=True)
class HeldOutPredictions:
    """Predictions of n training samples by models that were fitted without their assets."""

    asset: npt.NDArray[np.str_]
    prediction: Vector
    target: Vector  # NaN where the outcome was not observed
    followed: Vector  # how long it was followed, up to the outcome or the end of observation

    @cached_property
    def code(self) -> npt.NDArray[np.intp]:
        """The number of each sample's asset."""
        return np.asarray(pd.factorize(self.asset)[0], dtype=np.intp)

    @property
    def known(self) -> Rows:
        """Whether the outcome was observed."""
        return ~np.isnan(self.target)

    @property
    def residual(self) -> Vector:
        """Absolute residuals; NaN where the outcome was not observed."""
        return np.asarray(np.abs(self.target - self.prediction), dtype=np.float64)

    def shares(self, within: Rows) -> Vector:
        """Return the weight of each sample if each asset weighs one in all within; shape (n_within,)."""
        code = self.code[within]
        return np.asarray(1.0 / np.bincount(code)[code], dtype=np.float64)


def fit_intervals(
    held_out: HeldOutPredictions, *, level: float, limits: tuple[float | None, float | None] = (None, None)
) -> IntervalTable | None:
    """Fit the intervals that hold the outcome of a new asset with probability `level`; None if too few assets."""
    n_assets = len(np.unique(held_out.code[held_out.known]))
    for n_stages in range(max(1, min(_MOST_STAGES, n_assets // _ASSETS_A_STAGE)), 0, -1):
        table = _fit(held_out, n_stages, level)
        if table is not None:
            table = replace(table, lowest=limits[0], highest=limits[1])
            return _of_one_width_unless_wider(held_out, table) if len(table.stages) == 1 else table
    return None


def _of_one_width_unless_wider(held_out: HeldOutPredictions, table: IntervalTable) -> IntervalTable:
    """Return intervals of one width where those are narrower, as the scale of few assets is mostly their chance."""
    constant = replace(
        table, stages=(replace(table.stages[0], quantile=table.constant),), scale_at=(0.0,), scale=(1.0,)
    )
    return constant if _mean_width(held_out, constant) <= _mean_width(held_out, table) else table


def _mean_width(held_out: HeldOutPredictions, table: IntervalTable) -> float:
    low, high = table.around(held_out.prediction).T
    return float(np.average(high - low, weights=held_out.shares(np.ones(len(low), dtype=np.bool_))))


def _fit(held_out: HeldOutPredictions, n_stages: int, level: float) -> IntervalTable | None:
    """Fit a table of so many stages; None if one of them has too few assets."""
    everything = np.ones(len(held_out.target), dtype=np.bool_)
    shares, known = held_out.shares(everything), held_out.known
    ends = np.unique(_weighted_quantiles(held_out.prediction, shares, np.arange(1, n_stages) / n_stages))
    stage = np.searchsorted(ends, held_out.prediction, side="right")
    factor = np.zeros(len(known))
    for number in range(len(ends) + 1):
        inside = stage == number
        weights = observation_weights(held_out.followed[inside], known[inside], held_out.shares(inside))
        factor[inside] = weights / held_out.shares(inside)
    scale_at, scale = _fit_scale(held_out, shares * factor, known)
    scaled = _scaled_residuals(held_out, shares * factor)
    quantiles = [_quantile(held_out, scaled, factor, stage == number, level) for number in range(len(ends) + 1)]
    constant = _quantile(held_out, held_out.residual, factor, everything, level)
    if constant is None or any(quantile is None for quantile in quantiles):
        return None
    counts = [len(np.unique(held_out.code[known & (stage == number)])) for number in range(len(ends) + 1)]
    stages = zip([*ends.tolist(), None], quantiles, counts, strict=True)
    return IntervalTable(
        level=level,
        stages=tuple(Stage(*each) for each in stages),
        scale_at=tuple(scale_at.tolist()),
        scale=tuple(scale.tolist()),
        constant=constant,
    )


def _quantile(held_out: HeldOutPredictions, scores: Vector, factor: Vector, within: Rows, level: float) -> float | None:
    weights, stands = held_out.shares(within) * factor[within], factor[within] > 0
    # A censored life that nothing stands for may have been of any length.
    scores = np.where(np.isnan(scores), np.inf, scores)[within]
    return covering_quantile(scores[stands], held_out.code[within][stands], weights[stands], level)


def _scaled_residuals(held_out: HeldOutPredictions, weight: Vector) -> Vector:
    """Divide each residual by the scale of assets other than its own, which it would have enlarged."""
    scaled, group = np.full(len(weight), np.nan), held_out.code % _SCALE_FOLDS
    for number in np.unique(group):
        others, inside = held_out.known & (group != number), group == number
        if others.any():
            scaled[inside] = held_out.residual[inside] / np.interp(
                held_out.prediction[inside], *_fit_scale(held_out, weight, others)
            )
    return scaled


def _fit_scale(held_out: HeldOutPredictions, weight: Vector, rows: Rows) -> tuple[Vector, Vector]:
    """Return predictions, ascending, and the weighted mean of the residuals near each."""
    prediction, residual, weight = held_out.prediction[rows], held_out.residual[rows], weight[rows]
    n_knots = max(1, min(_MOST_KNOTS, len(prediction) // _SAMPLES_A_KNOT))
    ends = np.unique(_weighted_quantiles(prediction, weight, np.arange(1, n_knots) / n_knots))
    knot = np.searchsorted(ends, prediction, side="right")
    total = np.bincount(knot, weight, minlength=len(ends) + 1)
    used = total > 0
    at = (np.bincount(knot, weight * prediction, minlength=len(total)))[used] / total[used]
    scale = (np.bincount(knot, weight * residual, minlength=len(total)))[used] / total[used]
    return at, np.maximum(scale, _SMALLEST_SCALE * scale.max() or 1.0)


def _weighted_quantiles(values: Vector, weight: Vector, shares: Vector) -> Vector:
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weight[order])
    return np.asarray(values[order][np.searchsorted(cumulative, shares * cumulative[-1])], dtype=np.float64)
