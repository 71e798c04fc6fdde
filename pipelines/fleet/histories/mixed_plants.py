"""Histories of two plants that differ: their parts in what is monitored shift, and neither becomes worse by itself.

Each history draws its own evaluation, plant by plant, whose counts make its promise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from models.monitoring.budget import NO_STRATA, Budget
from models.monitoring.drift import FN, FP, ReferenceRates
from models.monitoring.look_strata import LookMix
from models.monitoring.tested_rates import tested_rates
from models.outcomes.error_rates import occurrence, share
from models.promises.reference_rates import StratumRate
from models.sequential_tests.rate_tests import RECENT, LookCounts, log_evidence, log_thresholds
from pipelines.fleet.plant.arrays import Flags, Floats

PLANTS = ("north", "south")
BY = "plant"
_NOTHING = occurrence(0, 0.0)


@dataclass(frozen=True)
class MixedPlants:
    """Two plants: what was evaluated of each, how often each errs, and their parts in a look."""

    evaluated: tuple[int, int]  # failures, or asset-months
    per_look: int
    part: float = 0.8  # of the second plant in each look
    shifts_at: int = 0  # the look from which on that is its part; before, it is half
    rates: tuple[float, float] = (0.1, 0.4)  # share missed, or false alarms an asset-month
    false_alarms: bool = False
    looks: int = 52
    worse_from: int | None = None  # the look from which on the second plant errs more often
    worse_rate: float = 0.7
    varies: int | None = None  # the seed by which each failure of a look is of one of the plants; None for exact parts

    @property
    def amounts(self) -> Floats:
        """Return the failures, or asset-months, of each plant in each look, (plants, looks)."""
        parts = np.where(np.arange(self.looks) < self.shifts_at, 0.5, self.part)
        second = np.round(parts * self.per_look)
        if self.varies is not None:
            second = np.random.default_rng(self.varies).binomial(self.per_look, parts)
        return np.array([self.per_look - second, second], dtype=np.float64)

    @property
    def mixes(self) -> list[LookMix]:
        """Return the same as the tests take it."""
        looks = ({name: amount for name, amount in zip(PLANTS, own, strict=True) if amount} for own in self.amounts.T)
        return [LookMix({}, mix) if self.false_alarms else LookMix(mix, {}) for mix in looks]


def decisions(plants: MixedPlants, budget: Budget, histories: int, *, seed: int) -> Flags:
    """Return at which looks a test of the one rate had its threshold passed, (histories, looks)."""
    rng = np.random.default_rng(seed)
    evaluated = np.column_stack(
        [
            _draw(plants, np.full(histories, amount), rate, rng)
            for amount, rate in zip(plants.evaluated, plants.rates, strict=True)
        ]
    )
    events = _looks(plants, histories, rng)
    # What is not divided needs the sum alone; histories with the same promise are tested at once.
    promised = evaluated if budget.strata != NO_STRATA else evaluated.sum(axis=1, keepdims=True)
    over = np.zeros(events.shape, dtype=bool)
    for own in np.unique(promised, axis=0):
        rows = (promised == own).all(axis=1)
        over[rows] = _test(plants, _promise(plants, evaluated[rows][0]), events[rows], budget)
    return over


def delays(over: Flags, healthy: int) -> Floats:
    """Return the looks from a change to the decision, if any, of the histories without a decision before."""
    after = over[~over[:, :healthy].any(axis=1), healthy:]
    return np.where(after.any(axis=1), after.argmax(axis=1) + 1.0, np.inf)


def _looks(plants: MixedPlants, histories: int, rng: np.random.Generator) -> Floats:
    total = np.zeros((histories, plants.looks))
    for number, (amount, rate) in enumerate(zip(plants.amounts, plants.rates, strict=True)):
        rates = np.full(total.shape, rate)
        if number and plants.worse_from is not None:
            rates[:, plants.worse_from :] = plants.worse_rate
        total += _draw(plants, np.broadcast_to(amount, total.shape), rates, rng)
    return total


def _draw(plants: MixedPlants, amounts: Floats, rates: Floats | float, rng: np.random.Generator) -> Floats:
    drawn = rng.poisson(amounts * rates) if plants.false_alarms else rng.binomial(amounts.astype(int), rates)
    return np.asarray(drawn, dtype=np.float64)


def _promise(plants: MixedPlants, events: Floats) -> ReferenceRates:
    counts: Mapping[str, tuple[float, int]] = dict(zip(PLANTS, zip(events, plants.evaluated, strict=True), strict=True))
    strata = tuple(StratumRate(BY, name, float(errors), float(amount)) for name, (errors, amount) in counts.items())
    total, of = int(events.sum()), sum(plants.evaluated)
    if plants.false_alarms:
        return ReferenceRates(share(0, 0), occurrence(total, float(of)), false_strata=strata)
    return ReferenceRates(share(total, of), _NOTHING, missed_strata=strata)


def _test(plants: MixedPlants, promise: ReferenceRates, events: Floats, budget: Budget) -> Flags:
    amounts, none = np.full(events.shape, float(plants.per_look)), np.zeros(events.shape)
    counts = LookCounts(none, none, events, amounts) if plants.false_alarms else LookCounts(events, amounts, none, none)
    begin = pd.Timestamp(0, tz="UTC")
    happened = pd.DatetimeIndex([begin + number * budget.every for number in range(plants.looks)])
    rate = tested_rates(counts, happened, promise, budget, plants.mixes)[FP if plants.false_alarms else FN]
    thresholds = log_thresholds(rate.budget.alpha, rate.budget.mean_time_between_false)
    over = np.zeros(events.shape, dtype=bool)
    for test, values in log_evidence(rate.counted, budget.dependence, thresholds[RECENT]).items():
        over |= values >= thresholds[test]
    return over


def divided(budget: Budget) -> Budget:
    """Return the budget with promises divided by plant."""
    return replace(budget, strata=BY)
