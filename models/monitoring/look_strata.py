"""The strata of looks: of which plant, asset model or other group the events of each are, and what that mix allows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.monitoring.budget import NO_STRATA
from models.monitoring.looks import Look
from models.outcomes.stratum_counts import StratumCounts
from models.promises.limits import Certainty, limit
from models.promises.mixed_limits import mixed_limit, stratified
from models.promises.reference_rates import FALSE, MISSED, ReferenceRates
from models.sequential_tests.count_models import FloatArray

PLACES = 3
"""Decimals of a stratum's part."""
STEPS = 50
"""Factors are rounded to a fiftieth: looks share their tables, and a mix that hardly differs changes nothing."""


@dataclass(frozen=True)
class LookMix:
    """What a look counts by stratum; empty where that is not known."""

    failures: Mapping[str, float]
    exposure: Mapping[str, float]


def look_mixes(looks: Iterable[Look]) -> tuple[LookMix, ...]:
    """Return the strata of looks."""
    return tuple(
        LookMix(
            {one.name: float(one.failures) for one in look.strata if one.failures},
            {one.name: one.exposure for one in look.strata if one.exposure},
        )
        for look in looks
    )


def mix_factors(
    promise: ReferenceRates, rate: str, certainty: Certainty, by: str, mixes: Sequence[LookMix]
) -> FloatArray | None:
    """Return how many times as high `MISSED` or `FALSE` may be at each look's mix, (looks,); None for once at each."""
    if by == NO_STRATA or stratified(promise, rate, by) is None or not mixes:
        return None
    overall = limit(promise, rate, certainty)
    factors: dict[tuple[tuple[str, float], ...], float] = {(): 1.0}
    keys = []
    for mix in mixes:
        amounts = mix.failures if rate == MISSED else mix.exposure
        total = sum(amounts.values())
        key = tuple((name, round(amount / total, PLACES)) for name, amount in sorted(amounts.items()))
        keys.append(key)
        if key not in factors:
            ratio = mixed_limit(promise, rate, certainty, by, dict(key)) / overall
            factors[key] = max(round(ratio * STEPS), 1) / STEPS
    return np.array([factors[key] for key in keys])


def stratum_totals(looks: Iterable[Look]) -> tuple[StratumCounts, ...]:
    """Return the counts of all looks by stratum, in order of their names."""
    totals: dict[tuple[str, str], StratumCounts] = {}
    for look in looks:
        for one in look.strata:
            before = totals.get((one.by, one.name))
            totals[one.by, one.name] = one if before is None else _sum(before, one)
    return tuple(totals[key] for key in sorted(totals))


def _sum(one: StratumCounts, other: StratumCounts) -> StratumCounts:
    return StratumCounts(
        one.by,
        one.name,
        one.missed + other.missed,
        one.failures + other.failures,
        one.false_episodes + other.false_episodes,
        one.exposure + other.exposure,
    )


@dataclass(frozen=True)
class PromisedStratum:
    """What is promised of one stratum by itself."""

    value: float  # as it was evaluated, shrunk towards the overall rate
    keeps_up_to: float


@dataclass(frozen=True)
class StratumFigures:
    """What was counted in a stratum, beside what is promised of it; None where nothing is promised of it by itself."""

    counts: StratumCounts
    missed: PromisedStratum | None
    false_episodes: PromisedStratum | None
    evaluated: bool  # whether the evaluation had any of it

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        promised = {name: getattr(self, name) for name in (MISSED, FALSE)}
        return vars(self.counts) | {
            "evaluated": self.evaluated,
            "promised": {name: None if each is None else vars(each) for name, each in promised.items()},
            "sentence": self.sentence,
        }

    @property
    def sentence(self) -> str:
        """Say what was counted and what is promised."""
        own, parts = self.counts, []
        if own.failures:
            parts.append(f"{own.missed} of {own.failures} failures missed{_promised_in_words(self.missed, '.0%')}")
        if own.exposure:
            rate = own.false_episodes / own.exposure
            promised = _promised_in_words(self.false_episodes, ".2f")
            parts.append(f"{rate:.2f} false alarms a month ({own.false_episodes} in {own.exposure:.1f}){promised}")
        return f"{own.by} {own.name}: {'; '.join(parts) or 'nothing has matured'}."


def stratum_figures(
    looks: Sequence[Look], promise: ReferenceRates, certainty: Certainty, by: str
) -> tuple[StratumFigures, ...]:
    """Return what looks count by stratum, beside what is promised of each."""
    figures = []
    for counts in stratum_totals(looks):
        own = {rate: _promised_stratum(promise, rate, certainty, by, counts.name) for rate in (MISSED, FALSE)}
        seen = {one.name for rate in (MISSED, FALSE) for one in promise.strata(rate, by)}
        figures.append(StratumFigures(counts, own[MISSED], own[FALSE], counts.name in seen))
    return tuple(figures)


def _promised_stratum(
    promise: ReferenceRates, rate: str, certainty: Certainty, by: str, name: str
) -> PromisedStratum | None:
    strata = stratified(promise, rate, by)
    if strata is None:
        return None
    value = promise.rate(rate).value * strata.shrunk().get(name, 1.0)
    return PromisedStratum(value, mixed_limit(promise, rate, certainty, by, {name: 1.0}))


def _promised_in_words(promised: PromisedStratum | None, form: str) -> str:
    if promised is None:
        return ""
    return f", promised {promised.value:{form}}, up to {promised.keeps_up_to:{form}} keeps that"


def strata_remarks(figures: Sequence[StratumFigures], promise: ReferenceRates, by: str) -> tuple[str, ...]:
    """Say where the promise is that of all strata together, and which of them the evaluation did not have."""
    if by == NO_STRATA:
        return ()
    remarks = [_undivided(promise, rate, by) for rate in (MISSED, FALSE) if promise.rate(rate).of]
    new = [one.counts.name for one in figures if not one.evaluated]
    if new and any(one.missed or one.false_episodes for one in figures):
        remarks.append(
            f"Not in the evaluation: {by} {', '.join(new)}. It may lie anywhere in the spread of the others, so the "
            "looser end of the overall promise counts there."
        )
    return tuple(remark for remark in remarks if remark)


def _undivided(promise: ReferenceRates, rate: str, by: str) -> str:
    """Say why a promise is not divided; empty where it is."""
    if stratified(promise, rate, by) is not None:
        return ""
    strata, what = promise.strata(rate, by), "missed failures" if rate == MISSED else "false alarms"
    if not promise.strata(rate):
        reason = f"{promise.source_of(rate).rstrip(',')} has no counts by {by}"
    elif not strata:
        reason = f"{promise.source_of(rate).rstrip(',')} was counted by other columns than {by}, or had one {by} only"
    elif len(strata) == 1:
        reason = f"{promise.source_of(rate).rstrip(',')} had {what} to count of one {by} only"
    else:
        reason = f"{promise.source_of(rate).rstrip(',')} had none"
    return f"The promise on {what} is not divided by {by}: {reason}. The overall one counts, whatever the mix."
