"""Probation: what a new champion is held to, for how long, and how often a good one is suspected."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from models.probation import KEEP, ROLL_BACK, WAIT, Look, Probation, ProbationRules, Promise, probation

START = pd.Timestamp("2026-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)
PROMISE = Promise(missed=0.2, false_episodes=0.3)


def _look(first: float, last: float, missed: int = 1, failures: int = 6, false: int = 4, months: float = 14.0) -> Look:
    return Look(START + first * DAY, START + last * DAY, missed, failures, false, months)


def _judge(*looks: Look, **options: Any) -> Probation:
    return probation(looks, promoted_at=START, **{"promise": PROMISE, **options})


def test_a_kept_promise_waits_and_then_is_kept() -> None:
    """Nothing is said before the span is over; then the champion is kept."""
    weeks = [_look(7 * n, 7 * (n + 1)) for n in range(4)]
    assert [_judge(*weeks[:n]).suggestion for n in range(5)] == [WAIT, WAIT, WAIT, WAIT, KEEP]
    found = _judge(*weeks)
    assert found.ends == START + 28 * DAY
    assert found.reasons[0].startswith("4 of 24 failures were missed, promised 20%")


@pytest.mark.parametrize("look", [_look(0, 7, missed=6), _look(0, 7, false=20)])
def test_misses_or_false_alarms_suggest_a_rollback(look: Look) -> None:
    """Either rate, clearly worse than the replaced champion promised, suggests a rollback at once, and for good."""
    assert _judge(look).suggestion == ROLL_BACK
    assert _judge(look, *[_look(7 * n, 7 * (n + 1), 0, 6, 0) for n in range(1, 4)]).suggestion == ROLL_BACK


@given(st.integers(0, 6), st.integers(0, 40))
def test_only_the_span_counts(missed: int, false: int) -> None:
    """What belongs to the champion before, or comes after the span, changes no evidence."""
    inside = _look(0, 7)
    alone, beside = _judge(inside), _judge(_look(-7, 0, missed, 6, false), inside, _look(21, 29, missed, 6, false))
    assert (alone.log_e_missed, alone.log_e_false) == (beside.log_e_missed, beside.log_e_false)
    assert (alone.suggestion, beside.suggestion) == (WAIT, KEEP)


def test_a_good_champion_is_seldom_suspected() -> None:
    """Over 400 probations with the promise kept exactly, rollbacks are suggested in no more than alpha of them."""
    rng = np.random.default_rng(4)
    suspected = 0
    for _ in range(400):
        weeks = [
            _look(7 * n, 7 * (n + 1), int(rng.binomial(6, 0.2)), 6, int(rng.poisson(0.3 * 14)), 14.0) for n in range(4)
        ]
        suspected += _judge(*weeks).suggestion == ROLL_BACK
    assert suspected / 400 < 0.2


def test_a_bad_champion_is_found_within_the_span() -> None:
    """A champion that misses half where a fifth was promised is found in most probations of 24 failures."""
    rng = np.random.default_rng(4)
    found = sum(
        _judge(*[_look(7 * n, 7 * (n + 1), int(rng.binomial(6, 0.5))) for n in range(4)]).suggestion == ROLL_BACK
        for _ in range(100)
    )
    assert found > 70


def test_what_was_not_promised_is_not_held_against_anyone() -> None:
    """Without a promise there is no test, and a promise of no miss at all can still be tested."""
    nothing = _judge(_look(0, 28, missed=6, false=40), promise=Promise(math.nan, math.nan))
    assert (nothing.suggestion, nothing.log_e_missed, nothing.log_e_false) == (KEEP, None, None)
    assert "promised nothing" in nothing.reasons[0]
    assert _judge(_look(0, 7, missed=3), promise=Promise(0.0, 0.0)).suggestion == ROLL_BACK
    assert _judge(_look(0, 7, missed=6), promise=Promise(0.95, 0.3)).log_e_missed is None


def test_outcomes_count_once() -> None:
    """Looks that overlap are refused, as are rules that make no sense."""
    with pytest.raises(UsageError, match="overlap"):
        _judge(_look(0, 7), _look(6, 9))
    for wrong in ({"alpha": 0.0}, {"false_fold": 1.0}, {"missed_increase": 1.0}, {"span": -DAY}):
        with pytest.raises(UsageError):
            ProbationRules(**wrong)  # type: ignore[arg-type]
