"""Evidence of independent events since a first look: exact expectations over all outcomes, and laws."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from data_contracts.errors import UsageError
from models.sequential_tests.e_processes import Alternatives, bernoulli_alternatives, poisson_alternatives

MISSES = bernoulli_alternatives(0.2, 0.35)
FALSE_ALARMS = poisson_alternatives(0.2, 0.35)
LOOKS = 24
HISTORIES = 2000
THRESHOLD = -math.log(0.05)
MOST = 0.05 + 3 * math.sqrt(0.05 * 0.95 / HISTORIES)


def _evidence(alternatives: Alternatives, events: npt.ArrayLike, amounts: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the log of the evidence of counts since the first look."""
    return alternatives.log_mixture(alternatives.log_gains(events, amounts))


@pytest.mark.parametrize("failures", [2, 6, 20, 100])
@pytest.mark.parametrize("rate", [0.2, 0.1, 0.02])
def test_kept_promise_of_misses_is_seldom_rejected(rate: float, failures: int) -> None:
    """A champion as good as promised, or better, is rejected at any of 24 looks in at most alpha of all histories."""
    missed = np.random.default_rng(failures).binomial(failures, rate, (HISTORIES, LOOKS)).cumsum(axis=1)
    evidence = _evidence(MISSES, missed, failures * np.arange(1, LOOKS + 1))
    assert (evidence >= THRESHOLD).any(axis=1).mean() <= MOST


@pytest.mark.parametrize("exposure", [2.0, 6.0, 20.0, 100.0])
@pytest.mark.parametrize("rate", [0.5, 0.2])
def test_kept_promise_of_false_alarms_is_seldom_rejected(rate: float, exposure: float) -> None:
    """The same holds for counts over an exposure."""
    counts = np.random.default_rng(7).poisson(rate * exposure, (HISTORIES, LOOKS)).cumsum(axis=1)
    evidence = _evidence(poisson_alternatives(0.5, 0.8), counts, exposure * np.arange(1, LOOKS + 1))
    assert (evidence >= THRESHOLD).any(axis=1).mean() <= MOST


def test_stopping_when_it_looks_worst_does_not_deceive() -> None:
    """Looking after every failure and stopping at the first rejection rejects a kept promise no more often."""
    missed = np.random.default_rng(3).random((HISTORIES, 600)) < 0.2
    evidence = _evidence(bernoulli_alternatives(0.2, 0.3), missed.cumsum(axis=1), np.arange(1, 601))
    assert 0.005 < (evidence >= THRESHOLD).any(axis=1).mean() <= MOST


def test_rate_that_follows_the_past_does_not_deceive() -> None:
    """A rate that falls after each miss, and is at most the promised one, is no reason to reject."""
    random, rate = np.random.default_rng(4), np.full(HISTORIES, 0.2)
    missed, rejected = np.zeros(HISTORIES), np.zeros(HISTORIES, dtype=bool)
    for look in range(1, LOOKS + 1):
        new = random.binomial(6, rate)
        missed += new
        rejected |= _evidence(MISSES, missed, 6 * look) >= THRESHOLD
        rate = np.where(new > 1, 0.1, 0.2)
    assert rejected.mean() <= MOST


@given(promised=st.floats(0.01, 0.9), increase=st.floats(0.05, 0.95), better=st.floats(0, 1), trials=st.integers(1, 12))
def test_evidence_against_a_kept_promise_is_expected_to_be_one_at_most(
    promised: float, increase: float, better: float, trials: int
) -> None:
    """Over all outcomes of a look, the e-value of misses is one on average at the promised rate, and less below it."""
    alternatives = bernoulli_alternatives(promised, promised + increase * (1 - promised) * 0.99)
    outcomes = np.arange(trials + 1)
    values = np.exp(_evidence(alternatives, outcomes, trials))
    assert stats.binom(trials, promised).pmf(outcomes) @ values == pytest.approx(1, rel=1e-9)
    assert stats.binom(trials, better * promised).pmf(outcomes) @ values <= 1 + 1e-9


@settings(max_examples=25)
@given(promised=st.floats(0.05, 2), fold=st.floats(1.05, 3), better=st.floats(0, 1), exposure=st.floats(0.1, 3))
def test_evidence_of_counts_is_expected_to_be_one_at_most(
    promised: float, fold: float, better: float, exposure: float
) -> None:
    """The same holds for counts."""
    outcomes = np.arange(280)
    values = _evidence(poisson_alternatives(promised, fold * promised), outcomes, exposure)
    for rate in (promised, better * promised):
        expected = np.exp(stats.poisson(rate * exposure).logpmf(outcomes) + values).sum()
        assert expected <= 1 + 1e-9
    assert np.exp(stats.poisson(promised * exposure).logpmf(outcomes) + values).sum() == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("rate", [0.35, 0.5, 0.9])
def test_great_and_small_harm_is_detected(rate: float) -> None:
    """A broken promise is rejected within 1.5 times log(1 / alpha) / KL and a few trials, whatever the true rate."""
    missed = (np.random.default_rng(5).random((500, 300)) < rate).cumsum(axis=1)
    rejected = _evidence(MISSES, missed, np.arange(1, 301)) >= THRESHOLD
    information = rate * math.log(rate / 0.2) + (1 - rate) * math.log((1 - rate) / 0.8)
    assert rejected.any(axis=1).mean() > 0.95
    assert np.median(rejected.argmax(axis=1) + 1) <= 1.5 * THRESHOLD / information + 3


def test_hundreds_of_thousands_of_trials_stay_finite() -> None:
    """Evidence far beyond what a float can hold as a number is still a finite log."""
    evidence = _evidence(MISSES, [400_000, 400_000], [400_000, 5_400_000])
    assert np.isfinite(evidence).all()
    assert evidence[0] > 700 > evidence[1]


@pytest.mark.parametrize(
    ("promised", "harmful"),
    [(0, 0.1), (0.2, 0.2), (0.3, 0.2), (0.2, 1), (math.nan, 0.3), (0.2, math.nan)],
)
def test_impossible_promises_are_refused(promised: float, harmful: float) -> None:
    """Rates that make no test are a usage error."""
    with pytest.raises(UsageError):
        bernoulli_alternatives(promised, harmful)
    with pytest.raises(UsageError):
        poisson_alternatives(promised, math.inf if harmful == 1 else harmful)
