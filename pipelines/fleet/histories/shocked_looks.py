"""Counts of looks whose events have common causes: hot weeks, batches of material, seasons; drawn, not simulated.

Each history has an evaluation of some weeks before its first look. What it promises is the true rate of those weeks,
so that all that can refute a kept promise is dependence and season.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from models.monitoring.drift import Budget
from models.outcomes.weekly_counts import WEEK
from models.sequential_tests.count_models import beta_binomial, negative_binomial
from models.sequential_tests.dispersion import ReferenceCounts
from models.sequential_tests.overdispersed import Hypotheses
from models.sequential_tests.rate_tests import RECENT, SINCE_PROMOTION, CountedRate, log_evidence, log_thresholds
from models.sequential_tests.season import YEAR, ReferencePeriod, season_factors
from pipelines.fleet.histories.monitored import SINCE
from pipelines.fleet.plant.arrays import Flags, Floats

HALF = 0.5
"""The part of the budget of one of the two rates."""
OFTEN = 0.05
"""The share of looks that are spikes."""
AT_ONCE = 200
"""Histories tested side by side; more fit no cache."""


@dataclass(frozen=True)
class MissedLooks:
    """Histories of failures, so many a look, of which a share is missed."""

    failures: int
    looks: int = 52
    rate: float = 0.2
    correlation: float = 0.0  # of two failures of a look
    spikes: float | None = None  # the share missed in one look of twenty, the others being the better for it
    declared_correlation: float = Budget().correlation
    evaluation: int = 52  # looks before, counted one by one; 0 for none
    worse_from: int | None = None  # the look from which on the rate is another, and events are independent
    worse_rate: float = 0.45

    def draw(self, histories: int, rng: np.random.Generator) -> CountedRate:
        """Draw histories of looks, and what they are tested against."""
        every = np.full(self.evaluation + self.looks, self.rate)
        if self.worse_from is not None:
            every[self.evaluation + self.worse_from :] = self.worse_rate
        shares = np.broadcast_to(every, (histories, len(every)))
        if self.spikes is not None:
            others = (shares - OFTEN * self.spikes) / (1 - OFTEN)
            shares = np.where(rng.random(shares.shape) < OFTEN, self.spikes, others)
        if self.correlation:
            size = (1 - self.correlation) / self.correlation
            shares = rng.beta(shares * size, (1 - shares) * size)
        events = rng.binomial(self.failures, shares).astype(float)
        amounts = np.full(events.shape, float(self.failures))
        before = ReferenceCounts(
            events[:, : self.evaluation], amounts[:, : self.evaluation], np.full(histories, self.rate)
        )
        nulls = np.full(self.looks, self.rate)
        hypotheses = Hypotheses(nulls, nulls + Budget().harmful_missed)
        after = slice(self.evaluation, None)
        model = beta_binomial(self.declared_correlation)
        return CountedRate(model, events[:, after], amounts[:, after], hypotheses, before)


@dataclass(frozen=True)
class FalseAlarmLooks:
    """Histories of false alarms, so many expected a look, whose rate has weekly shocks and a season."""

    expected: float
    looks: int = 52
    shocks: float = 0.0  # coefficient of variation of the rate from week to week
    shape: str = "gamma"  # of the shocks; or "lognormal", or "spikes": one week in twenty is far higher
    season: float = 0.0  # amplitude; the phase is any
    evaluation: int = 52  # looks before, counted one by one; 0 for none
    declared_variation: float = Budget().variation
    declared_season: float = Budget().season
    worse_from: int | None = None  # the look from which on the rate is another
    worse_fold: float = 2.0

    def draw(self, histories: int, rng: np.random.Generator) -> CountedRate:
        """Draw histories of looks, and what they are tested against; the exposure of a look is one."""
        weeks = max(self.evaluation, 4)
        phases = rng.uniform(0, 2 * np.pi, (histories, 1))
        angles = 2 * np.pi * (np.arange(weeks + self.looks) + 0.5) * (WEEK / YEAR)
        waves = 1 + self.season * np.cos(angles - phases)
        # The promise is exact, of the weeks evaluated.
        waves /= waves[:, :weeks].mean(axis=1, keepdims=True)
        rates = self.expected * waves * self._shocks(waves.shape, rng)
        if self.worse_from is not None:
            rates[:, weeks + self.worse_from :] *= self.worse_fold
        events, amounts = rng.poisson(rates).astype(float), np.ones(rates.shape)
        counted = slice(0, self.evaluation)
        seasons = self._seasons(events[:, counted], amounts[:, counted], weeks)
        nulls = np.full(self.looks, float(self.expected))
        hypotheses = Hypotheses(nulls, nulls * (1 + Budget().harmful_false))
        before = ReferenceCounts(events[:, counted], amounts[:, counted], np.full(histories, float(self.expected)))
        model = negative_binomial(self.declared_variation)
        return CountedRate(model, events[:, weeks:], amounts[:, weeks:] * seasons, hypotheses, before)

    def _shocks(self, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        if not self.shocks:
            return np.ones(shape)
        if self.shape == "gamma":
            return np.asarray(rng.gamma(1 / self.shocks**2, self.shocks**2, shape))
        if self.shape == "lognormal":
            spread = math.log1p(self.shocks**2)
            return np.asarray(rng.lognormal(-spread / 2, math.sqrt(spread), shape))
        high = self.shocks * math.sqrt((1 - OFTEN) / OFTEN)
        return np.asarray(np.where(rng.random(shape) < OFTEN, 1 + high, 1 - high * OFTEN / (1 - OFTEN)))

    def _seasons(self, events: Floats, amounts: Floats, weeks: int) -> Floats:
        """Return the factors that each history's own evaluation leaves possible, (histories, looks)."""
        middles = pd.DatetimeIndex(SINCE + WEEK * (np.arange(weeks + self.looks) + 0.5))
        counted, after = middles[: events.shape[1]], middles[weeks:]
        factors = [
            season_factors(
                after, ReferencePeriod(SINCE, SINCE + WEEK * weeks, counted, own, exposed), self.declared_season
            )
            for own, exposed in zip(events, amounts, strict=True)
        ]
        return np.array(factors)


