"""Evidence of independent events in the recent past: how often it is wrong, how soon right, and exact expectations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.sequential_tests.e_detectors import overshoot_factor, shiryaev_roberts
from models.sequential_tests.e_processes import Alternatives, FloatArray, bernoulli_alternatives, poisson_alternatives

MISSES = bernoulli_alternatives(0.2, 0.35)
FALSE_ALARMS = poisson_alternatives(0.1, 0.15)


def _first_rejection(alternatives: Alternatives, counts: FloatArray, amount: float, mean_time: float) -> FloatArray:
    """Return, for (histories, looks) counts, the looks until rejection; infinity where there was none."""
    threshold = math.log(mean_time)
    sums = np.full((len(counts), len(alternatives.rates)), -np.inf)
    first = np.full(len(counts), np.inf)
    for look, events in enumerate(counts.T):
        sums = shiryaev_roberts(sums, events, amount, alternatives, threshold)
        first = np.where(alternatives.log_mixture(sums) >= threshold, np.minimum(first, look + 1), first)
    return first


def _delays(alternatives: Alternatives, healthy: FloatArray, worse: FloatArray, amount: float, mean: int) -> FloatArray:
    first = _first_rejection(alternatives, np.concatenate([healthy, worse], axis=1), amount, mean) - healthy.shape[1]
    return first[first > 0]


@pytest.mark.parametrize("amount", [2, 6, 20, 100])
def test_false_rejections_of_misses_are_as_rare_as_declared(amount: int) -> None:
    """While the promise is kept, the mean time to a rejection is the declared one or longer."""
    counts = np.random.default_rng(1).binomial(amount, 0.2, (1500, 300))
    first = np.minimum(_first_rejection(MISSES, counts, amount, 50), 300)
    assert first.mean() + 3 * first.std() / math.sqrt(1500) >= 50
    assert first.mean() < 75, "the overshoot is not used"


@pytest.mark.parametrize("amount", [6.0, 30.0, 200.0])
def test_false_rejections_of_false_alarms_are_as_rare_as_declared(amount: float) -> None:
    """The same holds for counts over an exposure."""
    counts = np.random.default_rng(2).poisson(0.1 * amount, (1500, 300))
    first = np.minimum(_first_rejection(FALSE_ALARMS, counts, amount, 50), 300)
    assert first.mean() + 3 * first.std() / math.sqrt(1500) >= 50
    assert first.mean() < 75, "the overshoot is not used"


def test_better_than_promised_is_rejected_more_rarely_still() -> None:
    """A rate below the promised one gives longer times."""
    counts = np.random.default_rng(3).binomial(6, 0.1, (500, 400))
    assert np.minimum(_first_rejection(MISSES, counts, 6, 50), 400).mean() > 200


@pytest.mark.parametrize("mean_time", [100, 500])
def test_misses_from_20_to_45_percent_are_detected_in_time(mean_time: int) -> None:
    """After 6 healthy looks, 6 failures a look: the median delay is within 1.5 times Lorden's bound."""
    random = np.random.default_rng(4)
    delays = _delays(MISSES, random.binomial(6, 0.2, (2000, 6)), random.binomial(6, 0.45, (2000, 60)), 6, mean_time)
    information = 6 * (0.45 * math.log(0.45 / 0.2) + 0.55 * math.log(0.55 / 0.8))
    assert np.median(delays) <= 1.5 * math.log(mean_time) / information


@pytest.mark.parametrize("mean_time", [100, 500])
@pytest.mark.parametrize("exposure", [10.0, 30.0])
def test_doubled_false_alarms_are_detected_in_time(exposure: float, mean_time: int) -> None:
    """After 6 healthy looks: the median delay is within 1.5 times Lorden's bound."""
    random, size = np.random.default_rng(5), (2000, 60)
    healthy, worse = random.poisson(0.1 * exposure, (2000, 6)), random.poisson(0.2 * exposure, size)
    delays = _delays(FALSE_ALARMS, healthy, worse, exposure, mean_time)
    assert np.median(delays) <= 1.5 * math.log(mean_time) / (exposure * (0.2 * math.log(2) - 0.1))


@given(
    sums=st.lists(st.floats(-20, 4), min_size=16, max_size=16),
    trials=st.integers(1, 60),
    promised=st.floats(0.02, 0.8),
    # scipy's binomial overflows at rates near the smallest number there is.
    better=st.floats(0, 1).map(lambda fold: round(fold, 9)),
)
def test_a_sum_is_not_expected_to_rise_by_more_than_one(
    sums: list[float], trials: int, promised: float, better: float
) -> None:
    """Over all outcomes of an update, the sum, counted up to the threshold, is expected to rise by one at most."""
    alternatives, threshold = bernoulli_alternatives(promised, promised + 0.5 * (1 - promised)), math.log(50)
    before = np.array(sums)
    outcomes = np.arange(trials + 1)
    after = shiryaev_roberts(np.tile(before, (trials + 1, 1)), outcomes, trials, alternatives, threshold)
    counted = np.exp(np.minimum(alternatives.log_mixture(after), threshold))
    most = math.exp(alternatives.log_mixture(before)) + 1
    for rate in (promised, better * promised):
        assert stats.binom(trials, rate).pmf(outcomes) @ counted <= most * (1 + 1e-7)


@given(exposure=st.floats(0.5, 60), start=st.floats(0, 3.8), better=st.floats(0, 1))
def test_a_sum_of_counts_is_not_expected_to_rise_by_more_than_one(exposure: float, start: float, better: float) -> None:
    """The same holds for counts."""
    outcomes, threshold, before = np.arange(300), math.log(50), np.full(16, start)
    after = shiryaev_roberts(np.tile(before, (300, 1)), outcomes, exposure, FALSE_ALARMS, threshold)
    counted = np.exp(np.minimum(FALSE_ALARMS.log_mixture(after), threshold))
    for rate in (0.1, 0.1 * better):
        assert stats.poisson(rate * exposure).pmf(outcomes) @ counted <= (math.exp(start) + 1) * (1 + 1e-7)


def test_the_factor_is_one_where_no_outcome_overshoots() -> None:
    """Far below the threshold the sum is multiplied by one."""
    assert overshoot_factor(np.zeros(16), 1, MISSES, 20.0) == pytest.approx(1, abs=1e-9)


def test_one_huge_update_is_finite() -> None:
    """Hundreds of thousands of trials in one update give a finite log."""
    sums = np.full(len(MISSES.rates), -np.inf)
    for missed, rejected in ((60_000, False), (150_000, True)):
        sums = shiryaev_roberts(sums, missed, 300_000, MISSES, math.log(100))
        evidence = MISSES.log_mixture(sums)
        assert math.isfinite(evidence)
        assert (evidence >= math.log(100)) == rejected
