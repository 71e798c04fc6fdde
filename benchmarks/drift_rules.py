"""Rules that detect a champion's drift: ours, common ones, and river's, each restarted when it fires.

A rule is given `values` (histories, looks, units), one for each failure (missed or not) or asset-month (its false
alarms). It returns (histories, looks) booleans: at which looks it fired.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from river import drift
from river.drift.binary import DDM
from scipy import stats

from models.sequential_tests.e_detectors import shiryaev_roberts
from models.sequential_tests.e_processes import Alternatives, bernoulli_alternatives, poisson_alternatives

BoolArray = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]
# The second argument is a strictness: the greater, the more rarely it fires.
Rule = Callable[[Values, float], BoolArray]


@dataclass(frozen=True)
class ReferenceRate:
    """A promised and a harmful rate, and the distribution of the values."""

    promised: float
    harmful: float
    kind: str  # bernoulli or poisson

    @property
    def alternatives(self) -> Alternatives:
        """The rates our tests bet on."""
        alternatives = bernoulli_alternatives if self.kind == "bernoulli" else poisson_alternatives
        return alternatives(self.promised, self.harmful)

    def draw(self, rates: npt.ArrayLike, histories: int, units: int, seed: int) -> Values:
        """Draw histories, each look at its rate."""
        rng = np.random.default_rng(seed)
        size = (histories, np.size(rates), units)
        by_look = np.asarray(rates, dtype=float)[None, :, None]
        values = rng.random(size) < by_look if self.kind == "bernoulli" else rng.poisson(by_look, size)
        return values.astype(float)

    def information(self, rate: float) -> float:
        """Return the KL divergence of a unit at a rate from one at the promised rate."""
        if self.kind == "bernoulli":
            rest = (1 - rate) * math.log((1 - rate) / (1 - self.promised))
            return rate * math.log(rate / self.promised) + rest
        return rate * math.log(rate / self.promised) - rate + self.promised

    def randomised_p(self, counts: Values, units: npt.ArrayLike, ties: Values) -> Values:
        """Return the one-sided p-values of counts, ties broken at random, so that any level can be met exactly."""
        model = (
            stats.binom(units, self.promised)
            if self.kind == "bernoulli"
            else stats.poisson(np.multiply(units, self.promised))
        )
        p: Values = model.sf(counts) + (1 - ties) * model.pmf(counts)
        return p


def e_process(promise: ReferenceRate) -> Rule:
    """Return the e-process; strictness is log(1 / alpha). It is not restarted."""

    def fired(values: Values, strictness: float) -> BoolArray:
        alternatives, looks = promise.alternatives, np.arange(values.shape[1]) + 1
        gains = alternatives.log_gains(values.sum(axis=2).cumsum(axis=1), looks * values.shape[2])
        return np.asarray(alternatives.log_mixture(gains) >= strictness)

    return fired


def e_detector(promise: ReferenceRate) -> Rule:
    """Return the e-detector; strictness is log(mean time between false alarms)."""

    def fired(values: Values, strictness: float) -> BoolArray:
        alternatives, fires = promise.alternatives, np.zeros(values.shape[:2], dtype=bool)
        sums = np.full((len(values), len(alternatives.log_weights)), -np.inf)
        for look, counts in enumerate(values.sum(axis=2).T):
            sums = shiryaev_roberts(sums, counts, values.shape[2], alternatives, strictness)
            fires[:, look] = alternatives.log_mixture(sums) >= strictness
            sums[fires[:, look]] = -np.inf
        return fires

    return fired


def two_of_five(values: Values, strictness: float, *, ties: bool = True) -> BoolArray:
    """Fire when 2 of the last 5 looks count more than the strictness; ties broken at random, or not."""
    over, fires = values.sum(axis=2) + _ties(values, ties) > strictness, np.zeros(values.shape[:2], dtype=bool)
    for look in range(values.shape[1]):
        last = over[:, max(0, look - 4) : look + 1]
        fires[:, look] = last.sum(axis=1) >= 2
        last[fires[:, look]] = False
    return fires


def each_look_tested(promise: ReferenceRate, *, ties: bool = True) -> Rule:
    """Return the binomial (or Poisson) test of each look alone; strictness is -log(level)."""

    def fired(values: Values, strictness: float) -> BoolArray:
        p = promise.randomised_p(values.sum(axis=2), values.shape[2], _ties(values, ties))
        return np.asarray(p <= math.exp(-strictness))

    return fired


def all_since_tested(promise: ReferenceRate, *, ties: bool = True) -> Rule:
    """Return the binomial (or Poisson) test, at each look, of all since the start; strictness is -log(level)."""

    def fired(values: Values, strictness: float) -> BoolArray:
        tie_breaks = _ties(values, ties)
        fires = np.zeros(values.shape[:2], dtype=bool)
        counts, units = np.zeros(len(values)), np.zeros(len(values))
        for look, events in enumerate(values.sum(axis=2).T):
            counts, units = counts + events, units + values.shape[2]
            fires[:, look] = promise.randomised_p(counts, units, tie_breaks[:, look]) <= math.exp(-strictness)
            counts, units = np.where(fires[:, look], 0, counts), np.where(fires[:, look], 0, units)
        return fires

    return fired


def adwin(values: Values, strictness: float) -> BoolArray:
    """Fire with river's ADWIN, tested at every value, where the mean has risen; strictness is -log(delta)."""

    def make() -> Any:
        return drift.ADWIN(delta=math.exp(-strictness), clock=1)

    return _river(make, values, rises=True)


