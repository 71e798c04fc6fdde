"""How often a champion is replaced by its equal, and how surely by a better one, over many simulated years."""

import math
from dataclasses import replace

import numpy as np
import pytest

from models.retraining.comparison_power import power
from models.retraining.promotion_rules import PromotionRules
from pipelines.fleet.histories.compared import ComparedPlant, compare_equals, simulated_power

pytestmark = pytest.mark.verify

RULES = PromotionRules(draws=400)
YEARS = 120


@pytest.mark.parametrize("events", [15, 60])
def test_an_equal_replaces_the_champion_once_a_year_at_most(events: int) -> None:
    """Over more than a hundred years of fortnightly comparisons it is once a year, and three standard errors."""
    counts = compare_equals(ComparedPlant(events=events), RULES, YEARS, np.random.default_rng(71))
    assert counts.a_year <= RULES.false_per_year + 3 * math.sqrt(RULES.false_per_year / YEARS)
    # What was spent is what happened, and it is not more than had accrued.
    assert counts.promoted == pytest.approx(counts.spent, abs=3 * math.sqrt(counts.spent) + 1)
    assert counts.spent <= YEARS * RULES.false_per_year
    assert counts.promoted > 0.4 * YEARS


def test_answers_to_drift_count_too() -> None:
    """Where every third comparison answers a drift, all together keep the rate and, once a history, the reserve."""
    rules = replace(RULES, min_events=5, false_per_year=0.5)
    counts = compare_equals(
        ComparedPlant(events=30), rules, YEARS, np.random.default_rng(72), answers_drift=lambda number: not number % 3
    )
    assert counts.postponed < 0.01 * counts.compared
    allowed = 0.5 + rules.largest_alpha
    assert counts.spent <= allowed * YEARS
    assert counts.a_year <= allowed + 3 * math.sqrt(allowed / YEARS)


@pytest.mark.parametrize(("events", "alpha"), [(15, 0.1), (30, 0.0385), (60, 0.1)])
def test_the_power_is_as_stated(events: int, alpha: float) -> None:
    """The power that is stated beforehand is that of simulated comparisons."""
    plant = ComparedPlant(events=events)
    found = simulated_power(plant, 0.05, RULES, alpha, 400, np.random.default_rng(73))
    assert found == pytest.approx(power(events, alpha, 0.15, plant.expected), abs=0.08)
