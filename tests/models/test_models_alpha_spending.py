"""Alpha accrues with time and comparisons spend it: never more than has accrued, whatever is compared when."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.retraining.alpha_spending import (
    AlphaWealth,
    accrue,
    first_wealth,
    recorded_wealth,
    spend,
    time_until,
)
from models.retraining.promotion_rules import PromotionRules

START = pd.Timestamp("2026-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)
Comparison = tuple[int, float, bool]

comparisons = st.lists(st.tuples(st.integers(0, 90), st.floats(0, 1), st.booleans()), max_size=40)
rates = st.floats(0.01, 50)


@given(comparisons, rates)
def test_no_more_is_spent_than_has_accrued(past: list[Comparison], rate: float) -> None:
    """Whatever is compared when, all that was spent is at most what had accrued, and the first reserve."""
    rules, spent, now = PromotionRules(false_per_year=rate), 0.0, START
    wealth = first_wealth(START, rules)
    for waited, part, urgent in past:
        now += waited * DAY
        wealth = accrue(wealth, now, rules)
        amount = part * wealth.available(urgent=urgent, largest=rules.largest_alpha)
        assert 0 <= amount <= rules.largest_alpha
        wealth, spent = spend(wealth, amount, urgent=urgent), spent + amount
        assert 0 <= wealth.routine <= rules.largest_alpha + 1e-12
        assert 0 <= wealth.reserve <= rules.largest_alpha + 1e-12
        accrued = rate * ((now - START) / pd.Timedelta(days=365))
        assert spent <= accrued + rules.largest_alpha + 1e-9


@given(comparisons)
def test_routine_comparisons_leave_the_reserve(past: list[Comparison]) -> None:
    """However often is compared, one that answers a drift has the largest alpha, until one has."""
    rules, now = PromotionRules(), START
    wealth = first_wealth(START, rules)
    for waited, part, _ in past:
        now += waited * DAY
        wealth = accrue(wealth, now, rules)
        assert wealth.available(urgent=True, largest=rules.largest_alpha) == pytest.approx(rules.largest_alpha)
        amount = part * wealth.available(urgent=False, largest=rules.largest_alpha)
        wealth = spend(wealth, amount, urgent=False)


@given(st.floats(0, 0.1), st.floats(0, 0.1), st.integers(0, 200), st.integers(0, 200), rates)
def test_accruing_in_steps_is_accruing_at_once(
    routine: float, reserve: float, first: int, second: int, rate: float
) -> None:
    """The wealth does not depend on how often it was asked for."""
    rules, wealth = PromotionRules(false_per_year=rate), AlphaWealth(START, routine, reserve)
    at_once = accrue(wealth, START + (first + second) * DAY, rules)
    in_steps = accrue(accrue(wealth, START + first * DAY, rules), START + (first + second) * DAY, rules)
    assert in_steps.routine == pytest.approx(at_once.routine)
    assert in_steps.reserve == pytest.approx(at_once.reserve)
    assert recorded_wealth(at_once.to_dict()) == at_once


@given(st.floats(0, 0.1), st.floats(0, 0.1), st.floats(0.001, 0.1), rates)
def test_a_wait_ends_when_enough_has_accrued(routine: float, reserve: float, alpha: float, rate: float) -> None:
    """At the time that is named the alpha is there, and half way to it is not."""
    rules, wealth = PromotionRules(confidence=0.89, false_per_year=rate), AlphaWealth(START, routine, reserve)
    until = time_until(wealth, alpha, rules)
    assert until is not None
    assert accrue(wealth, until, rules).routine >= alpha - 1e-9
    half = START + (until - START) / 2
    assert until - START < pd.Timedelta(seconds=2) or accrue(wealth, half, rules).routine < alpha


def test_more_than_the_largest_alpha_never_accrues() -> None:
    """There is no time at which a comparison could spend more than the largest."""
    assert time_until(AlphaWealth(START), 0.2, PromotionRules()) is None


def test_what_answers_a_drift_is_paid_from_the_reserve_first() -> None:
    """Only what the reserve lacks is taken from routine comparisons."""
    wealth = AlphaWealth(START, routine=0.05, reserve=0.03)
    assert spend(wealth, 0.02, urgent=True) == AlphaWealth(START, 0.05, pytest.approx(0.01))
    left = spend(wealth, 0.07, urgent=True)
    assert (left.routine, left.reserve) == (pytest.approx(0.01), 0.0)
    assert spend(wealth, 0.02, urgent=False) == AlphaWealth(START, pytest.approx(0.03), 0.03)
