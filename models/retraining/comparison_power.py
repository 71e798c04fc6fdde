"""The power of a comparison: how probably a challenger that is better by so much would be found to be cheaper.

A normal approximation to the test of `sign_flips`, made before a challenger is trained. Events are taken as
independent, and so are the two models' errors; models that agree on many events differ more surely.
"""

import math
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

from models.experiment.plans import CostPlan
from models.outcomes.error_rates import ErrorRates

_UNKNOWN_MISSED = 0.5  # where the counts of misses vary most


@dataclass(frozen=True)
class ExpectedErrors:
    """What the champion is expected to get wrong, and what its errors cost."""

    missed: float  # share of the events
    false_per_event: float  # false alarm episodes for each event
    costs: CostPlan

    @classmethod
    def of(cls, rates: ErrorRates | None, costs: CostPlan) -> "ExpectedErrors":
        """Take the rates of an evaluation; without events half are taken to be missed."""
        if rates is None or not rates.missed.of:
            return cls(_UNKNOWN_MISSED, 0.0, costs)
        return cls(rates.missed.value, rates.false_episodes.count / rates.missed.of, costs)


@dataclass(frozen=True)
class _OneEvent:
    """What one event adds to the sum of the costs that a challenger saves."""

    mean: float
    spread: float
    null_spread: float  # under random signs
    step: float  # half the distance of two sums: how far beyond its limit the test has to come

    @classmethod
    def of(cls, difference: float, expected: ExpectedErrors) -> "_OneEvent":
        price, false_price = expected.costs.missed_failure, expected.costs.false_alarm
        champion, false = max(expected.missed, difference), expected.false_per_event
        challenger = champion - difference
        differ = champion * (1 - challenger) + challenger * (1 - champion)
        mean, square = (champion - challenger) * price, differ * price**2 + 2 * false * false_price**2
        return cls(mean, math.sqrt(max(square - mean**2, 0.0)), math.sqrt(square), false_price if false else price)


def power(events: int, alpha: float, difference: float, expected: ExpectedErrors) -> float:
    """Return the probability that a challenger that misses so much less is found to be cheaper at a level alpha.

    One that misses nothing, where the champion promised to miss less than that difference and has come to miss it.
    """
    one = _OneEvent.of(difference, expected)
    if alpha <= 0 or not events or not one.spread:
        return 0.0
    root = math.sqrt(events)
    return float(ndtr((events * one.mean - one.step + ndtri(alpha) * root * one.null_spread) / (root * one.spread)))


def alpha_needed(events: int, wished: float, difference: float, expected: ExpectedErrors) -> float:
    """Return the level at which the power is as wished; `events` is positive."""
    one, root = _OneEvent.of(difference, expected), math.sqrt(events)
    if not one.null_spread:
        return 1.0
    return float(ndtr((one.step - events * one.mean + ndtri(wished) * root * one.spread) / (root * one.null_spread)))


def events_needed(alpha: float, wished: float, difference: float, expected: ExpectedErrors) -> int | None:
    """Return the fewest events with which the power is as wished at a level alpha; None if no number is enough."""
    one = _OneEvent.of(difference, expected)
    if alpha <= 0 or not one.mean or not one.spread:
        return None
    # The power is as wished where mean * events - limit * sqrt(events) = step.
    limit = ndtri(wished) * one.spread - ndtri(alpha) * one.null_spread
    root = (limit + math.sqrt(limit**2 + 4 * one.mean * one.step)) / (2 * one.mean)
    return max(math.ceil(float(root) ** 2), 1)
