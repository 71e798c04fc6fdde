import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from data_contracts.errors import UsageError
from models.sequential_tests.e_processes import EProcess, bernoulli_alternatives, poisson_alternatives

MISSES = bernoulli_alternatives(0.2, 0.35)
FALSE_ALARMS = poisson_alternatives(0.2, 0.35)
LOOKS = 24
HISTORIES = 2000
MOST = 0.05 + 3 * math.sqrt(0.05 * 0.95 / HISTORIES)


@pytest.mark.parametrize("failures", [2, 6, 20, 100])
@pytest.mark.parametrize("rate", [0.2, 0.1, 0.02])
def test_kept_promise_of_misses_is_seldom_rejected(rate: float, failures: int) -> None:
    """A champion as good as promised, or better, is rejected at any of 24 looks in at most alpha of all histories."""
    missed = np.random.default_rng(failures).binomial(failures, rate, (HISTORIES, LOOKS)).cumsum(axis=1)
    evidence = MISSES.log_mixture(MISSES.log_gains(missed, failures * np.arange(1, LOOKS + 1)))
    assert (evidence >= -math.log(0.05)).any(axis=1).mean() <= MOST


@pytest.mark.parametrize("exposure", [2.0, 6.0, 20.0, 100.0])
@pytest.mark.parametrize("rate", [0.5, 0.2])
def test_kept_promise_of_false_alarms_is_seldom_rejected(rate: float, exposure: float) -> None:
    """The same holds for counts over an exposure."""
    counts = np.random.default_rng(7).poisson(rate * exposure, (HISTORIES, LOOKS)).cumsum(axis=1)
    alternatives = poisson_alternatives(0.5, 0.8)
    evidence = alternatives.log_mixture(alternatives.log_gains(counts, exposure * np.arange(1, LOOKS + 1)))
    assert (evidence >= -math.log(0.05)).any(axis=1).mean() <= MOST


def test_stopping_when_it_looks_worst_does_not_deceive() -> None:
    """Looking after every failure and stopping at the first rejection rejects a kept promise no more often."""
    missed = np.random.default_rng(3).random((HISTORIES, 600)) < 0.2
    alternatives = bernoulli_alternatives(0.2, 0.3)
    evidence = alternatives.log_mixture(alternatives.log_gains(missed.cumsum(axis=1), np.arange(1, 601)))
    assert 0.005 < (evidence >= -math.log(0.05)).any(axis=1).mean() <= MOST


def test_rate_that_follows_the_past_does_not_deceive() -> None:
    """A rate that falls after each miss, and is at most the promised one, is no reason to reject."""
    random, rejected = np.random.default_rng(4), 0
    for _ in range(300):
        process, rate = EProcess(MISSES, 0.05), 0.2
        for _ in range(LOOKS):
            missed = int(random.binomial(6, rate))
            process.update(missed, 6)
            rate = 0.1 if missed > 1 else 0.2
        rejected += process.rejected
    assert rejected / 300 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


@given(promised=st.floats(0.01, 0.9), increase=st.floats(0.05, 0.95), better=st.floats(0, 1), trials=st.integers(1, 12))
def test_evidence_against_a_kept_promise_is_expected_to_be_one_at_most(
    promised: float, increase: float, better: float, trials: int
) -> None:
    """Over all outcomes of a look, the e-value of misses is one on average at the promised rate, and less below it."""
    alternatives = bernoulli_alternatives(promised, promised + increase * (1 - promised) * 0.99)
    values = []
    for events in range(trials + 1):
        process = EProcess(alternatives, 0.05)
        process.update(events, trials)
        values.append(math.exp(process.log_e_value))
    outcomes = np.arange(trials + 1)
    assert stats.binom(trials, promised).pmf(outcomes) @ values == pytest.approx(1, rel=1e-9)
    assert stats.binom(trials, better * promised).pmf(outcomes) @ values <= 1 + 1e-9


@settings(max_examples=25)
@given(promised=st.floats(0.05, 2), fold=st.floats(1.05, 3), better=st.floats(0, 1), exposure=st.floats(0.1, 3))
def test_evidence_of_counts_is_expected_to_be_one_at_most(
    promised: float, fold: float, better: float, exposure: float
) -> None:
    """The same holds for counts."""
    alternatives, outcomes, values = poisson_alternatives(promised, fold * promised), np.arange(280), []
    for count in outcomes:
        process = EProcess(alternatives, 0.05)
        process.update(int(count), exposure)
        values.append(process.log_e_value)
    for rate in (promised, better * promised):
        expected = np.exp(stats.poisson(rate * exposure).logpmf(outcomes) + values).sum()
        assert expected <= 1 + 1e-9
    assert np.exp(stats.poisson(promised * exposure).logpmf(outcomes) + values).sum() == pytest.approx(1, rel=1e-6)


