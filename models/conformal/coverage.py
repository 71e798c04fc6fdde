"""How often prediction intervals hold the true number, by asset, and how wide they are."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from models.conformal.interval_table import IntervalTable

Vector = npt.NDArray[np.float64]
LOW, HIGH = "interval_low", "interval_high"
"""The columns of a test sample's interval."""


@dataclass(frozen=True)
class StageCoverage:
    """The test samples whose prediction lies in one stage."""

    begin: float  # of the predictions; minus infinity where it has none
    end: float
    assets: int
    coverage: float  # mean over assets; NaN without a sample
    width: float  # likewise


def interval_figures(
    samples: pd.DataFrame, true: Vector, constant: Vector, *, level: float, score_at: str
) -> dict[str, float]:
    """Compute the figures of intervals of n samples (asset, as_of, interval_low, interval_high) with true numbers (n,).

    Each asset weighs the same. With `score_at` "last" the figures are of the last sample of each asset, and
    those ending in ``_over_life`` are of all samples. NaN in `true` where the number is not known. `constant` has the
    ends of intervals of constant width, (n, 2), at the same level. ``interval_coverage_low`` and ``_high`` are a 95 %
    interval of the coverage: that of as many trials as there are assets, whose shares vary less than single trials do.
    """
    if LOW not in samples:
        return {}
    scored, more = ~np.isnan(true), dict[str, float]()
    if score_at == "last":
        for kind, ends in (("", samples[[LOW, HIGH]].to_numpy(dtype=np.float64)), ("_constant", constant)):
            names = (f"interval_coverage{kind}_over_life", f"interval_width{kind}_over_life")
            more |= dict(zip(names, map(_mean, _by_asset(samples["asset"], ends, true)), strict=True))
        known = samples[scored].sort_values(["asset", "as_of"])
        scored = samples.index.isin(known.drop_duplicates("asset", keep="last").index)
    samples, true, constant = samples[scored], true[scored], constant[scored]
    covered, width = _by_asset(samples["asset"], samples[[LOW, HIGH]].to_numpy(dtype=np.float64), true)
    constant_covered, constant_width = _by_asset(samples["asset"], constant, true)
    low, high = _binomial_interval(covered)
    return {
        "interval_level": level,
        "interval_coverage": _mean(covered),
        "interval_coverage_low": low,
        "interval_coverage_high": high,
        "interval_width": _mean(width),
        "interval_coverage_constant": _mean(constant_covered),
        "interval_width_constant": _mean(constant_width),
        **more,
    }


def coverage_by_stage(samples: pd.DataFrame, true: Vector, table: IntervalTable) -> tuple[StageCoverage, ...]:
    """Compute coverage and width at each stage of n samples (asset, prediction, interval_low, interval_high)."""
    ends = [-math.inf, *(stage.until for stage in table.stages if stage.until is not None), math.inf]
    intervals = samples[[LOW, HIGH]].to_numpy(dtype=np.float64)
    stage = np.searchsorted(ends[1:-1], samples["prediction"].to_numpy(), side="right")
    figures = []
    for number, (begin, end) in enumerate(itertools.pairwise(ends)):
        inside = stage == number
        covered, width = _by_asset(samples["asset"][inside], intervals[inside], true[inside])
        figures.append(StageCoverage(begin, end, len(covered), _mean(covered), _mean(width)))
    return tuple(figures)


def _by_asset(asset: "pd.Series[str]", ends: Vector, true: Vector) -> tuple[Vector, Vector]:
    """Return the share of each asset's samples that its intervals hold, and their mean width."""
    holds = (ends[:, 0] <= true) & (true <= ends[:, 1])
    own = pd.DataFrame({"holds": holds.astype(np.float64), "width": ends[:, 1] - ends[:, 0]})
    own = own[~np.isnan(true) & ~np.isnan(ends).any(axis=1)]
    means = own.groupby(asset.to_numpy()[own.index]).mean()
    return means["holds"].to_numpy(dtype=np.float64), means["width"].to_numpy(dtype=np.float64)


def _binomial_interval(covered: Vector, confidence: float = 0.95) -> tuple[float, float]:
    n_assets, tail = len(covered), (1.0 - confidence) / 2
    if not n_assets:
        return math.nan, math.nan
    held = float(covered.sum())
    low = float(stats.beta.ppf(tail, held, n_assets - held + 1)) if held > 0 else 0.0
    high = float(stats.beta.isf(tail, held + 1, n_assets - held)) if held < n_assets else 1.0
    return low, high


def _mean(values: Vector) -> float:
    return float(values.mean()) if len(values) else math.nan
