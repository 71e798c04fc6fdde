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
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    check_update: Callable[[Any, Any], tuple[int, float]]  # events and amount of an update, or UsageError

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

    return Alternatives(
        promised, special.expit(odds), _log_weights(), per_event, per_trial, _binomial_at_most, _check_trials
    )


def poisson_alternatives(promised: float, harmful: float) -> Alternatives:
    """Spread the stake over counts per unit of exposure, evenly in their logs from `harmful` to ten times that.

    The amount of an update is its exposure.
    """
    if not 0 < promised < harmful < math.inf:
        raise UsageError(
            f"the promised rate is {promised} and the harmful one {harmful}",
            "0 < promised < harmful",
            "Give the harmful rate as the promised one plus the smallest increase that does harm.",
        )
    rates = np.geomspace(harmful, HIGHEST_FOLD * harmful, RATES)
    per_event, per_exposure = np.log(rates / promised), promised - rates
    return Alternatives(promised, rates, _log_weights(), per_event, per_exposure, _poisson_at_most, _check_exposure)


class EProcess:
    """Test at every look whether events are more frequent than promised, with everything since the start as evidence.

    `alpha` bounds the probability of ever rejecting a kept promise.

    Examples
    --------
    >>> misses = EProcess(bernoulli_alternatives(promised=0.20, harmful=0.35), alpha=0.05)
    >>> for missed in (1, 2, 1, 4, 4, 5, 5):
    ...     misses.update(missed, 6)
    >>> misses.rejected, round(misses.log_e_value, 1), round(misses.p_value, 4)
    (True, 9.2, 0.0001)

    >>> false_alarms = EProcess(poisson_alternatives(promised=0.1, harmful=0.15), alpha=0.05)
    >>> for episodes in (5, 7, 12, 11, 14, 13):
    ...     false_alarms.update(episodes, 50.0)
    >>> false_alarms.rejected, round(false_alarms.log_e_value, 1)
    (True, 11.0)
    """

    def __init__(self, alternatives: Alternatives, alpha: float) -> None:
        if not 0 < alpha < 1:
            raise UsageError(f"alpha is {alpha}", "a number between 0 and 1", "Give the share of false rejections.")
        self._alternatives = alternatives
        self._threshold = -math.log(alpha)
        self._events, self._amount = 0, 0.0
        self._log_e_value = self._highest = 0.0

    @property
    def log_e_value(self) -> float:
        """The evidence now, as a natural log; 0 before any update."""
        return self._log_e_value

    @property
    def threshold(self) -> float:
        """What `log_e_value` must reach to reject: log(1 / alpha)."""
        return self._threshold

    @property
    def rejected(self) -> bool:
        """Whether the evidence has ever reached the threshold; once true, it stays so."""
        return self._highest >= self._threshold

    @property
    def p_value(self) -> float:
        """An anytime-valid p-value: 1 / the highest evidence so far."""
        return math.exp(-self._highest)

    def update(self, events: int, amount: float) -> None:
        """Add what has matured since the last update: events, and the trials or exposure they are counted over."""
        events, amount = self._alternatives.check_update(events, amount)
        self._events += events
        self._amount += amount
        gains = self._alternatives.log_gains(self._events, self._amount)
        self._log_e_value = float(self._alternatives.log_mixture(gains))
        self._highest = max(self._highest, self._log_e_value)


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


def _check_trials(events: Any, trials: Any) -> tuple[int, int]:
    try:
        events, trials = operator.index(events), operator.index(trials)
    except TypeError:
        events = trials = -1
    if not 0 <= events <= trials:
        raise UsageError(
            f"an update of {events} events in {trials} trials" if trials >= 0 else "an update that is no whole number",
            "whole numbers, 0 <= events <= trials",
            "Count each matured failure once, as missed or not.",
        )
    return events, trials


def _check_exposure(count: Any, exposure: Any) -> tuple[int, float]:
    try:
        count, exposure = operator.index(count), float(exposure)
    except (TypeError, ValueError):
        count, exposure = -1, math.nan
    if not (math.isfinite(exposure) and exposure >= 0 and count >= 0 and (exposure > 0 or count == 0)):
        raise UsageError(
            f"an update of {count} events over an exposure of {exposure}",
            "a whole number, 0 or more, over a finite exposure (none only where there are no events)",
            "Count the events of the same assets and times as the exposure.",
        )
    return count, exposure
