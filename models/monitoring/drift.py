"""Drift: tests of whether a champion's error rates still match those that it was promoted with.

Its misses and its false alarms are each tested twice: have they been worse than promised since the promotion (an
e-process: wrong with probability alpha at most, however often one looks), and have they become worse recently (an
e-detector: wrong once in a declared time at most, on average). The null is the largest rate that the evidence behind
the promise allows (`models.promises.limits`), so that a lucky evaluation is not held against the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from data_contracts.configuration.values import configuration
from features.setting_types import Count, Flag, Number, PositiveDuration
from models.monitoring.drift_evidence import FN as FN
from models.monitoring.drift_evidence import FP as FP
from models.monitoring.drift_evidence import NO_SEASON
from models.monitoring.drift_evidence import DriftEvidence as DriftEvidence
from models.monitoring.drift_sentences import odds_of as odds_of
from models.monitoring.drift_sentences import sentences as sentences
from models.monitoring.looks import Grid, Look, count_looks
from models.monitoring.provisional import settled, settlements
from models.outcomes.error_rates import as_json
from models.outcomes.outcomes import Outcomes
from models.outcomes.weekly_counts import WEEK, WeekCounts
from models.promises.limits import Certainty, harmful, limit
from models.promises.reference_rates import FALSE, MISSED
from models.promises.reference_rates import ReferenceRates as ReferenceRates
from models.sequential_tests.count_models import FloatArray
from models.sequential_tests.multiple_tests import e_bh
from models.sequential_tests.rate_tests import RECENT as RECENT
from models.sequential_tests.rate_tests import SINCE_PROMOTION as SINCE_PROMOTION
from models.sequential_tests.rate_tests import (
    CountedRate,
    Dependence,
    LookCounts,
    Promised,
    log_evidence,
    log_thresholds,
)
from models.sequential_tests.season import ReferencePeriod, season_factors

NO_TIME = pd.Timedelta(0)


@configuration
class Budget:
    """What is declared before looking: what harms, and how often a false alarm about the model is accepted."""

    alpha: Annotated[Number, Field(gt=0, le=0.5)] = 0.05
    """Largest probability, over all looks since a promotion, of a false "worse than promised"."""
    mean_time_between_false: Annotated[Number, Field(ge=2, le=1e12)] = 500.0
    """Smallest average number of looks to a false "became worse recently"."""
    harmful_missed: Annotated[Number, Field(ge=0.01, le=0.99)] = 0.1
    """The smallest harmful increase of the share of missed failures; absolute."""
    harmful_false: Annotated[Number, Field(ge=0.01, le=100)] = 0.5
    """The smallest harmful increase of false alarm episodes, as a share of the promised rate."""
    missed_share: Annotated[Number, Field(ge=0.01, le=0.99)] = 0.5
    """The part of both budgets that goes to misses; the rest goes to false alarms."""
    promise_confidence: Annotated[Number, Field(ge=0.5, le=0.999)] = 0.85
    """Confidence, one-sided, that a rate is no higher than what keeps its promise."""
    promise_certainty: Annotated[Number, Field(ge=0.5, le=0.9999)] = 0.96
    """Confidence, one-sided, that it is no higher than what the tests take for worse in the long run; decides where a
    promise rests on few events."""
    promise_events: Count = 30
    """A promise that rests on fewer failures, or false episodes, is provisional: once the champion's own outcomes hold
    as many, it is made tighter if they show that it can be; 0 for never."""
    every: PositiveDuration = pd.Timedelta(days=7)
    """Time between two looks at what has matured, however often the monitor runs."""
    one_per_asset: Flag = True
    """Whether only the first failure and the first false episode of an asset count in a look."""
    dependence: Dependence = "auto"
    """How the events of one look may depend on each other: "auto" estimates their correlation, "independent" takes them
    for independent, "any" assumes nothing about them and takes longer. See `correlation` and `variation`."""
    correlation: Annotated[Number, Field(ge=0.01, le=0.5)] = 0.1
    """With "auto": the highest correlation, of whether two failures of one look are missed, that the tests allow for;
    where it is higher they decide in vain more often than declared."""
    variation: Annotated[Number, Field(ge=0.05, le=1)] = 0.6
    """With "auto": the highest coefficient of variation, of the rate of false alarms from look to look, that the tests
    allow for; where it is higher they may decide in vain more often than declared."""
    season: Annotated[Number, Field(ge=0, le=0.9)] = 0.35
    """Amplitude of the yearly season that false alarms may have, as a share of their rate; 0 for none."""
    season_missed: Annotated[Number, Field(ge=0, le=0.9)] = 0.0
    """The same of the share of missed failures."""

    @property
    def certainty(self) -> Certainty:
        """Return how sure a promise has to be."""
        return Certainty(self.promise_confidence, self.promise_certainty, self.harmful_missed, self.harmful_false)

    def part(self, share_of_it: float) -> "Budget":
        """Return the budget of which only a part may be spent."""
        longer = self.mean_time_between_false / share_of_it
        return replace(self, alpha=self.alpha * share_of_it, mean_time_between_false=longer)


@dataclass(frozen=True)
class Drift:
    """Result of the drift tests."""

    drifted: bool  # whether any rate is worse than promised
    which: tuple[str, ...]  # "fn", "fp" or both
    reasons: tuple[str, ...]  # a sentence for each rate, and one for each slice that is worse by itself
    evidence: tuple[DriftEvidence, ...] = ()
    looks: tuple[Look, ...] = ()
    slices: tuple[str, ...] = ()  # slices that are worse than promised, of those tested
    promise: ReferenceRates | None = None  # what counts by now: a provisional promise may have been made tighter

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "drifted": self.drifted,
            "which": list(self.which),
            "reasons": list(self.reasons),
            "slices": list(self.slices),
            "evidence": [as_json(vars(each)) | {"rejected": each.rejected} for each in self.evidence],
            "looks": [as_json(vars(look)) for look in self.looks],
        }


def detect_drift(
    outcomes: Outcomes,
    promise: ReferenceRates,
    budget: Budget,
    grid: Grid,
    *,
    slices: Mapping[str, frozenset[str]] | None = None,
) -> Drift:
    """Test a champion's matured outcomes against its promise; immature ones change nothing.

    `slices` are groups of assets to be tested each by itself, such as the plants. Half of alpha then goes to them, and
    the Benjamini-Hochberg procedure for e-values selects which of them are worse.

    References
    ----------
    .. [1] A. Podkopaev, A. Ramdas, "Tracking the risk of a deployed model and detecting harmful distribution shifts",
       ICLR 2022, arXiv 2110.06177.
    .. [2] J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
       arXiv 2203.03532.
    .. [3] R. Wang, A. Ramdas, "False discovery rate control with e-values", JRSS-B 2022, arXiv 2009.02824.
    """
    looks = count_looks(outcomes, grid)
    overall = replace(budget, alpha=budget.alpha / 2) if slices else budget
    evidence, promise = evidence_in_phases(looks, promise, overall, maturity=outcomes.terms.maturity)
    worse_slices = _worse_slices(outcomes, promise, budget, grid, slices or {})
    which = tuple(rate for rate in (FN, FP) if any(each.rejected for each in evidence if each.rate == rate))
    reasons = [*sentences(looks, promise, evidence)]
    reasons += [f"In {name} by itself the champion misses more failures than it promised." for name in worse_slices]
    which = which if FN in which or not worse_slices else (FN, *which)
    return Drift(bool(which), which, tuple(reasons), evidence, looks, worse_slices, promise)


def evidence_of(
    looks: Sequence[Look], promise: ReferenceRates, budget: Budget, *, maturity: pd.Timedelta = NO_TIME
) -> tuple[DriftEvidence, ...]:
    """Run the tests over looks in order of time: misses before false alarms, since the promotion before recent.

    A rate of which nothing was promised is not tested. What matured at a look happened `maturity` earlier.
    """
    happened = pd.DatetimeIndex([look.at for look in looks], tz="UTC") - maturity
    rates = tested_rates(look_counts(looks), happened, promise, budget)
    return tuple(each for name, rate in rates.items() for each in _run_tests(name, rate, budget, looks))


@dataclass(frozen=True)
class TestedRate:
    """A rate with its promise, and the part of the budget that its tests may spend."""

    counted: CountedRate
    promised: Promised
    budget: Budget


def tested_rates(
    counts: LookCounts, happened: pd.DatetimeIndex, promise: ReferenceRates, budget: Budget
) -> dict[str, TestedRate]:
    """Return the rates of which something was promised, misses first; `happened` is the time of each look's events."""
    rates, reference = {}, _reference_counts(promise.weeks, budget.every)
    if promise.missed.of:
        part = budget.part(budget.missed_share)
        seasons = _seasons(happened, promise, "missed", "failures", budget.season_missed)
        promised = Promised(*missed_hypotheses(promise, budget), promise.missed.value, seasons)
        counted = CountedRate.of_misses(counts, promised, reference, budget.correlation)
        rates[FN] = TestedRate(counted, promised, part)
    if promise.false_episodes.of:
        part = budget.part(1 - budget.missed_share)
        seasons = _seasons(happened, promise, "false_episodes", "exposure", budget.season)
        promised = Promised(*false_hypotheses(promise, budget), promise.false_episodes.value, seasons)
        counted = CountedRate.of_false_alarms(counts, promised, reference, budget.variation)
        rates[FP] = TestedRate(counted, promised, part)
    return rates


