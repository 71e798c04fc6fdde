"""Pooling what two sources say of the same rates, in full unless they contradict each other.

A model's own evaluation is short; what else is known of its errors counts with it. That may be of other models, or of
another time, so its weight falls as the two differ by more than chance explains [1]_, [2]_. Trials and exposure are the
effective ones, so that assets that differ count for less.

References
----------
.. [1] J. G. Ibrahim and M.-H. Chen, "Power prior distributions for regression models", Statistical Science 15 (2000),
   46-60, doi:10.1214/ss/1009212673: other data, weighted between 0 and 1.
.. [2] T. Haddad et al., "Incorporation of stochastic engineering models as prior information in Bayesian medical device
   trials", Journal of Biopharmaceutical Statistics 27 (2017), 1089-1103, doi:10.1080/10543406.2017.1300907: the weight
   falls as both disagree.
"""

import math
from dataclasses import replace

from models.outcomes.rate_intervals import Rate, effective_occurrence, effective_share
from models.promises.limits import effective_exposure, effective_trials
from models.promises.reference_rates import FALSE, MISSED, ReferenceRates, StratumRate

MOST_FROM_BEFORE = 10.0
"""Failures, and false episodes, for which the promise of a predecessor counts at most."""
_NO_CONTRADICTION = 1.5


def pool(own: ReferenceRates, other: ReferenceRates, source: str, *, most: float = math.inf) -> ReferenceRates:
    """Return the rates of both together, called `source`; `other` counts for at most so many events of each kind."""
    missed, false = (_pooled(name, own, other, most) for name in (MISSED, FALSE))
    pooled = replace(own, missed=missed, false_episodes=false, source=source)
    for name in (MISSED, FALSE):
        pooled = pooled.with_strata(name, _pooled_strata(name, own, other, _weight(name, own, other, most)))
    return pooled


def without_selection(winner: ReferenceRates, loser: ReferenceRates, source: str) -> ReferenceRates:
    """Return what a comparison says of its winner without the luck that it won by: the mean of both models' errors.

    Which of two equals wins is decided by the errors that only one of them made, not by how many both made together.
    So the mean is the rate of either; that of a winner that is really better is lower, never higher.
    """
    missed, false = (_mean(name, winner, loser) for name in (MISSED, FALSE))
    return replace(winner, missed=missed, false_episodes=false, source=source)


def _mean(name: str, winner: ReferenceRates, loser: ReferenceRates) -> Rate:
    rate, other = winner.rate(name), loser.rate(name)
    if not rate.of or not other.of:
        return rate
    return _rate(name, rate.of, (rate.value + other.value) / 2, _effective(name, winner), winner.confidence)


def _pooled(name: str, own: ReferenceRates, other: ReferenceRates, most: float) -> Rate:
    rate, theirs = own.rate(name), other.rate(name)
    if not theirs.of:
        return rate
    amount, weight = _effective(name, other), _weight(name, own, other, most)
    if not rate.of:
        return _rate(name, weight * theirs.of, theirs.value, weight * amount, own.confidence)
    before = _effective(name, own)
    effective = before + weight * amount
    value = (before * rate.value + weight * amount * theirs.value) / effective
    return _rate(name, rate.of + weight * theirs.of, value, effective, own.confidence)


def _weight(name: str, own: ReferenceRates, other: ReferenceRates, most: float) -> float:
    """Return for how much of itself the other source counts."""
    rate, theirs = own.rate(name), other.rate(name)
    if not theirs.of:
        return 0.0
    amount = _effective(name, other)
    events = amount if name == MISSED else amount * theirs.value
    weight = min(1.0, most / events) if events else 1.0
    if not rate.of:
        return weight
    difference = _stable(name, rate.value) - _stable(name, theirs.value)
    return weight * _agreement(2 * difference / math.sqrt(1 / _effective(name, own) + 1 / amount))


def _pooled_strata(name: str, own: ReferenceRates, other: ReferenceRates, weight: float) -> tuple[StratumRate, ...]:
    """Return the counts of both by stratum; strata of a kind that only the other source has are its own."""
    kinds = {one.by for one in own.strata(name)}
    pooled = {(one.by, one.name): one for one in own.strata(name)}
    for one in other.strata(name):
        part = weight if one.by in kinds else 1.0
        before = pooled.get((one.by, one.name), StratumRate(one.by, one.name, 0.0, 0.0))
        counts = (before.events + part * one.events, before.amount + part * one.amount)
        pooled[one.by, one.name] = StratumRate(one.by, one.name, *counts)
    return tuple(pooled.values())


def _effective(name: str, rates: ReferenceRates) -> float:
    measure = effective_trials if name == MISSED else effective_exposure
    return measure(rates.rate(name), rates.confidence)


def _rate(name: str, of: float, value: float, effective: float, confidence: float) -> Rate:
    if name == MISSED:
        return effective_share(max(1, round(of)), value, effective, confidence)
    return effective_occurrence(of, value, effective, confidence)


def _stable(name: str, value: float) -> float:
    """Transform a rate so that its variance is that of its amount alone: 1 / (4 amount)."""
    root = math.sqrt(value)
    return math.asin(root) if name == MISSED else root


def _agreement(z: float) -> float:
    """Return how much of another source counts, by how many standard errors the two differ."""
    return min(1.0, math.exp((_NO_CONTRADICTION**2 - z**2) / 2))
