"""Drift tests: looks against the promised rates."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.monitoring.drift import (
    Budget,
    ReferenceRates,
    evidence_of,
    sentences,
)
from models.monitoring.looks import Look
from models.monitoring.tested_rates import false_hypotheses, missed_hypotheses
from models.outcomes.error_rates import occurrence, share
from models.outcomes.weekly_counts import WeekCounts
from models.sequential_tests.rate_tests import Dependence

START = pd.Timestamp("2026-01-01", tz="UTC")
WEEK = pd.Timedelta(days=7)
PROMISE = ReferenceRates(share(20, 100), occurrence(100, 100.0))


def _looks(missed: list[int], failures: int = 6, false: int = 20, exposure: float = 20.0) -> list[Look]:
    return [Look(START + (i + 1) * WEEK, n, failures, false, exposure) for i, n in enumerate(missed)]


def _rejected(looks: list[Look], promise: ReferenceRates = PROMISE, budget: Budget = Budget()) -> set[tuple[str, str]]:  # noqa: B008
    return {(each.rate, each.test) for each in evidence_of(looks, promise, budget) if each.rejected}


@pytest.mark.ml_test("Model 2")
def test_a_kept_promise_is_not_rejected() -> None:
    """Rates as promised are not rejected over years of looks."""
    rng = np.random.default_rng(1)
    looks = _looks(list(map(int, rng.binomial(6, 0.2, 150))))
    assert not _rejected(looks)


@pytest.mark.parametrize(("healthy", "test"), [(0, "since promotion"), (60, "recent")])
@pytest.mark.ml_test("Model 2")
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


WEEKS = tuple(WeekCounts(START + (i - 26) * WEEK, 4, 20, 20, 20.0) for i in range(26))
EVALUATED = ReferenceRates(share(104, 520), occurrence(520, 520.0), weeks=WEEKS, period=(START - 27 * WEEK, START))


def test_looks_with_a_common_cause_refute_nothing() -> None:
    """Weeks in which most failures are missed at once, and weeks of none: evidence for independent events only."""
    looks, promise = _looks([0, 14, 0, 0, 0, 13, 0, 0, 14, 0] * 3, failures=20), replace(EVALUATED, weeks=())
    assert ("fn", "recent") in _rejected(looks, promise, Budget(dependence="independent"))
    for dependence in ("auto", "any"):
        assert not _rejected(looks, promise, Budget(dependence=dependence))


@pytest.mark.parametrize("dependence", ["auto", "independent", "any"])
def test_every_mode_detects_a_lasting_change(dependence: Dependence) -> None:
    """Misses that double for good are detected in each, soonest where most is assumed."""
    looks = _looks([4] * 20 + [10] * 26, failures=20)
    evidence = evidence_of(looks, EVALUATED, Budget(dependence=dependence))
    assert any(each.rejected for each in evidence if each.rate == "fn")
    assert all(each.dependence == dependence for each in evidence)


def test_weeks_of_the_evaluation_make_evidence_sharper() -> None:
    """Where the evaluation's weeks scatter as independent events do, a change is detected sooner than without them."""
    looks = _looks([4] * 3 + [10] * 20, failures=20)

    def first(promise: ReferenceRates, budget: Budget) -> pd.Timestamp:
        return min(each.rejected_at for each in evidence_of(looks, promise, budget) if each.rejected_at is not None)

    assert first(EVALUATED, Budget()) < first(replace(EVALUATED, weeks=()), Budget())
    fortnights, months = Budget(every=2 * WEEK), Budget(every=pd.Timedelta(days=30))
    assert first(EVALUATED, fortnights) < first(EVALUATED, months), "of months, weeks say nothing"


def test_a_season_may_raise_false_alarms_and_the_reason_says_so() -> None:
    """Half a year after an evaluation of four weeks, half as many again keep it; with no season they do not."""
    short = replace(EVALUATED, period=(START - 4 * WEEK, START), weeks=())
    looks = _looks([4] * 40, failures=20, false=33)[20:]
    evidence = evidence_of(looks, short, Budget(dependence="independent"))
    assert not any(each.rejected for each in evidence)
    assert "in the season of the last look" in sentences(looks, short, evidence)[1]
    assert len(evidence[-1].seasons) == len(looks)
    assert {rate for rate, _ in _rejected(looks, short, Budget(season=0.0))} == {"fp"}
    unknown = replace(short, period=None)
    assert {rate for rate, _ in _rejected(looks, unknown)} == {"fp"}, "models made before have no period"


def test_a_season_of_misses_is_declared_by_itself() -> None:
    """It raises the share that keeps the promise, and the share that harms with it."""
    looks = _looks([6] * 26, failures=20)
    short = replace(EVALUATED, period=(START - 4 * WEEK, START), weeks=())
    assert "fn" in {rate for rate, _ in _rejected(looks, short, Budget(dependence="independent"))}
    for dependence in ("auto", "independent", "any"):
        assert not _rejected(looks, short, Budget(dependence=dependence, season_missed=0.5))


def test_reasons_say_what_is_assumed() -> None:
    """The sentences name the mode, and what correlation was estimated from."""
    looks = _looks([4] * 3, failures=20)
    texts = {
        mode: sentences(looks, EVALUATED, evidence_of(looks, EVALUATED, Budget(dependence=mode)))[0]
        for mode in ("auto", "independent", "any")
    }
    assert "26 weeks of its evaluation" in texts["auto"]
    assert "up to a correlation of 0.1" in texts["auto"]
    assert "Nothing is assumed" in texts["any"]
    assert "look may" not in texts["independent"]


def test_a_plant_that_knows_more_may_allow_for_more() -> None:
    """What is declared is in the evidence and the reasons, and bad weeks refute less where more is allowed for."""
    looks = _looks([0, 8, 1, 9, 0, 9, 8], failures=20)
    promise, strongest = replace(EVALUATED, weeks=()), []
    for budget in (Budget(), Budget(correlation=0.3, variation=0.9)):
        evidence = evidence_of(looks, promise, budget)
        assert [each.scatter for each in evidence] == [budget.correlation] * 2 + [budget.variation] * 2
        strongest.append(evidence[1].log_e_values[-1])
    assert strongest[0] > strongest[1]
    missed, false = sentences(looks, promise, evidence)
    assert "up to a correlation of 0.3" in missed
    assert "up to a rate that varies by 90% from look to look" in false
    assert {each.scatter for each in evidence_of(looks, promise, Budget(dependence="any"))} == {None}


def test_a_false_alarm_of_a_look_in_which_nothing_was_watched_stops_no_test() -> None:
    """As after a shutdown: later looks are tested as if it had not been."""
    looks = _looks([1] * 10, false=60)
    looks[1] = Look(looks[1].at, missed=0, failures=0, false_episodes=1, exposure=0.0)
    assert {rate for rate, _ in _rejected(looks)} == {"fp"}
