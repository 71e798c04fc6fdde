"""Promises in succession: what each champion promises, given its own evidence and the promise of the one before.

The registry's champions and those of a back-test follow the same rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.outcomes.error_rates import ErrorRates, parse_rate
from models.outcomes.rate_intervals import effective_share, occurrence, share
from models.promises.chain import BindingPromise, VersionPromise, bind
from models.promises.limits import Certainty, effective_trials
from models.promises.pooling import MOST_FROM_BEFORE, pool, without_selection
from models.promises.reference_rates import FALSE, MISSED, ReferenceRates

_AS_SURE_AS = 1000.0
"""A declared rate counts as one that was measured in so many asset-months."""


@dataclass(frozen=True)
class ChampionEvidence:
    """What a champion's promise follows from."""

    version: int
    evaluation: ErrorRates | None  # None where it raises no alarms
    comparison: Mapping[str, Any] | None = None  # the figures of the comparison that promoted it, if one did
    carries_on: bool = True  # whether promises are carried on to it; to versions from before they were, none is
    accepted: bool = False  # whether a person has accepted its own promise
    # What its own outcomes had made of its promise while it was champion, of the rates that became tighter.
    settled: ReferenceRates | None = None
    refit_of: int | None = None  # the version that was judged, whose promise it carries, of a refit
    alarms_declared: float | None = None  # false alarms per asset-month, of a detector of anomalies

    @property
    def judged(self) -> int:
        """Return the version that was judged."""
        return self.version if self.refit_of is None else self.refit_of


def binding_promise(champions: Sequence[ChampionEvidence], certainty: Certainty, accepted: str = "") -> BindingPromise:
    """Return what the last of several champions, in order of their promotions, is held to.

    `accepted` says who accepted its own promise, if anybody has.
    """
    chain: list[VersionPromise] = []
    before: ReferenceRates | None = None
    for champion in champions:
        before = own_promise(champion, before)
        if not champion.carries_on or champion.accepted:
            chain = []
        chain.append(VersionPromise(champion.version, before))
        if champion.settled is not None and champion is not champions[-1]:
            chain.append(VersionPromise(champion.version, _measured_like(champion.settled, before)))
    return bind(chain, certainty, accepted)


def own_promise(champion: ChampionEvidence, before: ReferenceRates | None) -> ReferenceRates:
    """Return what a champion promises by its own evidence, pooled with a little of the promise before.

    Of false alarms a detector of anomalies promises what it declares, and its evaluation only has to agree with that.
    The evidence is its evaluation or, as that chose it, the comparison that it won, freed of the luck that it won by. A
    version from before promises were carried on promises what its evaluation showed. A refit promises what the version
    that was judged does.
    """
    if champion.alarms_declared is None or champion.evaluation is None:
        return _by_evidence(champion, before)
    declared = occurrence(round(champion.alarms_declared * _AS_SURE_AS), _AS_SURE_AS)
    promise = ReferenceRates(share(0, 0), declared, f"what version {champion.judged} declares")
    return _by_evidence(champion, before).with_rate(FALSE, promise)


def _by_evidence(champion: ChampionEvidence, before: ReferenceRates | None) -> ReferenceRates:
    evaluation = ReferenceRates.of(champion.evaluation, f"the evaluation of version {champion.judged}")
    if not champion.carries_on or champion.evaluation is None:
        return evaluation
    rates = evaluation
    if champion.comparison is not None:
        rates = _measured_like(_compared(evaluation, champion.judged, champion.comparison), evaluation)
    if before is None or not (before.missed.of or before.false_episodes.of):
        return rates
    return pool(rates, before, f"{rates.source}, pooled with the promise before,", most=MOST_FROM_BEFORE)


def _measured_like(rates: ReferenceRates, evaluation: ReferenceRates) -> ReferenceRates:
    """Return rates with the weeks and the time of an evaluation, by which dependence and season are judged.

    Without counts by stratum of their own they have its, too.
    """
    rates = replace(rates, weeks=evaluation.weeks, period=evaluation.period)
    for rate in (MISSED, FALSE):
        if not rates.strata(rate):
            rates = rates.with_strata(rate, evaluation.strata(rate))
    return rates


def _compared(evaluation: ReferenceRates, version: int, comparison: Mapping[str, Any]) -> ReferenceRates:
    """Return the rates by a comparison; how far failures are clusters, which it does not say, is the evaluation's."""
    sides = {}
    for side in ("champion", "challenger"):
        missed, false = (parse_rate(comparison[side][name]) for name in ("missed", "false_episodes"))
        if missed.of and evaluation.missed.of:
            independent = effective_trials(evaluation.missed, evaluation.confidence) / evaluation.missed.of
            missed = effective_share(int(missed.of), missed.value, missed.of * independent, evaluation.confidence)
        sides[side] = ReferenceRates(missed, false, "", evaluation.confidence)
    return without_selection(
        sides["challenger"],
        sides["champion"],
        f"the comparison that promoted version {version} (the mean of both models)",
    )
