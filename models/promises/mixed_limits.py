"""The largest rate that keeps a promise where strata (plants, asset models) have other parts than in its evaluation.

If more of the failures come from a plant at which more are missed, the overall rate rises although no plant has become
worse. So a promise is one of the rate at the mix that was evaluated, and at another mix it allows as much as the rates
of the strata add up to, with the certainty that their counts give. Of several promises, those that a champion took
over, the tightest at that mix counts: none of its strata may be worse than what was promised of it before.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.outcomes.rate_intervals import effective_occurrence, effective_share
from models.promises.limits import (
    HIGHEST_SHARE,
    Certainty,
    effective_exposure,
    effective_trials,
    limit,
)
from models.promises.reference_rates import FALSE, MISSED, ReferenceRates
from models.promises.stratified import StratifiedRate

FEWEST_STRATA = 2


def stratified(promise: ReferenceRates, rate: str, by: str) -> StratifiedRate | None:
    """Return what a promise says of strata; None where their counts are not known, or all are of one stratum."""
    strata, promised = promise.strata(rate, by), promise.rate(rate)
    if len(strata) < FEWEST_STRATA or not promised.of or not promised.value > 0:
        return None
    return StratifiedRate.of(rate, strata, _effective(promise, rate) / promised.of)


def mixed_limit(promise: ReferenceRates, rate: str, certainty: Certainty, by: str, mix: Mapping[str, float]) -> float:
    """Return the largest rate that keeps a promise where strata have these amounts; by its strata, or all together."""
    own = _one_limit(promise, rate, certainty, by, mix)
    others = (one for one in promise.others if stratified(one, rate, by) is not None)
    return min([own, *(_one_limit(one, rate, certainty, by, mix) for one in others)])


def _one_limit(promise: ReferenceRates, rate: str, certainty: Certainty, by: str, mix: Mapping[str, float]) -> float:
    strata = stratified(promise, rate, by)
    if strata is None or not sum(mix.values()) > 0:
        return limit(promise, rate, certainty)
    times, variance = strata.at(mix)
    value, most = promise.rate(rate).value * times, _effective(promise, rate)
    variance *= (promise.rate(rate).value / strata.overall) ** 2
    promised = promise.rate(rate)
    if rate == MISSED:
        value = min(value, HIGHEST_SHARE)
        effective = min(most, value * (1 - value) / variance) if variance > 0 else most
        there = effective_share(max(1, round(promised.of)), value, max(effective, 1.0), promise.confidence)
    else:
        effective = min(most, value / variance) if variance > 0 else most
        there = effective_occurrence(promised.of, value, effective, promise.confidence)
    new: dict[str, Any] = {rate: there}
    return limit(replace(promise, **new), rate, certainty)


def _effective(promise: ReferenceRates, rate: str) -> float:
    measure = effective_exposure if rate == FALSE else effective_trials
    return measure(promise.rate(rate), promise.confidence)
