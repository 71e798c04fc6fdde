"""Probation: what a new champion is held to, for how long, and how often a good one is rejected."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from models.monitoring.drift import Budget, ReferenceRates
from models.monitoring.looks import Look
from models.monitoring.probation import KEEP, ROLL_BACK, WAIT, Probation, ProbationRules, assess_probation
from models.outcomes.error_rates import occurrence, share
from models.outcomes.weekly_counts import WeekCounts

START = pd.Timestamp("2026-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)
# Measured on so many events that its upper end is the rate itself.
PROMISE = ReferenceRates(share(200_000, 1_000_000), occurrence(300_000, 1_000_000.0))
NOTHING = ReferenceRates.of(None, "the evaluation of version 1")


def _look(day: float, missed: int = 1, failures: int = 6, false: int = 4, months: float = 14.0) -> Look:
    return Look(START + day * DAY, missed, failures, false, months)


def _assess(*looks: Look, **options: Any) -> Probation:
    return assess_probation(looks, promoted_at=START, **{"promise": PROMISE, **options})


def test_a_kept_promise_waits_and_then_is_kept() -> None:
    """It waits until all of the span has matured; then the champion is kept."""
    weeks = [_look(7 * n) for n in range(1, 6)]
    assert [_assess(*weeks[:n]).suggestion for n in range(5)] == [WAIT, WAIT, WAIT, WAIT, KEEP]
    late = [_assess(*weeks[:n], maturity=2 * DAY) for n in range(6)]
    assert [status.suggestion for status in late] == 5 * [WAIT] + [KEEP]
    assert late[0].ends == START + 30 * DAY
    assert late[-1].reasons[0].startswith("5 of 30 failures were missed")


@pytest.mark.parametrize("look", [_look(7, missed=10, failures=10), _look(7, false=20)])
def test_misses_or_false_alarms_suggest_a_rollback(look: Look) -> None:
    """Either rate, clearly worse than the replaced champion promised, suggests a rollback at once, and for good."""
    assert _assess(look).suggestion == ROLL_BACK
    assert _assess(look, *[_look(7 * n, 0, 6, 0) for n in range(2, 5)]).suggestion == ROLL_BACK


@given(st.integers(0, 6), st.integers(0, 40))
def test_only_the_span_counts(missed: int, false: int) -> None:
    """What matures after the end changes no evidence."""
    alone, beside = _assess(_look(28)), _assess(_look(28), _look(35, missed, 6, false))
    assert alone == beside
    assert alone.suggestion == KEEP


def test_a_good_champion_is_seldom_rejected() -> None:
    """Over 400 probations with the promise kept exactly, rollbacks are suggested in no more than alpha of them."""
    rng = np.random.default_rng(4)
    rejected = 0
    for _ in range(400):
        weeks = [_look(7 * n, int(rng.binomial(6, 0.2)), 6, int(rng.poisson(0.3 * 14))) for n in range(1, 5)]
        rejected += _assess(*weeks).suggestion == ROLL_BACK
    assert rejected / 400 < 0.2


def test_a_bad_champion_is_detected_within_the_span() -> None:
    """A champion that misses half where a fifth was promised is rejected in most probations of 24 failures.

    The promise was counted by week: without that the failures of a look might have one cause, and fewer are rejected.
    """
    rng = np.random.default_rng(4)
    weeks = tuple(
        WeekCounts(START + (n - 52) * 7 * DAY, int(missed), 6, 4, 14.0)
        for n, missed in enumerate(rng.binomial(6, 0.2, 52))
    )
    probations = [[_look(7 * n, int(rng.binomial(6, 0.5))) for n in range(1, 5)] for _ in range(100)]
    by_week, at_once, independent = (
        sum(_assess(*looks, promise=promise, monitoring=budget).suggestion == ROLL_BACK for looks in probations)
        for promise, budget in (
            (replace(PROMISE, weeks=weeks), Budget()),
            (PROMISE, Budget()),
            (PROMISE, Budget(dependence="independent")),
        )
    )
    assert independent >= by_week > at_once > 50
    assert by_week > 70


def test_what_monitoring_declares_holds_on_probation() -> None:
    """The mode, and how far events may be correlated or vary, are those of later monitoring."""
    declared = Budget(correlation=0.25, variation=0.8)
    evidence = _assess(_look(7), monitoring=declared).evidence
    assert [each.scatter for each in evidence] == [0.25, 0.8]
    assert _assess(_look(7), monitoring=Budget(dependence="any")).evidence[0].dependence == "any"


def test_without_a_promise_there_is_no_test() -> None:
    """Without a promise there is no test, and a promise of no miss at all can still be tested."""
    nothing = _assess(_look(28, missed=6, false=40), promise=NOTHING)
    assert (nothing.suggestion, nothing.evidence) == (KEEP, ())
    assert "nothing was promised" in nothing.reasons[0]
    perfect = ReferenceRates(share(0, 100), occurrence(0, 100.0))
    assert _assess(_look(7, missed=5), promise=perfect).suggestion == ROLL_BACK


def test_the_tests_are_stricter_than_later_ones() -> None:
    """The threshold follows from half of alpha, and what harms from the declared increases."""
    misses, false = _assess(_look(7)).evidence
    assert misses.threshold == pytest.approx(-math.log(0.1))
    assert misses.harmful - misses.promised == pytest.approx(0.1)
    assert false.harmful / false.promised == pytest.approx(1.5)


def test_outcomes_count_once() -> None:
    """Looks that are not in order of time are refused, as are rules that make no sense."""
    for looks in ((_look(7), _look(7)), (_look(0),)):
        with pytest.raises(UsageError, match="order of time"):
            _assess(*looks)
    for wrong in ({"alpha": 0.0}, {"false_fold": 1.0}, {"missed_increase": 1.0}, {"span": -DAY}):
        with pytest.raises(UsageError):
            ProbationRules(**wrong)  # type: ignore[arg-type]
