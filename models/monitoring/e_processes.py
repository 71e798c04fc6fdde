"""Whether a champion has been worse than promised since its promotion, asked at every look.

A test made for one look is no test when it is repeated: sooner or later chance rejects. An e-process is evidence that
may be looked at again and again. It begins at one, and while the promise is kept it is not expected to rise, at
whatever look one stops. So the probability that it ever reaches 1 / alpha is at most alpha (Ville's inequality).

Here it is the capital of a gambler who spreads his stake over rates from the smallest harmful one upwards, and on each
bets by its likelihood ratio to the promised rate. Such a ratio grows with every event. A rate lower than promised makes
events rarer and only lowers it, and so the evidence is valid for every rate up to the promised one, also for one that
varies and depends on the past.

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

import numpy as np
import numpy.typing as npt
from scipy import special

from data_contracts.errors import UsageError

FloatArray = npt.NDArray[np.float64]

RATES = 16
HIGHEST_SHARE = 0.95
HIGHEST_FOLD = 10.0


# By identity, so that what is tabled for them can be kept.
@dataclass(frozen=True, eq=False)
class Alternatives:
    """The harmful rates one bets on, and what the bets gain.

    Parameters
    ----------
    promised : float
        The rate to which they are compared.
    rates : np.ndarray
        (rates,) the harmful rates, rising.
    log_weights : np.ndarray
        (rates,) log of the share of the stake; the shares sum to one.
    per_event : np.ndarray
        (rates,) log gain of each event.
    per_amount : np.ndarray
        (rates,) log gain, below zero, of each trial or unit of exposure.
    at_most : Callable
        The probability of so many events or fewer, of (events, amount, rates).
    """

    promised: float
    rates: FloatArray
    log_weights: FloatArray
    per_event: FloatArray
    per_amount: FloatArray
    at_most: Callable[[npt.ArrayLike, float, npt.ArrayLike], FloatArray]

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

    Parameters
    ----------
    promised, harmful : float
        Shares, 0 < promised < harmful < 1.

    Returns
    -------
    Alternatives
        The same stake on each of them.

    Raises
    ------
    UsageError
        When the shares are not such.
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
    return Alternatives(
        promised, special.expit(odds), _log_weights(), odds - _log_odds(promised), per_trial, _binomial_at_most
    )


def poisson_alternatives(promised: float, harmful: float) -> Alternatives:
    """Spread the stake over rates of counts, evenly in their logs from `harmful` to ten times that.

    Parameters
    ----------
    promised, harmful : float
        Counts for each unit of exposure, 0 < promised < harmful.

    Returns
    -------
    Alternatives
        The same stake on each of them.

    Raises
    ------
    UsageError
        When the rates are not such.
    """
    if not 0 < promised < harmful < math.inf:
        raise UsageError(
            f"the promised rate is {promised} and the harmful one {harmful}",
            "0 < promised < harmful",
            "Give the harmful rate as the promised one plus the smallest increase that does harm.",
        )
    rates = np.geomspace(harmful, HIGHEST_FOLD * harmful, RATES)
    return Alternatives(promised, rates, _log_weights(), np.log(rates / promised), promised - rates, _poisson_at_most)


def checked_trials(events: int, trials: int) -> tuple[int, int]:
    """Return the counts of a Bernoulli update; `UsageError` unless 0 <= events <= trials, both whole."""
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


def checked_exposure(count: int, exposure: float) -> tuple[int, float]:
    """Return the counts of a Poisson update; `UsageError` unless whole, not below zero, and over some exposure."""
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


class EProcess:
    """Evidence against a promise that sums up all since it was given.

    Parameters
    ----------
    alternatives : Alternatives
        The rates to bet on.
    alpha : float
        Bound on the probability of ever rejecting a kept promise, between 0 and 1.

    Raises
    ------
    UsageError
        When alpha is no such number.
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
        """An upper bound of chance, valid at any look: 1 / the highest evidence so far."""
        return math.exp(-self._highest)

    def _add(self, events: int, amount: float) -> None:
        self._events += events
        self._amount += amount
        gains = self._alternatives.log_gains(self._events, self._amount)
        self._log_e_value = float(self._alternatives.log_mixture(gains))
        self._highest = max(self._highest, self._log_e_value)


class BernoulliEProcess(EProcess):
    """Test at every look whether events are a greater share of trials than promised.

    Parameters
    ----------
    promised : float
        The share promised, between 0 and 1.
    harmful : float
        The smallest share that does harm: the promised one plus the smallest harmful increase.
    alpha : float
        Bound on the probability of ever rejecting a kept promise.

    Raises
    ------
    UsageError
        When the numbers are not such.

    Examples
    --------
    >>> misses = BernoulliEProcess(promised=0.20, harmful=0.35, alpha=0.05)
    >>> for missed in (1, 2, 1, 4, 4, 5, 5):
    ...     misses.update(missed, 6)
    >>> misses.rejected, round(misses.log_e_value, 1), round(misses.p_value, 4)
    (True, 9.2, 0.0001)
    """

    def __init__(self, promised: float, harmful: float, alpha: float) -> None:
        super().__init__(bernoulli_alternatives(promised, harmful), alpha)

    def update(self, events: int, trials: int) -> None:
        """Add what has matured since the last update.

        Parameters
        ----------
        events : int
            Trials that went wrong (failures missed).
        trials : int
            All trials (failures); none changes nothing.

        Raises
        ------
        UsageError
            Unless 0 <= events <= trials.
        """
        self._add(*checked_trials(events, trials))


class PoissonEProcess(EProcess):
    """Test at every look whether counts over an exposure come at a greater rate than promised.

    Parameters
    ----------
    promised : float
        The rate promised, above 0, for each unit of exposure.
    harmful : float
        The smallest rate that does harm: the promised one plus the smallest harmful increase.
    alpha : float
        Bound on the probability of ever rejecting a kept promise.

    Raises
    ------
    UsageError
        When the numbers are not such.

    Examples
    --------
    >>> false_alarms = PoissonEProcess(promised=0.1, harmful=0.15, alpha=0.05)
    >>> for episodes in (5, 7, 12, 11, 14, 13):
    ...     false_alarms.update(episodes, 50.0)
    >>> false_alarms.rejected, round(false_alarms.log_e_value, 1)
    (True, 11.0)
    """

    def __init__(self, promised: float, harmful: float, alpha: float) -> None:
        super().__init__(poisson_alternatives(promised, harmful), alpha)

    def update(self, count: int, exposure: float) -> None:
        """Add what has matured since the last update.

        Parameters
        ----------
        count : int
            Events (false alarm episodes).
        exposure : float
            What they are counted over (asset-months); none changes nothing.

        Raises
        ------
        UsageError
            When a number is below zero or not finite, or events came without exposure.
        """
        self._add(*checked_exposure(count, exposure))


def _log_odds(share: float) -> float:
    return math.log(share) - math.log1p(-share)


def _binomial_at_most(events: npt.ArrayLike, trials: float, rates: npt.ArrayLike) -> FloatArray:
    probability: FloatArray = special.bdtr(np.minimum(events, trials), int(trials), rates)
    return probability


def _poisson_at_most(events: npt.ArrayLike, exposure: float, rates: npt.ArrayLike) -> FloatArray:
    probability: FloatArray = special.pdtr(events, np.multiply(exposure, rates))
    return probability


def _log_weights() -> FloatArray:
    # More on the smallest harmful increase would hardly find that sooner, and any greater one later.
    return np.full(RATES, -math.log(RATES))
