"""The effect of acting on alarms, estimated from those held back at random.

What happens after an alarm that was held back is what happens without acting: the share of these that a failure follows
is the precision, with no prevented failure to be guessed. Alarms are compared as drawn, whatever was done about them
(intention to treat): one that mechanics did not come to counts as announced. Draws of different shares are weighted by
the inverse of their probability; intervals allow for assets that differ.

References
----------
R. G. Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine 17
(1998), 873-890, method 10, of the effective numbers of alarms (`models.outcomes.rate_intervals`); G. Y. Zou and A.
Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 27 (2008), 1693-1702, for
prices in place of plain shares. What both arms of an asset have in common makes these intervals wider than need be.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.experiment.plans import CostPlan
from models.outcomes.episodes import Terms, normalize_types
from models.outcomes.error_rates import MONTH, as_json
from models.outcomes.outcomes import known_failures
from models.outcomes.rate_intervals import Rate, weighted_share

_POWER = 0.8
_PREVENTED = 0.5
"""The share of the failures that acting prevents, for which the alarms needed are said."""


@dataclass(frozen=True)
class Estimate:
    """A number with its two-sided interval; NaN where nothing is known."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ActingEffect:
    """What acting on alarms prevents and saves, by the draws that have matured."""

    share: float  # of the alarms that are held back now
    alarms: int  # drawn, held back or not
    pending: int  # of these, not matured yet
    held_back: Rate  # the share of the alarms held back that a failure followed within the claim
    announced: Rate  # the same of those announced
    prevented: Estimate  # the difference: failures that acting prevents, per alarm
    saved: Estimate  # per alarm that is announced, at the experiment's prices
    needed: int | None  # alarms held back that show whether acting prevents half of the failures; None if unknown
    monthly_alarms: float  # alarms that would be held back in a month; NaN if unknown
    monthly_cost: float  # what that costs a month, if acting saves what is estimated, or else all that it can
    confidence: float

    @property
    def shown(self) -> bool:
        """Whether the interval excludes that acting prevents nothing."""
        return self.prevented.low > 0 or self.prevented.high < 0

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        values: dict[str, Any] = as_json(asdict(self))
        return values | {"saved_in_all": as_json(self.saved.value * self.announced.of), "shown": self.shown}


def alarms_of(draws: pd.DataFrame) -> pd.DataFrame:
    """Merge the alerts of each draw into one row: asset, opened, until, share, held_back; without those not drawn."""
    rows = normalize_types(draws, "as_of", "opened", "until").sort_values(["asset", "as_of"], kind="stable")
    rows = rows[rows["share"] > 0].drop_duplicates(["asset", "opened"])
    return rows[["asset", "opened", "until", "share", "held_back"]].reset_index(drop=True)


def effect_of_acting(
    draws: pd.DataFrame,
    failures: pd.DataFrame,
    *,
    now: pd.Timestamp,
    terms: Terms,
    costs: CostPlan,
    share: float,
    confidence: float,
    precision: float = math.nan,
    alarms_a_month: float = math.nan,
) -> ActingEffect:
    """Estimate the effect from the draws of alerts and the failures known at `now`.

    Parameters
    ----------
    draws
        Columns asset, as_of, opened, until, share, held_back, a row an alert.
    failures
        As for `models.outcomes.outcomes.outcomes`.
    now, terms
        An alarm counts once what it claims is over and could be reported.
    costs
        The experiment's prices.
    share
        Which share of the alarms is held back now.
    confidence
        Of the intervals.
    precision, alarms_a_month
        What else is known about the alarms, to say what holding back costs before it has been measured.
    """
    alarms = alarms_of(draws[draws["as_of"] <= now])
    matured = alarms[alarms["until"] + terms.reporting_delay <= now].reset_index(drop=True)
    failed = _failed(matured, known_failures(failures, now, terms.breakdown))
    held = matured["held_back"].to_numpy(dtype=bool)
    chance = np.where(held, matured["share"], 1 - matured["share"])
    arms = [
        weighted_share(failed[rows], 1 / chance[rows], matured.loc[rows, "asset"], confidence) for rows in (held, ~held)
    ]
    of_held, of_announced = arms
    precision = of_held.value if of_held.of else precision
    prices = costs.missed_failure + costs.false_alarm, costs.missed_failure
    saved = _difference(of_held, of_announced, *prices, less=costs.false_alarm)
    most = prices[0] * precision - costs.false_alarm
    monthly = share * alarms_a_month
    return ActingEffect(
        share=share,
        alarms=len(alarms),
        pending=len(alarms) - len(matured),
        held_back=of_held,
        announced=of_announced,
        prevented=_difference(of_held, of_announced, 1.0, 1.0),
        saved=saved,
        needed=_needed(precision, share or float(alarms["share"].mean()), confidence),
        monthly_alarms=monthly,
        monthly_cost=monthly * (most if math.isnan(saved.value) else saved.value),
        confidence=confidence,
    )


def monthly_alarms(episodes: pd.DataFrame, since: pd.Timestamp, until: pd.Timestamp) -> float:
    """Return how many alarm episodes were opened a month in (since, until]; NaN within less than a week."""
    months = (until - since) / MONTH
    opened = episodes["opened"]
    return float(((opened > since) & (opened <= until)).sum()) / months if months >= 0.25 else math.nan


def _failed(alarms: pd.DataFrame, failures: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Mark the alarms followed by a failure of their asset in (opened, until]."""
    pairs = alarms.reset_index(names="alarm")[["alarm", "asset", "opened", "until"]].merge(failures, on="asset")
    within = (pairs["event_time"] > pairs["opened"]) & (pairs["event_time"] <= pairs["until"])
    return np.asarray(alarms.index.isin(pairs.loc[within, "alarm"]), dtype=np.bool_)


def _difference(first: Rate, second: Rate, price: float, other: float, less: float = 0.0) -> Estimate:
    """Return price * first - other * second - less, with its interval; NaN while one of them is unknown."""
    if not first.of or not second.of:
        return Estimate(math.nan, math.nan, math.nan)
    value = price * first.value - other * second.value - less
    below = math.hypot(price * (first.value - first.low), other * (second.high - second.value))
    above = math.hypot(price * (first.high - first.value), other * (second.value - second.low))
    return Estimate(value, value - below, value + above)


def _needed(precision: float, share: float, confidence: float) -> int | None:
    """Return how many alarms have to be held back to find, 8 times in 10, that acting prevents half of the failures."""
    from scipy import stats

    if not 0 < precision <= 1 or not 0 < share < 1:
        return None
    left = (1 - _PREVENTED) * precision
    variance = precision * (1 - precision) + left * (1 - left) * share / (1 - share)
    quantiles = float(stats.norm.isf((1 - confidence) / 2) + stats.norm.ppf(_POWER))
    return math.ceil(quantiles**2 * variance / (precision - left) ** 2)
