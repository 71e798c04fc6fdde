"""E-process: evidence that a rate has been worse than promised since the promotion, valid at every look.

A test made for one look is no test when it is repeated: sooner or later chance rejects. An e-process may be looked at
again and again. It begins at one, and while the promise is kept its expectation never exceeds one, at whatever look one
stops. So the probability that it ever reaches 1 / alpha is at most alpha (Ville's inequality).

Here it is the capital of a gambler who spreads his stake over rates from the smallest harmful one upwards, and on each
bets by its likelihood ratio to the promised rate. Such a ratio grows with every event. A rate below the promised one
makes events rarer and only lowers it, so the evidence is valid for every rate up to the promised one, also for a rate
that varies and depends on the past. The events of one look have to be independent, given its rate.

References
----------
J. Ville, Étude critique de la notion de collectif, 1939.

I. Waudby-Smith, A. Ramdas, Estimating means of bounded random variables by betting, arXiv 2010.09686: tests as bets.

A. Podkopaev, A. Ramdas, Tracking the risk of a deployed model and detecting harmful distribution shifts, ICLR 2022,
arXiv 2110.06177: sequential tests of whether a model's risk exceeds what is tolerated.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_contracts.errors import UsageError

FloatArray = npt.NDArray[np.float64]

RATES = 16
HIGHEST_SHARE = 0.95
HIGHEST_FOLD = 10.0


# Compared by identity, so that tables can be cached by it.
@dataclass(frozen=True, eq=False)
class Alternatives:
    """A promised rate, the harmful rates that are bet on, and the likelihood of counts under each."""

    promised: float
    rates: FloatArray  # (rates,) the harmful rates, rising
    log_weights: FloatArray  # (rates,) log of each one's share of the stake; the shares sum to one
    per_event: FloatArray  # (rates,) log likelihood ratio of one event
    per_amount: FloatArray  # (rates,) log likelihood ratio, below zero, of one trial or unit of exposure
    at_most: Callable[[npt.ArrayLike, float, npt.ArrayLike], FloatArray]  # P(count <= events), of events, amount, rates

    def log_gains(self, events: npt.ArrayLike, amount: npt.ArrayLike) -> FloatArray:
        """Return the log likelihood ratios to the promised rate, (..., rates) for counts (...)."""
        gains: FloatArray = np.multiply.outer(events, self.per_event) + np.multiply.outer(amount, self.per_amount)
        return gains

    def log_mixture(self, logs: FloatArray) -> FloatArray:
        """Return the log of the weighted mean over the last axis, of values given as logs."""
        mixed: FloatArray = np.logaddexp.reduce(logs + self.log_weights, axis=-1)
        return mixed


def bernoulli_alternatives(promised: float, harmful: float) -> Alternatives:
    """Spread the stake over shares of trials, evenly in log odds from `harmful` to 95 % or beyond.

    The amount of an update is its trials.

    Examples
    --------
    >>> misses = bernoulli_alternatives(promised=0.20, harmful=0.35)
    >>> missed, failures = np.cumsum([1, 2, 1, 4, 4, 5, 5]), 6 * np.arange(1, 8)
    >>> misses.log_mixture(misses.log_gains(missed, failures)).round(1).tolist()
    [-2.2, -2.1, -2.8, -0.7, 1.5, 5.2, 9.2]
    """
    if not 0 < promised < harmful < 1:
        raise UsageError(
            f"the promised share is {promised} and the harmful one {harmful}",
            "0 < promised < harmful < 1",
            "Give the harmful share as the promised one plus the smallest increase that does harm.",
        )
    lowest = _log_odds(harmful)
    odds = np.linspace(lowest, max(_log_odds(HIGHEST_SHARE), lowest + 2), RATES)
    # log(1 - q) for log odds x is -log(1 + exp(x)), also where q is nearly one.
    per_trial = -np.logaddexp(0, odds) - math.log1p(-promised)
    per_event = odds - _log_odds(promised)
    from scipy import special

    return Alternatives(promised, special.expit(odds), _log_weights(), per_event, per_trial, _binomial_at_most)


def poisson_alternatives(promised: float, harmful: float) -> Alternatives:
    """Spread the stake over counts per unit of exposure, evenly in their logs from `harmful` to ten times that.

    The amount of an update is its exposure.

    Examples
    --------
    >>> false_alarms = poisson_alternatives(promised=0.1, harmful=0.15)
    >>> episodes, months = np.cumsum([5, 7, 12, 11, 14, 13]), 50 * np.arange(1, 7)
    >>> false_alarms.log_mixture(false_alarms.log_gains(episodes, months)).round(1).tolist()
    [-2.5, -2.3, 0.4, 2.7, 7.0, 11.0]
    """
    if not 0 < promised < harmful < math.inf:
        raise UsageError(
            f"the promised rate is {promised} and the harmful one {harmful}",
            "0 < promised < harmful",
            "Give the harmful rate as the promised one plus the smallest increase that does harm.",
        )
    rates = np.geomspace(harmful, HIGHEST_FOLD * harmful, RATES)
    per_event, per_exposure = np.log(rates / promised), promised - rates
    return Alternatives(promised, rates, _log_weights(), per_event, per_exposure, _poisson_at_most)


def _log_odds(share: float) -> float:
    return math.log(share) - math.log1p(-share)


def _log_weights() -> FloatArray:
    # More on the smallest harmful increase would hardly find that sooner, and any greater one later.
    return np.full(RATES, -math.log(RATES))


def _binomial_at_most(events: npt.ArrayLike, trials: float, rates: npt.ArrayLike) -> FloatArray:
    from scipy import special

    probability: FloatArray = special.bdtr(np.minimum(events, trials), int(trials), rates)
    return probability


def _poisson_at_most(events: npt.ArrayLike, exposure: float, rates: npt.ArrayLike) -> FloatArray:
    from scipy import special

    probability: FloatArray = special.pdtr(events, np.multiply(exposure, rates))
    return probability