@dataclass(frozen=True)
class Decisions:
    """At which looks each test had decided, (histories, looks)."""

    since: Flags
    recent: Flags

    @property
    def false_share(self) -> float:
        """The share of histories in which any test ever decided."""
        return float((self.since | self.recent).any(axis=1).mean())

    def delays(self, healthy: int) -> Floats:
        """Return the looks from a change to the decision, if any, of the histories without a decision before."""
        either = self.since | self.recent
        after = either[~either[:, :healthy].any(axis=1), healthy:]
        return np.where(after.any(axis=1), after.argmax(axis=1) + 1.0, np.inf)


def budget_of(looks: int, budget: Budget) -> float:
    """Return the probability that the tests of one rate may spend on false decisions within so many looks."""
    part = budget.part(HALF)
    return part.alpha + looks / part.mean_time_between_false


def decide(histories: CountedRate, budget: Budget) -> Decisions:
    """Test histories of one rate with half of a budget."""
    part = budget.part(HALF)
    thresholds = log_thresholds(part.alpha, part.mean_time_between_false)
    parts = [_some(histories, slice(first, first + AT_ONCE)) for first in range(0, len(histories.events), AT_ONCE)]
    values = [log_evidence(rate, budget.dependence, thresholds[RECENT]) for rate in parts]
    over = {test: np.concatenate([own[test] for own in values]) >= level for test, level in thresholds.items()}
    return Decisions(over[SINCE_PROMOTION], over[RECENT])


def _some(rate: CountedRate, rows: slice) -> CountedRate:
    before = rate.reference
    return replace(
        rate,
        events=rate.events[rows],
        amounts=rate.amounts[rows],
        reference=ReferenceCounts(before.events[rows], before.amounts[rows], before.rate[rows]),
    )
