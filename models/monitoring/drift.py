"""Whether a champion has become worse than it promised.

Two questions are asked of its misses and of its false alarms: have they been worse than promised since the promotion
(an e-process: wrong with probability alpha at most, however often one looks), and have they become worse recently (an
e-detector: wrong once in a declared time at most, on average). What is promised is the upper end of what the champion's
evaluation leaves open, so that a lucky evaluation is not held against it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from data_contracts.configuration.values import configuration
from features.setting_types import Flag, Number, PositiveDuration
from models.monitoring.e_detectors import BernoulliEDetector as BernoulliEDetector
from models.monitoring.e_detectors import PoissonEDetector as PoissonEDetector
from models.monitoring.e_processes import BernoulliEProcess as BernoulliEProcess
from models.monitoring.e_processes import PoissonEProcess as PoissonEProcess
from models.monitoring.looks import Grid, Look, looks
from models.monitoring.multiple_tests import e_bh
from models.outcomes.error_rates import ErrorRates, Rate, as_json, occurrence, share
from models.outcomes.outcomes import Outcomes

FN = "fn"
FP = "fp"
SINCE_PROMOTION = "since promotion"
RECENT = "recent"
_LARGEST, _SMALLEST = math.log(1e6), 0.001
_WHEN = {SINCE_PROMOTION: "since the promotion", RECENT: "of the recent past"}


@dataclass(frozen=True)
class ReferenceRates:
    """The error rates a champion was promoted with.

    Parameters
    ----------
    missed : Rate
        Failures missed, of all.
    false_episodes : Rate
        False alarm episodes per asset-month.
    source : str
        Where they were measured, for the reasons given.
    """

    missed: Rate
    false_episodes: Rate
    source: str = "its evaluation"

    @classmethod
    def of(cls, rates: ErrorRates | None, source: str) -> "ReferenceRates":
        """Take the promise from an evaluation's rates; nothing is promised where there are none."""
        if rates is None:
            return cls(share(0, 0), occurrence(0, 0.0), source)
        return cls(rates.missed, rates.false_episodes, source)


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
    promise_confidence: Annotated[Number, Field(ge=0.5, le=0.999)] = 0.8
    """Confidence of the upper end of the promised rates, one-sided."""
    every: PositiveDuration = pd.Timedelta(days=7)
    """Time between two looks at what has matured, however often the monitor runs."""
    one_per_asset: Flag = True
    """Whether only the first failure and the first false episode of an asset count in a look."""

    def part(self, share_of_it: float) -> "Budget":
        """Return the budget of which only a part may be spent."""
        longer = self.mean_time_between_false / share_of_it
        return replace(self, alpha=self.alpha * share_of_it, mean_time_between_false=longer)


@dataclass(frozen=True)
class DriftEvidence:
    """What one test says of one rate.

    Parameters
    ----------
    rate : str
        "fn" or "fp".
    test : str
        "since promotion" or "recent".
    promised, harmful : float
        The null's upper end, and the smallest rate that harms.
    threshold : float
        From where on the logarithm of the e-value decides.
    log_e_values : tuple of float
        After each look.
    rejected_at : pd.Timestamp or None
        The look at which it decided first.
    """

    rate: str
    test: str
    promised: float
    harmful: float
    threshold: float
    log_e_values: tuple[float, ...]
    rejected_at: pd.Timestamp | None

    @property
    def rejected(self) -> bool:
        """Say whether the promise is refuted."""
        return self.rejected_at is not None