def _seasons(
    happened: pd.DatetimeIndex, promise: ReferenceRates, events: str, amounts: str, amplitude: float
) -> FloatArray:
    if promise.period is None:
        return np.ones(len(happened))
    times = pd.DatetimeIndex([week.at for week in promise.weeks], tz="UTC")
    columns = ([getattr(week, name) for week in promise.weeks] for name in (events, amounts))
    return season_factors(happened, ReferencePeriod(*promise.period, times, *columns), amplitude)


def look_counts(looks: Sequence[Look | WeekCounts]) -> LookCounts:
    """Return the looks of one history as arrays, with the failures that findings may hide."""
    rows = [(look.missed, look.failures_at_most, look.false_at_least, look.exposure) for look in looks]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return LookCounts(*columns[:, None, :])


def _reference_counts(weeks: Sequence[WeekCounts], every: pd.Timedelta) -> LookCounts:
    """Return the weeks of an evaluation as looks of a length; none where that is no whole number of weeks."""
    counts = look_counts(weeks)
    if every == WEEK or not weeks:
        return counts
    if every % WEEK:
        return look_counts(())
    groups = [(week.at - weeks[0].at) // every for week in weeks]
    firsts = np.flatnonzero(np.diff(groups, prepend=-1))
    return LookCounts(*(np.add.reduceat(column, firsts, axis=1) for column in vars(counts).values()))


def evidence_in_phases(
    looks: Sequence[Look], promise: ReferenceRates, budget: Budget, *, maturity: pd.Timedelta = NO_TIME
) -> tuple[tuple[DriftEvidence, ...], ReferenceRates]:
    """Run the tests of each rate, against a tighter promise from when on it replaces a provisional one.

    Returns the promise that counts in the end, too.
    """
    evidence: list[DriftEvidence] = []
    replaced = settlements(promise, looks, budget.certainty, budget.promise_events)
    for rate in (MISSED, FALSE):
        if rate not in replaced:
            evidence += evidence_of(looks, promise.only(rate), budget, maturity=maturity)
            continue
        place, tighter = replaced[rate]
        first = evidence_of(looks[:place], promise.only(rate), budget, maturity=maturity)
        then = evidence_of(looks[place:], tighter, budget, maturity=maturity)
        evidence += [before.followed_by(after, looks) for before, after in zip(first, then, strict=True)]
    return tuple(evidence), settled(promise, replaced)


def missed_hypotheses(promise: ReferenceRates, budget: Budget) -> tuple[float, float]:
    """Return the largest share of misses that keeps the promise, and the smallest that does harm."""
    null = limit(promise, MISSED, budget.certainty)
    return null, harmful(null, MISSED, budget.certainty)


def false_hypotheses(promise: ReferenceRates, budget: Budget) -> tuple[float, float]:
    """Return the largest rate of false episodes that keeps the promise, and the smallest that does harm."""
    null = limit(promise, FALSE, budget.certainty)
    return null, harmful(null, FALSE, budget.certainty)


def _run_tests(name: str, rate: TestedRate, budget: Budget, looks: Sequence[Look]) -> list[DriftEvidence]:
    thresholds = log_thresholds(rate.budget.alpha, rate.budget.mean_time_between_false)
    evidence, promised = [], rate.promised
    for test, values in log_evidence(rate.counted, budget.dependence, thresholds[RECENT]).items():
        over = np.flatnonzero(values[0] >= thresholds[test])
        evidence.append(
            DriftEvidence(
                name,
                test,
                promised.null,
                promised.harmful,
                thresholds[test],
                tuple(values[0].tolist()),
                looks[over[0]].at if len(over) else None,
                budget.dependence,
                tuple(promised.seasons.tolist()) if (promised.seasons > NO_SEASON).any() else (),
                rate.counted.model.scatter if budget.dependence == "auto" else None,
            )
        )
    return evidence


def _worse_slices(
    outcomes: Outcomes, promise: ReferenceRates, budget: Budget, grid: Grid, slices: Mapping[str, frozenset[str]]
) -> tuple[str, ...]:
    if not slices or not promise.missed.of:
        return ()
    # How the events of all assets depend on each other says little about those of a slice.
    promise, alpha = replace(promise, weeks=()), budget.alpha / 2
    log_e_values = []
    for assets in slices.values():
        looks = count_looks(outcomes, grid, only=assets)
        happened = pd.DatetimeIndex([look.at for look in looks], tz="UTC") - outcomes.terms.maturity
        rate = tested_rates(look_counts(looks), happened, promise, budget)[FN]
        values = log_evidence(rate.counted, budget.dependence)[SINCE_PROMOTION][0]
        log_e_values.append(float(values[-1]) if len(values) else 0.0)
    return tuple(name for name, worse in zip(slices, e_bh(log_e_values, alpha), strict=True) if worse)
