"""Whether a version's figure differs from another's by more than the draw of assets would explain.

Both are computed on the same draws of assets with replacement, so an asset that is hard for both says nothing. An
interval that holds zero leaves it open which is better, and then neither is called so. Where more than two versions are
compared, each interval is wider, so that all of them hold together with the confidence that is stated.

References
----------
Field & Welsh, "Bootstrapping clustered data", JRSS-B 69 (2007), doi:10.1111/j.1467-9868.2007.00593.x (drawing
clusters). Dunn, "Multiple comparisons among means", JASA 56 (1961), doi:10.1080/01621459.1961.10482090 (Bonferroni's
division of the error).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.assessment.bootstrap_intervals import asset_draws, expanded_percentiles
from models.comparisons.figures import KINDS, DrawnFigure

Vector = npt.NDArray[np.float64]
Verdict = Literal["better", "worse", "undecided"]
N_DRAWS = 1000
_FEWEST_ASSETS = 2


@dataclass(frozen=True)
class Difference:
    """How much larger a version's figure is than that of the version it is compared with."""

    figure: str
    value: float
    low: float  # ends of the paired interval; NaN where too few assets tell anything
    high: float
    verdict: Verdict  # undecided where the interval holds zero


def point_value(figure: DrawnFigure, n_assets: int) -> float:
    """Return a figure with every asset counted once."""
    return float(figure(np.ones((1, n_assets)))[0])


def differences(
    own: Mapping[str, DrawnFigure],
    other: Mapping[str, DrawnFigure],
    *,
    n_assets: int,
    informative: int,
    confidence: float,
) -> tuple[Difference, ...]:
    """Compare the figures of two versions, by name, on the same draws of assets.

    `informative` is how many assets the intervals are as wide as: those that failed, or all where numbers are
    predicted; with fewer than two no interval is given.
    """
    draws = asset_draws(n_assets, N_DRAWS)
    compared = []
    for name in own:
        seen = point_value(own[name], n_assets) - point_value(other[name], n_assets)
        low = high = math.nan
        if informative >= _FEWEST_ASSETS:
            drawn = own[name](draws) - other[name](draws)
            drawn = drawn[~np.isnan(drawn)]
            low, high = expanded_percentiles(drawn, informative, confidence) if len(drawn) else (math.nan, math.nan)
        compared.append(Difference(name, seen, low, high, _verdict(low, high, KINDS[name].higher_is_better)))
    return tuple(compared)


def _verdict(low: float, high: float, higher_is_better: bool) -> Verdict:
    if not (low > 0 or high < 0):
        return "undecided"
    return "better" if (low > 0) == higher_is_better else "worse"
