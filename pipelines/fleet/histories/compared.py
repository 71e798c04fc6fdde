"""Comparisons of two models whose errors are drawn: equal ones, comparison after comparison, or one that is better.

Some assets fail more often than others, and some are hard for every model. Given that, models err independently. An
equal challenger is drawn anew for each comparison; periods overlap, so that neighbouring comparisons share the
champion's errors.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from models.experiment.plans import CostPlan
from models.retraining.alpha_spending import accrue, first_wealth, spend
from models.retraining.comparison_plan import plan_comparison
from models.retraining.comparison_power import ExpectedErrors
from models.retraining.paired_costs import COUNTS, draw_assets, extra_cost
from models.retraining.promotion_rules import PromotionRules, misses_not_inferior
from models.retraining.sign_flips import sign_flips

DAY = pd.Timedelta(days=1)
COSTS = CostPlan(missed_failure=4.0, false_alarm=1.0)
START = pd.Timestamp("2026-01-01", tz="UTC")
_SHAPE = 2.0  # of the gamma distribution of the assets' failure rates
_CERTAINTY = 6.0  # of the beta distribution of the assets' shares of misses
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ComparedPlant:
    """What the plant is like."""

    assets: int = 100
    events: float = 30.0  # in a period
    missed: float = 0.2  # share of the events that a model misses
    false_per_event: float = 0.5  # false alarm episodes of a model
    period: pd.Timedelta = 21 * DAY  # that models are compared on
    every: pd.Timedelta = 14 * DAY  # the time between comparisons
    costs: CostPlan = COSTS

    @property
    def expected(self) -> ExpectedErrors:
        """Return what the power of a comparison is computed from."""
        return ExpectedErrors(self.missed, self.false_per_event, self.costs)


@dataclass(frozen=True)
class PromotionCounts:
    """What became of equal challengers."""

    years: float
    promoted: int
    compared: int
    postponed: int
    spent: float  # alpha of all comparisons

    @property
    def a_year(self) -> float:
        """Return how often in a year the champion was replaced by its equal."""
        return self.promoted / self.years

    def __add__(self, other: "PromotionCounts") -> "PromotionCounts":
        """Count both together."""
        return PromotionCounts(
            self.years + other.years,
            self.promoted + other.promoted,
            self.compared + other.compared,
            self.postponed + other.postponed,
            self.spent + other.spent,
        )


def compare_equals(
    plant: ComparedPlant,
    rules: PromotionRules,
    years: int,
    rng: np.random.Generator,
    *,
    answers_drift: Callable[[int], bool] = lambda _: False,
) -> PromotionCounts:
    """Compare the champion with its equal again and again, by the rules, and count how often it is replaced.

    Each history is a year; `answers_drift` says of the comparison of a number whether it answers a drift.
    """
    histories = (_compare_for_a_year(plant, rules, rng, answers_drift) for _ in range(years))
    return sum(histories, PromotionCounts(0, 0, 0, 0, 0.0))


def _compare_for_a_year(
    plant: ComparedPlant, rules: PromotionRules, rng: np.random.Generator, answers_drift: Callable[[int], bool]
) -> PromotionCounts:
    stream = _Stream.draw(plant, 365.0, rng)
    champion, wealth = stream.draw_model(plant, rng), first_wealth(START, rules)
    promoted = compared = postponed = 0
    spent = 0.0
    for number in range(1, int(365 * DAY / plant.every) + 1):
        now = number * (plant.every / DAY)
        urgent = answers_drift(number)
        wealth = accrue(wealth, START + now * DAY, rules)
        since = now - plant.period / DAY
        events = int(((stream.days > since) & (stream.days <= now)).sum())
        plan = plan_comparison(events, wealth, rules, plant.expected, urgent=urgent)
        if not plan.made:
            postponed += 1
            continue
        compared += 1
        challenger = stream.draw_model(plant, rng)
        errors = stream.errors(champion, challenger, since, now)
        won, size = _challenger_wins(errors, plant.costs, rules, plan.alpha)
        wealth, spent = spend(wealth, size, urgent=urgent), spent + size
        if won:
            promoted, champion = promoted + 1, challenger
    return PromotionCounts(1, promoted, compared, postponed, spent)


def simulated_power(
    plant: ComparedPlant, better: float, rules: PromotionRules, alpha: float, comparisons: int, rng: np.random.Generator
) -> float:
    """Return the share of comparisons, each on exactly so many events, that a challenger that misses less wins."""
    drawn = (draw_errors(plant, better, rng) for _ in range(comparisons))
    return sum(_challenger_wins(errors, plant.costs, rules, alpha)[0] for errors in drawn) / comparisons


def draw_errors(plant: ComparedPlant, missed: float, rng: np.random.Generator) -> pd.DataFrame:
    """Draw the errors of both models on one period, where the challenger misses such a share of the events."""
    stream = _Stream.draw(plant, plant.period / DAY, rng, exactly=round(plant.events))
    champion, challenger = stream.draw_model(plant, rng), stream.draw_model(plant, rng, missed=missed)
    return stream.errors(champion, challenger, -1.0, plant.period / DAY)


def _challenger_wins(errors: pd.DataFrame, costs: CostPlan, rules: PromotionRules, alpha: float) -> tuple[bool, float]:
    """Return whether the challenger passes the checks of cost and misses, and the alpha that was spent."""
    test = sign_flips(extra_cost(errors, costs), alpha=alpha, draws=rules.draws, seed=rules.seed)
    if not test.rejects(alpha):
        return False, test.size
    drawn = draw_assets(errors, draws=rules.draws, seed=rules.seed)
    return misses_not_inferior(errors, drawn, rules).passed is not False, test.size


@dataclass(frozen=True)
class _Model:
    """The errors of one model."""

    missed: "npt.NDArray[np.bool_]"  # of each event
    false_days: "npt.NDArray[np.float64]"
    false_assets: Numbers


@dataclass(frozen=True)
class _Stream:
    """The events of a plant."""

    assets: int
    length: float  # days
    days: "npt.NDArray[np.float64]"
    asset: Numbers
    hardness: "npt.NDArray[np.float64]"  # of each asset, its quantile

    @classmethod
    def draw(
        cls, plant: ComparedPlant, length: float, rng: np.random.Generator, *, exactly: int | None = None
    ) -> "_Stream":
        rates = rng.gamma(_SHAPE, size=plant.assets)
        count = rng.poisson(plant.events * length / (plant.period / DAY)) if exactly is None else exactly
        return cls(
            plant.assets,
            length,
            rng.uniform(0, length, count),
            rng.choice(plant.assets, count, p=rates / rates.sum()),
            rng.uniform(size=plant.assets),
        )

    def draw_model(self, plant: ComparedPlant, rng: np.random.Generator, missed: float | None = None) -> _Model:
        mean = plant.missed if missed is None else missed
        shares = stats.beta.ppf(self.hardness, _CERTAINTY * mean, _CERTAINTY * (1 - mean))
        false = rng.poisson(plant.false_per_event * plant.events * self.length / (plant.period / DAY))
        return _Model(
            rng.random(len(self.days)) < shares[self.asset],
            rng.uniform(0, self.length, false),
            rng.integers(0, self.assets, false),
        )

    def errors(self, champion: _Model, challenger: _Model, since: float, until: float) -> pd.DataFrame:
        inside = (self.days > since) & (self.days <= until)
        counts = {"events": self._count(self.asset[inside])}
        for name, model in (("champion", champion), ("challenger", challenger)):
            false = (model.false_days > since) & (model.false_days <= until)
            counts[f"{name}_missed"] = self._count(self.asset[inside & model.missed])
            counts[f"{name}_false"] = self._count(model.false_assets[false])
        counts |= {"expected": counts["events"], "observed": counts["events"]}
        return pd.DataFrame({name: counts[name].astype(np.float64) for name in COUNTS})

    def _count(self, assets: Numbers) -> Numbers:
        return np.bincount(assets, minlength=self.assets)
