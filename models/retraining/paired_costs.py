"""Two models' errors on the same events, and how sure it is that one of them is cheaper: a bootstrap over assets.

Errors of one asset depend on each other: its alarms follow one another, and what makes it hard to predict stays. So
assets are drawn, not decisions, and each brings both models' errors with it. The comparison is paired: an asset that
is hard for both does not affect which is better.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.experiment.plans import CostPlan

Vector = npt.NDArray[np.float64]
COUNTS = (
    "events",
    "champion_missed",
    "challenger_missed",
    "champion_false",
    "challenger_false",
    "expected",
    "observed",
)
"""The columns that are counted asset by asset; the last two are of the challenger's probabilities."""
_BATCH = 256


@dataclass(frozen=True)
class CostDifference:
    """How much more the challenger costs than the champion; negative where it is cheaper."""

    value: float  # the difference observed
    low: float  # ends of its two-sided bootstrap interval
    high: float
    probability_cheaper: float  # share of the draws in which the challenger costs less; a tie is no saving


@dataclass(frozen=True)
class Ratio:
    """A ratio of two sums over assets."""

    value: float  # the ratio observed; NaN when its denominator is zero
    low: float  # quantiles of the ratio over the draws; NaN when none of them has a denominator
    high: float


def draw_assets(errors: pd.DataFrame, *, draws: int, seed: int) -> pd.DataFrame:
    """Draw as many assets as there are, with replacement, `draws` times, and add up their counts.

    `errors` has one row an asset, numbers only; the result has the same columns and one row a draw.

    Examples
    --------
    >>> draw_assets(pd.DataFrame({"events": [2, 2, 2]}), draws=2, seed=0)["events"].tolist()
    [6.0, 6.0]

    References
    ----------
    .. [1] B. Efron & R. J. Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 8 (units that are drawn
       whole), doi:10.1201/9780429246593.
    """
    counts, assets = errors.to_numpy(dtype=np.float64), len(errors)
    if not assets:
        return pd.DataFrame(columns=errors.columns, dtype=np.float64)
    rng = np.random.default_rng(seed)
    # In batches of draws, so that the weights of a large fleet fit into memory.
    sizes = [min(_BATCH, draws - done) for done in range(0, draws, _BATCH)]
    sums = [rng.multinomial(assets, np.full(assets, 1 / assets), size=size) @ counts for size in sizes]
    return pd.DataFrame(np.vstack(sums), columns=errors.columns)


def cost_difference(errors: pd.DataFrame, drawn: pd.DataFrame, costs: CostPlan, confidence: float) -> CostDifference:
    """Return how much more the challenger costs than the champion, with a two-sided interval of the given confidence.

    `errors` has columns `COUNTS` and one row an asset; `drawn` is from `draw_assets`.
    """
    seen = float(extra_cost(errors, costs).sum())
    spread = extra_cost(drawn, costs)
    if not len(spread):
        return CostDifference(seen, float("nan"), float("nan"), 0.0)
    low, high = np.quantile(spread, [(1 - confidence) / 2, (1 + confidence) / 2])
    return CostDifference(seen, float(low), float(high), float((spread < 0).mean()))


def missed_difference(errors: pd.DataFrame, drawn: pd.DataFrame, confidence: float) -> Ratio:
    """Return how much larger the share of events is that the challenger misses, -1 to 1.

    `confidence` is that of each bound alone, so that `high` is a one-sided upper bound. The bootstrap knows no
    disagreement that it has not seen: where both missed the very same events the bound is zero. So a minimum number of
    events has to be required as well.
    """
    return _ratio(
        *((frame["challenger_missed"] - frame["champion_missed"], frame["events"]) for frame in (errors, drawn)),
        tail=1 - confidence,
    )


def observed_to_expected(errors: pd.DataFrame, drawn: pd.DataFrame, confidence: float) -> Ratio:
    """Return the ratio of decisions that came true to the sum of the challenger's probabilities, with an interval.

    It is 1 for a model that is calibrated in the large; above 1 the model predicts too few. Decisions of one asset
    overlap in what they claim, so a test that takes them as independent, such as Spiegelhalter's z, would find every
    model miscalibrated; assets are drawn here as well.

    References
    ----------
    .. [1] B. Van Calster et al., "Calibration: the Achilles heel of predictive analytics", BMC Medicine 17 (2019) 230
       (calibration in the large, O/E), doi:10.1186/s12916-019-1466-7.
    """
    return _ratio(
        *((frame["observed"], frame["expected"]) for frame in (errors, drawn)),
        tail=(1 - confidence) / 2,
    )


def extra_cost(counts: pd.DataFrame, costs: CostPlan) -> Vector:
    """Return how much more the challenger costs than the champion, row by row."""
    missed = counts["challenger_missed"] - counts["champion_missed"]
    false = counts["challenger_false"] - counts["champion_false"]
    return np.asarray(missed * costs.missed_failure + false * costs.false_alarm, dtype=np.float64)


def _ratio(
    seen: tuple["pd.Series[float]", "pd.Series[float]"],
    drawn: tuple["pd.Series[float]", "pd.Series[float]"],
    *,
    tail: float,
) -> Ratio:
    above, below = float(seen[0].sum()), float(seen[1].sum())
    whole = drawn[1].to_numpy() > 0
    if not below or not whole.any():
        return Ratio(float("nan"), float("nan"), float("nan"))
    spread = drawn[0].to_numpy()[whole] / drawn[1].to_numpy()[whole]
    low, high = np.quantile(spread, [tail, 1 - tail])
    return Ratio(above / below, float(low), float(high))
