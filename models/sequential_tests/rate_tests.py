"""The two tests of a rate, for many histories side by side, under what is declared about the events of a look."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from data_contracts.errors import UsageError
from models.sequential_tests.bets import bet_evidence
from models.sequential_tests.count_models import CountModel, FloatArray, beta_binomial, negative_binomial
from models.sequential_tests.dispersion import ReferenceCounts
from models.sequential_tests.e_detectors import shiryaev_roberts
from models.sequential_tests.e_processes import Alternatives
from models.sequential_tests.overdispersed import Hypotheses, overdispersed_evidence

SINCE_PROMOTION = "since promotion"
RECENT = "recent"

HIGHEST_NULL, HIGHEST_HARMFUL = 0.98, 0.99

Dependence = Literal["auto", "independent", "any"]


@dataclass(frozen=True)
class LookCounts:
    """Counts of histories side by side, (histories, looks); see `models.monitoring.looks.Look`."""

    missed: FloatArray
    failures: FloatArray
    false_episodes: FloatArray
    exposure: FloatArray

    def __post_init__(self) -> None:
        """Refuse what no look can have counted."""
        for name, values in vars(self).items():
            impossible = ~(np.isfinite(values) & (values >= 0))
            if name != "exposure":
                impossible |= values % 1 != 0
            _refuse(name, values[impossible], "0 or more" if name == "exposure" else "a whole number, 0 or more")
        _refuse("missed", self.missed[self.missed > self.failures], "at most as many as the failures")


def _refuse(name: str, values: FloatArray, expected: str) -> None:
    if values.size:
        raise UsageError(
            f"a look with {values[0]:g} as its number of {name.replace('_', ' ')}",
            expected,
            "Count each matured failure, false alarm and asset-month once.",
        )


@dataclass(frozen=True)
class Promised:
    """What keeps the promise of a rate, and what harms."""

    null: float
    harmful: float
    rate: float  # as it was measured
    seasons: FloatArray  # (looks,) how many times as high it may be at its time of the year
    # (looks,) how many times as high by the parts that plants, or other strata, have of it; None for once.
    mixes: FloatArray | None = None

    @property
    def folds(self) -> FloatArray:
        """Return how many times as high a rate that keeps the promise may be at the mix of each look."""
        return np.ones(len(self.seasons)) if self.mixes is None else self.mixes


@dataclass(frozen=True)
class CountedRate:
    """The counts of a rate by look, and those of the period in which it was promised."""

    model: CountModel
    events: FloatArray  # (histories, looks)
    amounts: FloatArray  # (histories, looks), trials or exposure
    hypotheses: Hypotheses
    reference: ReferenceCounts

    @classmethod
    def of_misses(
        cls, counts: LookCounts, promised: Promised, reference: LookCounts, correlation: float
    ) -> "CountedRate":
        """Return the share of failures missed, those of one look being correlated by at most so much."""
        nulls = np.minimum(promised.null * promised.folds * promised.seasons, HIGHEST_NULL)
        harmful = np.minimum(nulls + promised.harmful - promised.null, HIGHEST_HARMFUL)
        seen = _reference(reference.missed, reference.failures, promised, len(counts.missed))
        hypotheses = Hypotheses(nulls, harmful, promised.mixes)
        return cls(beta_binomial(correlation), counts.missed, counts.failures, hypotheses, seen)

    @classmethod
    def of_false_alarms(
        cls, counts: LookCounts, promised: Promised, reference: LookCounts, variation: float
    ) -> "CountedRate":
        """Return the rate of false alarm episodes, which varies from look to look by at most so much of its mean."""
        every = np.ones(len(promised.seasons))
        hypotheses = Hypotheses(promised.null * every, promised.harmful * every)
        seen = _reference(reference.false_episodes, reference.exposure, promised, len(counts.exposure))
        # An episode may mature in a look in which nothing was watched: there none was expected, so none counts.
        events = np.where(counts.exposure > 0, counts.false_episodes, 0.0)
        # A month of a season, or a plant, in which twice as many keep the promise counts as two.
        exposure = counts.exposure * promised.seasons * promised.folds
        return cls(negative_binomial(variation), events, exposure, hypotheses, seen)


def _reference(events: FloatArray, amounts: FloatArray, promised: Promised, histories: int) -> ReferenceCounts:
    shape = (histories, events.shape[1])
    rate = np.full(histories, promised.rate if promised.rate > 0 else promised.null)
    return ReferenceCounts(np.broadcast_to(events, shape), np.broadcast_to(amounts, shape), rate)


def log_evidence(rate: CountedRate, dependence: Dependence, recent: float = math.inf) -> Mapping[str, FloatArray]:
    """Return the logs of the evidence since the promotion and of the recent past, (histories, looks) each.

    Evidence of the recent past is counted up to its threshold `recent`, a log; with infinity it may be left out. That
    since the promotion is an e-value at every look.
    """
    if dependence == "any":
        values = bet_evidence(rate.events, rate.amounts * rate.hypotheses.nulls)
    elif dependence == "independent":
        values = _independent_evidence(rate.model.independent, rate.events, rate.amounts, rate.hypotheses, recent)
    else:
        counts = (rate.events, rate.amounts, rate.hypotheses, rate.reference)
        values = overdispersed_evidence(rate.model, *counts, threshold=recent)
    return dict(zip((SINCE_PROMOTION, RECENT), values, strict=True))


def log_thresholds(alpha: float, mean_time_between_false: float) -> dict[str, float]:
    """Return the log evidence from which each test rejects."""
    return {SINCE_PROMOTION: -math.log(alpha), RECENT: math.log(mean_time_between_false)}


def _independent_evidence(
    spread: Callable[[float, float], Alternatives],
    events: FloatArray,
    amounts: FloatArray,
    hypotheses: Hypotheses,
    threshold: float,
) -> tuple[FloatArray, FloatArray]:
    """Return the logs of the e-process since the first look and of the e-detector, (histories, looks).

    `events` and `amounts` are (histories, looks); `threshold` is the e-detector's, as a log.
    """
    since, recent = np.zeros(events.shape), np.full(events.shape, -np.inf)
    gains = sums = None
    for look, (null, harmful) in enumerate(zip(hypotheses.nulls, hypotheses.harmful, strict=True)):
        alternatives = _alternatives(spread, float(null), float(harmful))
        if gains is None or sums is None:
            shape = (len(events), len(alternatives.rates))
            gains, sums = np.zeros(shape), np.full(shape, -np.inf)
        gains = gains + alternatives.log_gains(events[:, look], amounts[:, look])
        since[:, look] = alternatives.log_mixture(gains)
        # Equal amounts share their tables; sums of equal spans differ in the last digits.
        rounded = amounts[:, look].round(9)
        for amount in np.unique(rounded[rounded > 0]):
            own = rounded == amount
            sums[own] = shiryaev_roberts(sums[own], events[own, look], float(amount), alternatives, threshold)
        recent[:, look] = alternatives.log_mixture(sums)
    return since, recent


@lru_cache(maxsize=256)
def _alternatives(spread: Callable[[float, float], Alternatives], null: float, harmful: float) -> Alternatives:
    return spread(null, harmful)
