"""Two models' errors on the same events, and how sure it is that one of them is cheaper: a bootstrap over assets.

Errors of one asset hang together: its alarms follow one another, and what makes it hard to foretell stays. So assets
are drawn, not decisions, and each takes what both models did with it along. The comparison is paired: an asset that is
hard for both says nothing about which is better.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.experiment.experiment import CostPlan

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
_AT_ONCE = 256


@dataclass(frozen=True)
class CostDifference:
    """How much more the challenger costs than the champion; negative where it is cheaper.

    Parameters
    ----------
    value : float
        The difference seen.
    low, high : float
        Ends of its two-sided bootstrap interval.
    probability_cheaper : float
        Share of the draws in which the challenger costs less; a tie is no saving.
    """

    value: float
    low: float
    high: float
    probability_cheaper: float


@dataclass(frozen=True)
class Ratio:
    """A ratio of two sums over assets.

    Parameters
    ----------
    value : float
        The ratio seen; NaN when its denominator is zero.
    low, high : float
        Quantiles of the ratio over the draws; NaN when none of them has a denominator.
    """

    value: float
    low: float
    high: float


def draw_assets(errors: pd.DataFrame, *, draws: int, seed: int) -> pd.DataFrame:
    """Draw as many assets as there are, with replacement, again and again, and add up their counts.

    Parameters
    ----------
    errors : pd.DataFrame
        One row an asset; numbers only, such as `COUNTS`.
    draws : int
        How often.
    seed : int
        The same seed draws the same assets.

    Returns
    -------
    pd.DataFrame
        One row a draw, the columns of `errors`; empty when there is no asset.

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
    # A fleet may be large: a few draws at a time, so that their weights fit into memory.
    sizes = [min(_AT_ONCE, draws - done) for done in range(0, draws, _AT_ONCE)]
    sums = [rng.multinomial(assets, np.full(assets, 1 / assets), size=size) @ counts for size in sizes]
    return pd.DataFrame(np.vstack(sums), columns=errors.columns)


def cost_difference(errors: pd.DataFrame, drawn: pd.DataFrame, costs: CostPlan, confidence: float) -> CostDifference:
    """Tell how much more the challenger costs than the champion.

    Parameters
    ----------
    errors : pd.DataFrame
        Columns `COUNTS`, one row an asset.
    drawn : pd.DataFrame
        From `draw_assets`.
    costs : CostPlan
        Of a missed failure and of a false alarm.
    confidence : float
        Of the two-sided interval.

    Returns
    -------
    CostDifference
        In the unit of the costs.
    """
    seen = float(_extra_cost(errors, costs).sum())
    spread = _extra_cost(drawn, costs)
    if not len(spread):
        return CostDifference(seen, float("nan"), float("nan"), 0.0)
    low, high = np.quantile(spread, [(1 - confidence) / 2, (1 + confidence) / 2])
    return CostDifference(seen, float(low), float(high), float((spread < 0).mean()))


def missed_difference(errors: pd.DataFrame, drawn: pd.DataFrame, confidence: float) -> Ratio:
    """Tell how much larger the share of events is that the challenger misses.

    Parameters
    ----------
    errors : pd.DataFrame
        Columns `COUNTS`, one row an asset.
    drawn : pd.DataFrame
        From `draw_assets`.
    confidence : float
        Of each bound alone, so that `high` is a one-sided upper bound.

    Returns
    -------
    Ratio
        Challenger's share less champion's; -1 to 1.

    Notes
    -----
    The bootstrap knows no disagreement that it has not seen: where both missed the very same events the bound is zero.
    A least number of events has to be asked for beside it.
    """
    return _ratio(
        *((frame["challenger_missed"] - frame["champion_missed"], frame["events"]) for frame in (errors, drawn)),
        tail=1 - confidence,
    )


def observed_to_expected(errors: pd.DataFrame, drawn: pd.DataFrame, confidence: float) -> Ratio:
    """Compare how many decisions came true with how many the challenger's probabilities add up to.

    Decisions of one asset overlap in what they claim, so a test that takes them as independent, such as Spiegelhalter's
    z, would find every model miscalibrated; assets are drawn here as well.

    Parameters
    ----------
    errors : pd.DataFrame
        Columns `COUNTS`, one row an asset.
    drawn : pd.DataFrame
        From `draw_assets`.
    confidence : float
        Of the two-sided interval.

    Returns
    -------
    Ratio
        1 for a model that is calibrated in the large; above 1 it promises too few.

    References
    ----------
    .. [1] B. Van Calster et al., "Calibration: the Achilles heel of predictive analytics", BMC Medicine 17 (2019) 230
       (calibration in the large, O/E), doi:10.1186/s12916-019-1466-7.
    """
    return _ratio(
        *((frame["observed"], frame["expected"]) for frame in (errors, drawn)),
        tail=(1 - confidence) / 2,
    )


def _extra_cost(counts: pd.DataFrame, costs: CostPlan) -> Vector:
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
