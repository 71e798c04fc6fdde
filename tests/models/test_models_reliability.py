"""Reliability of probabilities: bins, and the slope and intercept of calibration with the asset as the unit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from models.assessment.reliability import calibration_slope, reliability_bins


def _samples(seed: int, n_assets: int = 400, each: int = 25) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probability = expit(rng.normal(-2.0, 1.5, n_assets * each))
    return np.repeat(np.arange(n_assets), each), rng.random(len(probability)) < probability, probability


def test_calibrated_probabilities_have_slope_one_and_intercept_zero():
    """Outcomes drawn from the probabilities themselves are calibrated."""
    asset, truth, probability = _samples(1)
    fitted = calibration_slope(asset, truth, probability)
    assert fitted.slope_low < 1.0 < fitted.slope_high
    assert fitted.slope == pytest.approx(1.0, abs=0.08)
    assert fitted.intercept == pytest.approx(0.0, abs=0.15)


@pytest.mark.parametrize(("factor", "shift"), [(2.0, 0.0), (0.5, 0.0), (1.0, 1.0), (3.0, -0.5)])
def test_a_change_of_the_log_odds_is_undone_by_slope_and_intercept(factor, shift):
    """Probabilities twice as extreme in log-odds have half the slope."""
    asset, truth, probability = _samples(2)
    honest = calibration_slope(asset, truth, probability)
    changed = calibration_slope(asset, truth, expit(factor * logit(probability) + shift))
    assert changed.slope == pytest.approx(honest.slope / factor, rel=1e-3)
    assert changed.intercept == pytest.approx(honest.intercept - honest.slope * shift / factor, abs=1e-3)


def test_the_interval_is_by_asset():
    """Each sample repeated in its asset tells nothing new, so the interval stays as it is."""
    asset, truth, probability = _samples(3, n_assets=60, each=5)
    once = calibration_slope(asset, truth, probability)
    often = calibration_slope(np.tile(asset, 9), np.tile(truth, 9), np.tile(probability, 9))
    assert often.slope_high - often.slope_low == pytest.approx(once.slope_high - once.slope_low, rel=1e-3)


@pytest.mark.verify
def test_the_interval_of_the_slope_covers_by_asset():
    """Of 95 % intervals over fleets whose machines differ, at least nine in ten hold the slope of all machines."""
    rng, held = np.random.default_rng(4), 0
    n_assets, each, fleets = 40, 20, 400
    asset = np.repeat(np.arange(n_assets), each)
    population = rng.normal(0.0, 1.0, (20_000, 1))
    levels = rng.normal(-1.0, 1.0, (20_000, each))
    failed = rng.random(levels.shape) < expit(levels + population)
    wanted = calibration_slope(np.repeat(np.arange(20_000), each), failed.ravel(), expit(levels).ravel()).slope
    for _ in range(fleets):
        score = rng.normal(-1.0, 1.0, (n_assets, each))
        truth = rng.random(score.shape) < expit(score + rng.normal(0.0, 1.0, (n_assets, 1)))
        fitted = calibration_slope(asset, truth.ravel(), expit(score).ravel())
        held += fitted.slope_low <= wanted <= fitted.slope_high
    assert held >= 0.9 * fleets


@pytest.mark.parametrize(
    ("truth", "probability"),
    [
        ([True, True], [0.2, 0.9]),
        ([False, False], [0.2, 0.9]),
        ([False, True], [0.2, 0.9]),
        ([False, True, True], [0.5, 0.5, 0.5]),
    ],
)
def test_without_a_finite_slope_there_is_none(truth, probability):
    """One class, perfect separation and equal scores have no slope."""
    fitted = calibration_slope(np.arange(len(truth)), np.array(truth), np.array(probability))
    assert np.isnan([fitted.slope, fitted.intercept, fitted.slope_low, fitted.slope_high]).all()


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=60))
def test_bins_count_each_sample_once(samples):
    """The bins partition the samples: their counts and weighted means give back the whole."""
    probability, truth = (np.array(part) for part in zip(*samples, strict=True))
    bins = reliability_bins(truth, probability)
    assert sum(each.count for each in bins) == len(truth)
    assert sum(each.count * each.observed for each in bins) == pytest.approx(truth.sum())
    assert sum(each.count * each.predicted for each in bins) == pytest.approx(probability.sum())
    assert all(each.low - 1e-9 <= each.predicted <= each.high + 1e-9 for each in bins)