@given(looks=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=8))
def test_evidence_is_that_of_the_sums(looks: list[tuple[int, int]]) -> None:
    """How trials are split into looks, and looks without any, do not change the evidence at the end."""
    split, whole = EProcess(MISSES, 0.05), EProcess(MISSES, 0.05)
    for missed, caught in looks:
        split.update(missed, missed + caught)
        split.update(0, 0)
    missed = sum(look[0] for look in looks)
    whole.update(missed, missed + sum(look[1] for look in looks))
    assert split.log_e_value == pytest.approx(whole.log_e_value, abs=1e-9)


def test_rejection_stays() -> None:
    """Once rejected a promise stays so, with its p-value, though the evidence now goes down again."""
    process = EProcess(MISSES, 0.05)
    process.update(8, 8)
    p_value = process.p_value
    process.update(0, 100)
    assert process.rejected
    assert process.log_e_value < 0 < process.threshold
    assert process.p_value == p_value <= 0.05


@pytest.mark.parametrize("rate", [0.35, 0.5, 0.9])
def test_great_and_small_harm_is_detected(rate: float) -> None:
    """A broken promise is rejected within 1.5 times log(1 / alpha) / KL and a few trials, whatever the true rate."""
    missed = (np.random.default_rng(5).random((500, 300)) < rate).cumsum(axis=1)
    rejected = MISSES.log_mixture(MISSES.log_gains(missed, np.arange(1, 301))) >= -math.log(0.05)
    information = rate * math.log(rate / 0.2) + (1 - rate) * math.log((1 - rate) / 0.8)
    assert rejected.any(axis=1).mean() > 0.95
    assert np.median(rejected.argmax(axis=1) + 1) <= 1.5 * -math.log(0.05) / information + 3


def test_hundreds_of_thousands_of_trials_stay_finite() -> None:
    """Evidence far beyond what a float can hold as a number is still a finite log."""
    process = EProcess(MISSES, 0.05)
    process.update(400_000, 400_000)
    assert math.isfinite(process.log_e_value)
    assert process.p_value == 0
    process.update(0, 5_000_000)
    assert math.isfinite(process.log_e_value)


@pytest.mark.parametrize(
    ("promised", "harmful", "alpha"),
    [
        (0, 0.1, 0.05),
        (0.2, 0.2, 0.05),
        (0.3, 0.2, 0.05),
        (0.2, 1, 0.05),
        (math.nan, 0.3, 0.05),
        (0.2, math.nan, 0.05),
        (0.2, 0.3, 0),
        (0.2, 0.3, 1),
        (0.2, 0.3, math.nan),
    ],
)
def test_impossible_promises_are_refused(promised: float, harmful: float, alpha: float) -> None:
    """Rates and levels that make no test are a usage error."""
    with pytest.raises(UsageError):
        EProcess(bernoulli_alternatives(promised, harmful), alpha)
    with pytest.raises(UsageError):
        EProcess(poisson_alternatives(promised, math.inf if harmful == 1 else harmful), alpha)


@pytest.mark.parametrize(("events", "trials"), [(2, 1), (-1, 1), (0, -1), (0.5, 1), (1, 1.5), (math.nan, 1), ("1", 1)])
def test_impossible_shares_are_refused(events: int, trials: int) -> None:
    """More events than trials, or fractions of them, are a usage error, and leave the evidence as it was."""
    process = EProcess(MISSES, 0.05)
    with pytest.raises(UsageError):
        process.update(events, trials)
    assert process.log_e_value == 0


@pytest.mark.parametrize(("count", "exposure"), [(1, 0), (-1, 1), (0, -1), (0.5, 1), (1, math.inf), (1, math.nan)])
def test_impossible_counts_are_refused(count: int, exposure: float) -> None:
    """Events without exposure, and infinite exposure, are a usage error."""
    with pytest.raises(UsageError):
        EProcess(FALSE_ALARMS, 0.05).update(count, exposure)


def test_numpy_integers_are_counts() -> None:
    """Sums of an array are whole numbers too."""
    process = EProcess(MISSES, 0.05)
    process.update(np.array([1, 2]).sum(), np.int64(6))
    assert process.log_e_value > 0