@dataclass(frozen=True)
class Drift:
    """What the looks say of the champion.

    Parameters
    ----------
    drifted : bool
        Whether any rate is worse than promised.
    which : tuple of str
        "fn", "fp" or both.
    reasons : tuple of str
        One plain sentence for each rate, and one for each slice that is worse by itself.
    evidence : tuple of DriftEvidence
        Each test with its course.
    looks : tuple of Look
        What was counted.
    slices : tuple of str
        Slices that are worse than promised, of those that were asked for.
    """

    drifted: bool
    which: tuple[str, ...]
    reasons: tuple[str, ...]
    evidence: tuple[DriftEvidence, ...] = ()
    looks: tuple[Look, ...] = ()
    slices: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain values."""
        return {
            "drifted": self.drifted,
            "which": list(self.which),
            "reasons": list(self.reasons),
            "slices": list(self.slices),
            "evidence": [as_json(vars(each)) | {"rejected": each.rejected} for each in self.evidence],
            "looks": [as_json(vars(look)) for look in self.looks],
        }


def drift(
    known: Outcomes,
    promise: ReferenceRates,
    budget: Budget,
    grid: Grid,
    *,
    slices: Mapping[str, frozenset[str]] | None = None,
) -> Drift:
    """Test a champion's matured outcomes against what it promised.

    Parameters
    ----------
    known : Outcomes
        What became of its predictions.
    promise : ReferenceRates
        What it was promoted with.
    budget : Budget
        What harms, and which errors are accepted.
    grid : Grid
        From when on, and how often, it is looked at.
    slices : mapping of str to frozenset of str, optional
        Groups of assets to be tested each by itself, such as the plants; half of alpha then goes to them. Which of
        them are worse is settled by the e-values' Benjamini-Hochberg procedure.

    Returns
    -------
    Drift
        Drifted where any test refutes the promise. Deleting what has not matured changes nothing.

    References
    ----------
    .. [1] A. Podkopaev, A. Ramdas, "Tracking the risk of a deployed model and detecting harmful distribution shifts",
       ICLR 2022, arXiv 2110.06177.
    .. [2] J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
       arXiv 2203.03532.
    .. [3] R. Wang, A. Ramdas, "False discovery rate control with e-values", JRSS-B 2022, arXiv 2009.02824.
    """
    counted = looks(known, grid)
    overall = replace(budget, alpha=budget.alpha / 2) if slices else budget
    evidence = evidence_of(counted, promise, overall)
    worse = _worse_slices(known, promise, budget, grid, slices or {})
    which = tuple(rate for rate in (FN, FP) if any(each.rejected for each in evidence if each.rate == rate))
    reasons = [*sentences(counted, promise, evidence)]
    reasons += [f"In {name} by itself the champion misses more failures than it promised." for name in worse]
    which = which if FN in which or not worse else (FN, *which)
    return Drift(bool(which), which, tuple(reasons), evidence, counted, worse)


def evidence_of(counted: Sequence[Look], promise: ReferenceRates, budget: Budget) -> tuple[DriftEvidence, ...]:
    """Run the four tests over looks.

    Parameters
    ----------
    counted : sequence of Look
        In order of time.
    promise : ReferenceRates
        What was promised; a rate of which nothing was promised is not tested.
    budget : Budget
        What harms, and which errors are accepted.

    Returns
    -------
    tuple of DriftEvidence
        Misses before false alarms, since the promotion before recent.
    """
    found: list[DriftEvidence] = []
    if promise.missed.of:
        null, harmful = missed_hypotheses(promise, budget)
        spent = budget.part(budget.missed_share)
        outcomes = [(look.missed, look.failures) for look in counted]
        process = BernoulliEProcess(null, harmful, spent.alpha)
        detector = BernoulliEDetector(null, harmful, spent.mean_time_between_false)
        found += [
            _run(FN, process, SINCE_PROMOTION, (null, harmful), counted, outcomes),
            _run(FN, detector, RECENT, (null, harmful), counted, outcomes),
        ]
    if promise.false_episodes.of:
        null, harmful = false_hypotheses(promise, budget)
        spent = budget.part(1 - budget.missed_share)
        counts = [(look.false_episodes, look.exposure) for look in counted]
        found += [
            _run(FP, PoissonEProcess(null, harmful, spent.alpha), SINCE_PROMOTION, (null, harmful), counted, counts),
            _run(
                FP,
                PoissonEDetector(null, harmful, spent.mean_time_between_false),
                RECENT,
                (null, harmful),
                counted,
                counts,
            ),
        ]
    return tuple(found)


def missed_hypotheses(promise: ReferenceRates, budget: Budget) -> tuple[float, float]:
    """Return the largest share of misses that keeps the promise, and the smallest that harms."""
    confidence = 2 * budget.promise_confidence - 1
    null = min(share(promise.missed.count, int(promise.missed.of), confidence).high, 0.98)
    return null, min(null + budget.harmful_missed, 0.99)


def false_hypotheses(promise: ReferenceRates, budget: Budget) -> tuple[float, float]:
    """Return the largest rate of false episodes that keeps the promise, and the smallest that harms."""
    confidence = 2 * budget.promise_confidence - 1
    null = occurrence(promise.false_episodes.count, promise.false_episodes.of, confidence).high
    return null, null * (1 + budget.harmful_false)


def sentences(counted: Sequence[Look], promise: ReferenceRates, evidence: Sequence[DriftEvidence]) -> tuple[str, str]:
    """Say what was seen of misses and of false alarms, what was promised, and how strong the evidence is.

    Parameters
    ----------
    counted, promise, evidence
        As `evidence_of` takes and gives them.

    Returns
    -------
    tuple of str
        Misses before false alarms.
    """
    return _missed_sentence(counted, promise, evidence), _false_sentence(counted, promise, evidence)


def _run(
    rate: str, test: Any, name: str, hypotheses: tuple[float, float], counted: Sequence[Look], seen: Sequence[Any]
) -> DriftEvidence:
    values, rejected_at = [], None
    for look, (events, of) in zip(counted, seen, strict=True):
        test.update(events, of)
        values.append(float(test.log_e_value))
        rejected_at = look.at if rejected_at is None and test.rejected else rejected_at
    return DriftEvidence(rate, name, *hypotheses, float(test.threshold), tuple(values), rejected_at)


def _worse_slices(
    known: Outcomes, promise: ReferenceRates, budget: Budget, grid: Grid, slices: Mapping[str, frozenset[str]]
) -> tuple[str, ...]:
    if not slices or not promise.missed.of:
        return ()
    hypotheses, alpha = missed_hypotheses(promise, budget), budget.alpha / 2
    logs = []
    for assets in slices.values():
        process = BernoulliEProcess(*hypotheses, alpha)
        for look in looks(known, grid, only=assets):
            process.update(look.missed, look.failures)
        logs.append(process.log_e_value)
    chosen = e_bh(logs, alpha)
    return tuple(name for name, worse in zip(slices, chosen, strict=True) if worse)


def _missed_sentence(counted: Sequence[Look], promise: ReferenceRates, evidence: Sequence[DriftEvidence]) -> str:
    missed, failures = sum(look.missed for look in counted), sum(look.failures for look in counted)
    if not failures:
        return "No failure has matured, so nothing can be said of misses."
    seen = f"{missed} of {failures} failures were missed: {missed / failures:.0%}"
    own = [each for each in evidence if each.rate == FN]
    if not own:
        return f"{seen}; {promise.source} saw none, so nothing was promised."
    return (
        f"{seen}. {promise.source[0].upper()}{promise.source[1:]} had {promise.missed.count} of "
        f"{promise.missed.of:g}, so up to {own[0].promised:.0%} keeps the promise. {_told(own)}"
    )


def _false_sentence(counted: Sequence[Look], promise: ReferenceRates, evidence: Sequence[DriftEvidence]) -> str:
    alarms, months = sum(look.false_episodes for look in counted), sum(look.exposure for look in counted)
    if not months:
        return "No asset has been watched for any length of time, so nothing can be said of false alarms."
    seen = f"{alarms} false alarm episodes in {months:.1f} asset-months: {alarms / months:.2f} a month"
    own = [each for each in evidence if each.rate == FP]
    if not own:
        return f"{seen}; {promise.source} watched no asset, so nothing was promised."
    return (
        f"{seen}. {promise.source[0].upper()}{promise.source[1:]} had {promise.false_episodes.value:.2f}, so up to "
        f"{own[0].promised:.2f} keeps the promise. {_told(own)}"
    )


def _told(own: Sequence[DriftEvidence]) -> str:
    """Say how strong the evidence is, in odds."""
    return " ".join(
        f"Evidence {_WHEN[each.test]}: {odds_of(each.log_e_values[-1])} to 1, {odds_of(each.threshold)} to 1 decides"
        + (f"; it did on {each.rejected_at:%Y-%m-%d}." if each.rejected_at is not None else ".")
        for each in own
        if each.log_e_values
    )


def odds_of(log_value: float) -> str:
    """Write an e-value as odds that a person can read.

    Examples
    --------
    >>> odds_of(math.log(40))
    '40'
    >>> odds_of(math.log(3.2e5))
    '320,000'
    """
    if log_value > _LARGEST:
        return "over a million"
    value = math.exp(log_value)
    if value < _SMALLEST:
        return f"under {_SMALLEST:g}"
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 10 else f"{value:.2g}"