def page_hinkley(promise: ReferenceRate) -> Rule:
    """Return river's Page-Hinkley, upwards, tuned to half of the harmful increase; strictness is its threshold."""

    def fired(values: Values, strictness: float) -> BoolArray:
        tolerated = (promise.harmful - promise.promised) / 2
        return _river(lambda: drift.PageHinkley(delta=tolerated, threshold=strictness, mode="up"), values)

    return fired


def ddm(values: Values, strictness: float) -> BoolArray:
    """Fire with river's DDM, which knows errors only, not counts; strictness is its drift threshold."""
    return _river(lambda: DDM(drift_threshold=strictness), values > 0)


RIVER_DEFAULTS: dict[str, Callable[[Values], BoolArray]] = {
    "river ADWIN with defaults": lambda values: _river(drift.ADWIN, values),
    "river Page-Hinkley with defaults": lambda values: _river(drift.PageHinkley, values),
    "river DDM with defaults": lambda values: _river(DDM, values > 0),
}


def _ties(values: Values, broken: bool) -> Values:
    """Return what is added to counts: random parts of one, so that any rate of firing can be met, or nothing.

    The p-value of x is P(X > x) + (1 - part) P(X = x): with nothing, the plain one.
    """
    size = values.shape[:2]
    return np.random.default_rng(5).random(size) if broken else np.zeros(size)


def _river(make: Callable[[], Any], values: npt.NDArray[Any], *, rises: bool = False) -> BoolArray:
    fires = np.zeros(values.shape[:2], dtype=bool)
    for history, looks in enumerate(values.tolist()):
        detector = make()
        for look, units in enumerate(looks):
            for value in units:
                before = detector.estimation if rises else 0.0
                detector.update(value)
                if detector.drift_detected and (not rises or detector.estimation > before):
                    fires[history, look], detector = True, make()
                    break
    return fires


def mean_time(fires: BoolArray, healthy: int = 0) -> float:
    """Return the looks to the first firing after so many looks, of the histories in which it had not fired before."""
    after = fires[~fires[:, :healthy].any(axis=1), healthy:]
    waits = np.where(after.any(axis=1), after.argmax(axis=1) + 1, after.shape[1])
    return float(waits.sum() / max(after.any(axis=1).sum(), 1))


def share_fired(fires: BoolArray) -> float:
    """Return the share of histories in which a rule fired."""
    return float(fires.any(axis=1).mean())


def calibrated(rare_enough: Callable[[float], bool], bounds: tuple[float, float], rounds: int = 8) -> float:
    """Return the least strictness, by halving, with which a rule fires rarely enough."""
    low, high = bounds
    for _ in range(rounds):
        middle = (low + high) / 2
        low, high = (low, middle) if rare_enough(middle) else (middle, high)
    return high


def delays(fires: BoolArray, healthy: int) -> Values:
    """Return the looks after the change until a rule fired, of the histories in which it had not fired before."""
    after = fires[~fires[:, :healthy].any(axis=1), healthy:]
    delay: Values = np.where(after.any(axis=1), after.argmax(axis=1) + 1.0, np.inf)
    return delay
