"""Drift tests: looks against the promised rates."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.monitoring.drift import Budget, ReferenceRates, evidence_of, false_hypotheses, missed_hypotheses
from models.monitoring.looks import Look
from models.outcomes.error_rates import occurrence, share

START = pd.Timestamp("2026-01-01", tz="UTC")
WEEK = pd.Timedelta(days=7)
PROMISE = ReferenceRates(share(20, 100), occurrence(100, 100.0))


def _looks(missed: list[int], failures: int = 6, false: int = 20, exposure: float = 20.0) -> list[Look]:
    return [Look(START + (i + 1) * WEEK, n, failures, false, exposure) for i, n in enumerate(missed)]


def _rejected(looks: list[Look], promise: ReferenceRates = PROMISE, budget: Budget = Budget()) -> set[tuple[str, str]]:  # noqa: B008
    return {(each.rate, each.test) for each in evidence_of(looks, promise, budget) if each.rejected}


def test_a_kept_promise_is_not_rejected() -> None:
    """Rates as promised are not rejected over years of looks."""
    rng = np.random.default_rng(1)
    looks = _looks(list(map(int, rng.binomial(6, 0.2, 150))))
    assert not _rejected(looks)


@pytest.mark.parametrize(("healthy", "test"), [(0, "since promotion"), (60, "recent")])
def test_misses_beyond_the_promise_are_detected(healthy: int, test: str) -> None:
    """Four of six failures missed are detected within weeks: from the promotion on, and after a year of health."""
    looks = _looks([1] * healthy + [4] * 8)
    assert ("fn", test) in _rejected(looks)


def test_false_alarms_beyond_the_promise_are_detected() -> None:
    """Three times the promised false alarms are detected as such, and not as misses."""
    rejected = _rejected(_looks([1] * 10, false=60))
    assert {rate for rate, _ in rejected} == {"fp"}


def test_a_lucky_evaluation_is_not_held_against_a_model() -> None:
    """The null is the upper end of the evaluation's interval: the fewer failures it saw, the higher."""
    few, many = (
        missed_hypotheses(ReferenceRates(share(n // 5, n), occurrence(1, 1.0)), Budget())[0] for n in (10, 1000)
    )
    assert few > many > 0.2
    assert false_hypotheses(PROMISE, Budget())[0] > 1.0


def test_nothing_promised_is_not_tested() -> None:
    """An evaluation without failures, or without any time watched, promises nothing that could be broken."""
    nothing = ReferenceRates.of(None, "an import")
    assert evidence_of(_looks([6] * 20), nothing, Budget()) == ()


def test_the_budget_is_shared() -> None:
    """What is spent on misses cannot be spent on false alarms: both thresholds rise with a smaller part."""
    looks = _looks([1] * 5)
    small, large = (evidence_of(looks, PROMISE, replace(Budget(), missed_share=part)) for part in (0.1, 0.9))
    assert all(one.threshold > other.threshold for one, other in zip(small[:2], large[:2], strict=True))
    assert all(one.threshold < other.threshold for one, other in zip(small[2:], large[2:], strict=True))


def test_the_first_rejection_is_kept() -> None:
    """The look that rejected first stays recorded, however the evidence goes on."""
    looks = _looks([5] * 6 + [0] * 20)
    first = next(each for each in evidence_of(looks, PROMISE, Budget()) if each.test == "since promotion")
    assert first.rejected_at is not None
    assert first.rejected_at <= START + 6 * WEEK
    assert len(first.log_e_values) == 26
