"""The plan of a comparison: whether it is made, at which alpha, and with what power; known before anything is trained.

Too few events are never compared on. A routine comparison that would hardly find a better challenger is postponed while
waiting adds to its power, because alpha still accrues. Then it is made, and its power is stated: with the data a small
plant has, that is the best there is. One that answers a drift does not wait, for the champion does harm.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from models.retraining.alpha_spending import AlphaWealth, time_until
from models.retraining.comparison_power import ExpectedErrors, alpha_needed, events_needed, power
from models.retraining.promotion_rules import Check, PromotionRules, percent

# Comparisons with less than this part of the wished power wait. Made at once, they find a better challenger no sooner,
# for they spend what the next one lacks; with a larger part, a better challenger waits for longer.
_WORTHWHILE = 0.25


@dataclass(frozen=True)
class ComparisonPlan:
    """A comparison that is made, or postponed."""

    events: int  # failures and confirmed defects in the period
    fewest_events: int
    alpha: float  # that may be spent
    urgent: bool  # whether it answers a drift
    power: float  # probability that a challenger better by `difference` is found to be cheaper
    wished_power: float
    difference: float
    events_needed: int | None  # for the wished power at this alpha; None if no number is enough
    made: bool  # False if it is postponed
    wait_until: pd.Timestamp | None = None  # when the same events have worthwhile power, or the largest alpha
    by_alarms: bool = False  # whether false alarms alone are compared, as there is too little to announce

    @property
    def check(self) -> Check:
        """Return the plan as the first check of a comparison; it is passed if the comparison is made."""
        figures: dict[str, Any] = {
            "events": self.events,
            "min_events": self.fewest_events,
            "alpha": self.alpha,
            "power": self.power,
            "wished_power": self.wished_power,
            "difference": self.difference,
            "events_needed": self.events_needed,
            "answers_drift": self.urgent,
            "postponed_until": None if self.wait_until is None else self.wait_until.isoformat(),
        }
        return Check("events", self.made, " ".join(self._sentences()), figures)

    def _sentences(self) -> list[str]:
        counted = f"{self.events} event{'' if self.events == 1 else 's'} in the period"
        if self.by_alarms:
            return [f"{counted}, too few to compare what is announced: false alarms alone decide between detectors."]
        if self.events < self.fewest_events:
            return [f"{counted}: fewer than {self.fewest_events}, too few to replace a champion."]
        enough = self.power >= self.wished_power
        wished = "" if enough else f", not {percent(self.wished_power)} as wished"
        sentences = [
            f"{counted}: a challenger that misses {100 * self.difference:.0f} points less of them is found to be "
            f"cheaper with a probability of {percent(self.power)}{wished}."
        ]
        if self.wait_until is not None:
            sentences.append(f"That grows until {self.wait_until:%Y-%m-%d}, while alpha accrues, so this waits.")
        elif not enough and self.events_needed is not None:
            sentences.append(f"That takes {self.events_needed} events: a longer retrain.holdout has more.")
        return sentences


def plan_comparison(
    events: int,
    wealth: AlphaWealth,
    rules: PromotionRules,
    expected: ExpectedErrors,
    *,
    urgent: bool,
    detectors: bool = False,
) -> ComparisonPlan:
    """Plan a comparison on so many events with the alpha that is there.

    Between `detectors` of anomalies, whose limits go by a declared rate of false alarms, these alone decide where there
    are too few events: one that never alarms is not what such a limit makes.

    `expected` are the champion's errors by its evaluation. Where the rules set the number of events, it alone decides.
    """
    alpha = wealth.available(urgent=urgent, largest=rules.largest_alpha)
    by_alarms = detectors and events < rules.fewest_events
    attained = power(events, alpha, rules.difference, expected)
    wait_until = None
    worthwhile = _WORTHWHILE * rules.power
    if events >= rules.fewest_events and rules.min_events is None and not urgent and attained < worthwhile:
        target = min(alpha_needed(events, worthwhile, rules.difference, expected), rules.largest_alpha)
        # A hair's breadth below, or the wait would not end on its last day.
        if alpha < target * (1 - 1e-6):
            wait_until = time_until(wealth, target, rules)
    return ComparisonPlan(
        events=events,
        fewest_events=rules.fewest_events,
        alpha=alpha,
        urgent=urgent,
        power=attained,
        wished_power=rules.power,
        difference=rules.difference,
        events_needed=events_needed(alpha, rules.power, rules.difference, expected),
        made=by_alarms or (events >= rules.fewest_events and wait_until is None),
        wait_until=wait_until,
        by_alarms=by_alarms,
    )
