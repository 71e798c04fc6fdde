"""How large a false promotion's probability a comparison may have: alpha accrues with time, comparisons spend it.

A comparison at level alpha replaces a champion by its equal with a probability of at most alpha. Whatever the
comparisons share, their data or their models, the expected number of such promotions is at most the sum of what they
have spent; and that is at most what has accrued. So at a rate of once a year it is at most once a year on average.

A reserve holds enough for one comparison at the largest alpha. Only a comparison that answers a drift may use it, so
that routine ones leave something for the day on which it is needed; after that, half of what accrues fills it again.
Its first filling, a tenth, is the only alpha that has not accrued, once in the life of a model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from models.retraining.promotion_rules import PromotionRules

YEAR = pd.Timedelta(days=365)


@dataclass(frozen=True)
class AlphaWealth:
    """What comparisons may spend at a time."""

    at: pd.Timestamp
    routine: float = 0.0  # of any comparison
    reserve: float = 0.0  # of one that answers a drift

    def available(self, *, urgent: bool, largest: float) -> float:
        """Return the alpha of a comparison made now."""
        return min(largest, self.routine + (self.reserve if urgent else 0.0))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, from which `recorded_wealth` reads it."""
        return {"at": self.at.isoformat(), "routine": self.routine, "reserve": self.reserve}


def recorded_wealth(values: Mapping[str, Any]) -> AlphaWealth:
    """Read what `AlphaWealth.to_dict` has written."""
    return AlphaWealth(pd.Timestamp(values["at"]), float(values["routine"]), float(values["reserve"]))


def first_wealth(at: pd.Timestamp, rules: PromotionRules) -> AlphaWealth:
    """Return what may be spent before anything has accrued: the reserve."""
    return AlphaWealth(at, reserve=rules.largest_alpha)


def accrue(wealth: AlphaWealth, now: pd.Timestamp, rules: PromotionRules) -> AlphaWealth:
    """Add what has accrued since; accruing in steps gives the same as accruing at once.

    Examples
    --------
    >>> rules = PromotionRules()
    >>> start = first_wealth(pd.Timestamp("2026-01-01", tz="UTC"), rules)
    >>> [round(accrue(start, start.at + pd.Timedelta(days=days), rules).routine, 3) for days in (14, 365)]
    [0.038, 0.1]
    """
    gained = rules.false_per_year * max(now - wealth.at, pd.Timedelta(0)) / YEAR
    room = max(rules.largest_alpha - wealth.routine, 0.0), max(rules.largest_alpha - wealth.reserve, 0.0)
    to_reserve = min(room[1], max(gained / 2, gained - room[0]))
    return AlphaWealth(now, wealth.routine + min(room[0], gained - to_reserve), wealth.reserve + to_reserve)


def spend(wealth: AlphaWealth, amount: float, *, urgent: bool) -> AlphaWealth:
    """Take away what a comparison has spent; one that answers a drift takes from the reserve first."""
    from_reserve = min(amount, wealth.reserve) if urgent else 0.0
    return replace(
        wealth, routine=max(wealth.routine - (amount - from_reserve), 0.0), reserve=wealth.reserve - from_reserve
    )


def time_until(wealth: AlphaWealth, alpha: float, rules: PromotionRules) -> pd.Timestamp | None:
    """Return when a routine comparison may spend that much, if nothing is spent until then; None if never."""
    if alpha > rules.largest_alpha or not rules.false_per_year:
        return None
    missing = max(alpha - wealth.routine, 0.0)
    # While the reserve is not full every other part goes there.
    amount = missing + min(missing, max(rules.largest_alpha - wealth.reserve, 0.0))
    return wealth.at + (amount / rules.false_per_year * YEAR).ceil("s")
