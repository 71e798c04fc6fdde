"""Provisional promises: tightened once, from the champion's own first outcomes, where an evaluation saw too little.

A promise by few failures keeps a wide limit, and what is within it is never seen. As soon as the champion's own matured
outcomes hold enough events they are pooled with it. Where the result promises less, it counts from the next look on;
never where it promises more. What was counted before stays tested against the promise of its time. The new promise is
fixed by the past, so the evidence goes on as a product, and its budget holds as long as the rate keeps both promises;
that it does not although the model has not changed is held to half of what the first promise may spend, like every
promise that replaces another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from models.monitoring.look_strata import stratum_totals
from models.monitoring.looks import Look
from models.outcomes.error_rates import occurrence, share
from models.promises.limits import Certainty, effective_exposure, effective_trials, limit
from models.promises.mixed_limits import mixed_limit
from models.promises.pooling import pool
from models.promises.reference_rates import FALSE, MISSED, ReferenceRates, StratumRate


def provisional(promise: ReferenceRates, rate: str, events: int) -> bool:
    """Return whether a promise of `MISSED` or `FALSE` rests on fewer effective failures, or false episodes."""
    promised = promise.rate(rate)
    if not promised.of:
        return False
    if rate == MISSED:
        return effective_trials(promised, promise.confidence) < events
    return effective_exposure(promised, promise.confidence) * promised.value < events


def tightened(
    promise: ReferenceRates, rate: str, looks: Sequence[Look], certainty: Certainty, events: int, by: str = ""
) -> tuple[int, ReferenceRates] | None:
    """Return after how many looks a provisional promise of a rate is replaced by a tighter one, and by which.

    None where the promise is not provisional, too little has matured yet, or what has matured promises no less; with
    strata `by` a column both promises are compared at the mix of what has matured.
    """
    if not provisional(promise, rate, events):
        return None
    counts = [look.failures if rate == MISSED else look.false_episodes for look in looks]
    enough = next((place for place, seen in enumerate(accumulate(counts), 1) if seen >= events), None)
    if enough is None:
        return None
    own = _counted(looks[:enough], promise)
    place = promise.place_of(rate) + 1
    source = f"{promise.source_of(rate).rstrip(',')} together with the champion's first {enough} looks"
    new = pool(promise.only(rate), own.only(rate), source).at(place)
    if not own.strata(rate):
        return (enough, new) if limit(new, rate, certainty) < limit(promise, rate, certainty) else None
    # At another mix the earlier one may be the tighter one still.
    new = replace(new, others=(*promise.others, replace(promise.only(rate), weeks=(), others=())))
    mix = {one.name: one.amount for one in own.strata(rate)}
    after, before = (mixed_limit(each, rate, certainty, by, mix) for each in (replace(new, others=()), promise))
    return (enough, new) if after < before else None


Settlements = Mapping[str, tuple[int, ReferenceRates]]
"""By rate, `MISSED` or `FALSE`, what `tightened` gives."""


def settlements(
    promise: ReferenceRates, looks: Sequence[Look], certainty: Certainty, events: int, by: str = ""
) -> Settlements:
    """Return the rates whose provisional promise is replaced, each with what `tightened` gives."""
    each = {rate: tightened(promise, rate, looks, certainty, events, by) for rate in (MISSED, FALSE)}
    return {rate: new for rate, new in each.items() if new is not None}


def settled(promise: ReferenceRates, replaced: Settlements) -> ReferenceRates:
    """Return the promise that counts once its provisional rates have been replaced."""
    for rate, (_, tighter) in replaced.items():
        promise = promise.with_rate(rate, tighter)
    return promise


def _counted(looks: Sequence[Look], promise: ReferenceRates) -> ReferenceRates:
    missed = share(sum(look.missed for look in looks), sum(look.failures for look in looks), promise.confidence)
    false = occurrence(
        sum(look.false_episodes for look in looks), sum(look.exposure for look in looks), promise.confidence
    )
    counts = stratum_totals(looks)
    return ReferenceRates(
        missed,
        false,
        promise.source,
        promise.confidence,
        missed_strata=tuple(StratumRate(one.by, one.name, one.missed, one.failures) for one in counts),
        false_strata=tuple(StratumRate(one.by, one.name, one.false_episodes, one.exposure) for one in counts),
    )
