"""The largest rate that still keeps a promise, so that evidence as thin as an evaluation's is not held against a model.

A promise is an estimate. Tested against the estimate itself, or against a limit that the true rate exceeds in one of
five evaluations, a model that has not changed would be found worse than promised sooner or later, however careful the
test. A test against a limit with 1 - alpha confidence spends its budget on nothing else, but sees little.

The tests need no such limit. Each bets on rates from the smallest harmful one upwards, so its evidence grows, in the
long run, only where the true rate is above a turning point between the largest rate that keeps the promise and the
smallest that harms: where the expected logarithm of the likelihood ratio of the two is zero. So two conditions make the
limit: it holds the true rate with the confidence of a promise, and its turning point does with near certainty. From few
events the second decides, from many the first. That both together keep the declared budget was found by simulation
(`pytest benchmarks/test_bench_promises.py --benchmark-only`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from models.outcomes.rate_intervals import Rate
from models.promises.reference_rates import FALSE, MISSED, ReferenceRates

HIGHEST_SHARE = 0.98
_HARMFUL_SHARE = 0.99
_SMALLEST = 1e-6


@dataclass(frozen=True)
class Certainty:
    """How sure a promise has to be, and from which increase on a rate does harm."""

    confidence: float  # with which the limit holds the true rate, one-sided
    certainty: float  # with which its turning point does, one-sided
    harmful_missed: float  # absolute
    harmful_false: float  # as a share of the rate

    def at(self, place: int) -> float:
        """Return the certainty asked of a promise that may replace as many others.

        The first spends 1 - certainty; all that follow it spend half as much together, however many there are.
        """
        return 1 - (1 - self.certainty) * (0.5 / (place * (place + 1)) if place else 1.0)


def limit(promise: ReferenceRates, rate: str, certainty: Certainty) -> float:
    """Return the largest `MISSED` share, or `FALSE` rate, that keeps the promise; infinite without a promise."""
    promised = promise.rate(rate)
    if not promised.of:
        return math.inf
    surely = certainty.at(promise.place_of(rate))
    if rate == MISSED:
        return _largest_share(promised, promise.confidence, certainty, surely)
    return _largest_occurrence(promised, promise.confidence, certainty, surely)


def harmful(null: float, rate: str, certainty: Certainty) -> float:
    """Return the smallest rate that does harm, given the largest that keeps the promise."""
    if rate == FALSE:
        return null * (1 + certainty.harmful_false)
    return min(null + certainty.harmful_missed, _HARMFUL_SHARE)


def effective_trials(rate: Rate, confidence: float) -> float:
    """Return the number of independent trials for which Wilson's interval is the rate's: it allows for clusters.

    `confidence` is that of the rate's two-sided interval.
    """
    end = rate.high if rate.high < 1 else rate.low
    if not 0 < end < 1 or end == rate.value:
        return rate.of
    trials = _quantile((1 + confidence) / 2) ** 2 * end * (1 - end) / (end - rate.value) ** 2
    return min(float(rate.of), trials)


def effective_exposure(rate: Rate, confidence: float) -> float:
    """Return the exposure for which Garwood's interval of independent events is the rate's; all without an event."""
    if not rate.count:
        return rate.of
    events, ratio = rate.value * rate.of, rate.high / rate.value

    def excess(number: float) -> float:
        return _garwood_end(number, (1 + confidence) / 2) / number - ratio

    return rate.of if excess(events) >= 0 else _root(excess, _SMALLEST, events) / rate.value


def wilson_end(value: float, trials: float, confidence: float) -> float:
    """Return the upper end of Wilson's one-sided interval of a share."""
    z = _quantile(confidence)
    middle = (value + z**2 / (2 * trials)) / (1 + z**2 / trials)
    return middle + z / (1 + z**2 / trials) * math.sqrt(value * (1 - value) / trials + z**2 / (4 * trials**2))


def turning_share(null: float, worse: float) -> float:
    """Return the share of trials at which the likelihood ratio of two shares neither grows nor shrinks.

    Examples
    --------
    >>> round(turning_share(0.2, 0.3), 3)
    0.248
    """
    falls = math.log1p(-null) - math.log1p(-worse)
    return falls / (falls + math.log(worse / null))


def turning_fold(worse: float) -> float:
    """Return the same of two rates of events, as a multiple of the smaller; `worse` is the ratio of the two.

    Examples
    --------
    >>> round(turning_fold(1.5), 3)
    1.233
    """
    return (worse - 1) / math.log(worse)


def _largest_share(rate: Rate, confidence: float, certainty: Certainty, surely: float) -> float:
    trials = effective_trials(rate, confidence)
    likely, sure = (wilson_end(rate.value, trials, each) for each in (certainty.confidence, surely))

    def beyond(null: float) -> float:
        return turning_share(null, harmful(null, MISSED, certainty)) - sure

    turning = _SMALLEST
    if beyond(HIGHEST_SHARE) < 0:
        turning = HIGHEST_SHARE
    elif beyond(_SMALLEST) < 0:
        turning = _root(beyond, _SMALLEST, HIGHEST_SHARE)
    return min(max(likely, turning), HIGHEST_SHARE)


def _largest_occurrence(rate: Rate, confidence: float, certainty: Certainty, surely: float) -> float:
    exposure = effective_exposure(rate, confidence)
    likely, sure = (_garwood_end(exposure * rate.value, each) / exposure for each in (certainty.confidence, surely))
    return max(likely, sure / turning_fold(1 + certainty.harmful_false))


def _garwood_end(events: float, confidence: float) -> float:
    from scipy import stats

    return float(stats.chi2.ppf(confidence, 2 * events + 2)) / 2


def _quantile(confidence: float) -> float:
    from scipy import stats

    return float(stats.norm.ppf(confidence))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy import optimize

    return float(optimize.brentq(function, low, high))
