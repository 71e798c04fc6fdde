"""What a comparison could show, and whether it is made, before a challenger is trained."""

import math
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.experiment.plans import CostPlan
from models.outcomes.error_rates import ErrorRates, occurrence, share
from models.retraining.alpha_spending import AlphaWealth, accrue, first_wealth
from models.retraining.comparison_plan import ComparisonPlan, plan_comparison
from models.retraining.comparison_power import ExpectedErrors, alpha_needed, events_needed, power
from models.retraining.promotion_rules import PromotionRules

START = pd.Timestamp("2026-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)
COSTS = CostPlan(missed_failure=4.0, false_alarm=1.0)
EXPECTED = ExpectedErrors(0.2, 0.5, COSTS)
RULES = PromotionRules()

expected_errors = st.builds(
    ExpectedErrors, st.floats(0, 1), st.floats(0, 3), st.builds(CostPlan, st.floats(1, 10), st.floats(0.1, 10))
)


@given(st.integers(1, 2000), st.floats(0.001, 0.4), st.floats(0.05, 0.5), expected_errors)
def test_more_events_and_more_alpha_are_more_power(
    events: int, alpha: float, difference: float, expected: ExpectedErrors
) -> None:
    """Power grows with events and with alpha, and is a probability."""
    one = power(events, alpha, difference, expected)
    assert 0 <= one <= power(2 * events, alpha, difference, expected) + 1e-9 <= 1 + 1e-9
    assert one <= power(events, 1.2 * alpha, difference, expected) + 1e-12


@given(st.floats(0.001, 0.4), st.floats(0.3, 0.95), st.floats(0.05, 0.5), expected_errors)
def test_the_events_needed_have_the_wished_power(
    alpha: float, wished: float, difference: float, expected: ExpectedErrors
) -> None:
    """With so many events the power is as wished, with one less it is not; so it is with the alpha needed."""
    events = events_needed(alpha, wished, difference, expected)
    assert events is not None
    assert power(events, alpha, difference, expected) >= wished - 1e-9
    assert events == 1 or power(events - 1, alpha, difference, expected) < wished
    needed = alpha_needed(events, wished, difference, expected)
    assert needed <= alpha + 1e-9
    assert needed < 1e-9 or power(events, needed, difference, expected) == pytest.approx(wished)


def test_expected_errors_are_those_of_the_evaluation() -> None:
    """Misses and false alarms for each event come from the evaluation; without events half are taken to be missed."""
    rates = ErrorRates(
        START, START, share(6, 30), occurrence(15, 60.0), share(0, 0), share(0, 0), 24, 0, 0, 0, 0.9, share(0, 0)
    )
    assert ExpectedErrors.of(rates, COSTS) == EXPECTED
    assert ExpectedErrors.of(replace(rates, missed=share(0, 0)), COSTS).missed == 0.5
    assert ExpectedErrors.of(None, COSTS).missed == 0.5


def _plan(events: int, days: float, *, urgent: bool = False, rules: PromotionRules = RULES) -> ComparisonPlan:
    """Plan a comparison so many days after the first champion's training data ended."""
    wealth = accrue(first_wealth(START, rules), START + days * DAY, rules)
    return plan_comparison(events, wealth, rules, EXPECTED, urgent=urgent)


def test_a_comparison_with_enough_power_is_made() -> None:
    """A plant with many events compares every fortnight, and nothing is said of what is missing."""
    plan = _plan(150, 14)
    assert plan.made
    assert plan.power > 0.8
    assert plan.alpha == pytest.approx(14 / 365)
    assert "not 80% as wished" not in plan.check.sentence


def test_a_comparison_that_would_show_little_waits() -> None:
    """It is postponed until it is worthwhile, and then made, with its power and the events that are missing."""
    plan = _plan(12, 14)
    assert not plan.made
    assert plan.wait_until is not None
    assert plan.check.figures["postponed_until"] == plan.wait_until.isoformat()
    assert f"That grows until {plan.wait_until:%Y-%m-%d}" in plan.check.sentence
    later = _plan(12, (plan.wait_until - START) / DAY)
    assert later.made
    assert later.power == pytest.approx(0.2, abs=0.001)
    assert later.events_needed is not None
    assert later.check.passed
    assert "not 80% as wished" in later.check.sentence
    assert f"That takes {later.events_needed} events: a longer retrain.holdout has more." in later.check.sentence


def test_once_waiting_adds_nothing_it_is_made() -> None:
    """With the largest alpha a comparison is made whatever its power: a small plant has no better one."""
    plan = _plan(5, 400)
    assert plan.made
    assert plan.power < 0.2
    assert plan.alpha == pytest.approx(0.1)


def test_an_answer_to_a_drift_does_not_wait() -> None:
    """While the champion does harm it is compared at once, with what the reserve holds."""
    plan = _plan(8, 1, urgent=True)
    assert plan.made
    assert plan.alpha == pytest.approx(0.1)
    assert not _plan(8, 1).made


@pytest.mark.parametrize("urgent", [False, True])
def test_a_handful_of_events_is_not_compared_on(urgent: bool) -> None:
    """A model that never alerts is the cheapest where nothing happens."""
    plan = _plan(4, 400, urgent=urgent)
    assert (plan.made, plan.wait_until) == (False, None)
    assert plan.check.sentence == "4 events in the period: fewer than 5, too few to replace a champion."


def test_a_number_of_events_that_is_set_decides_alone() -> None:
    """A workspace that sets min_events compares as soon as there are so many; alpha is limited all the same."""
    rules = PromotionRules(min_events=12)
    assert _plan(12, 1, rules=rules).made
    assert not _plan(11, 400, rules=rules).made
    assert math.isclose(_plan(12, 1, rules=rules).alpha, 1 / 365)


def test_nothing_to_spend_has_no_power() -> None:
    """Without alpha nothing can be found."""
    plan = plan_comparison(100, AlphaWealth(START), RULES, EXPECTED, urgent=False)
    assert (plan.made, plan.power, plan.events_needed) == (False, 0.0, None)
