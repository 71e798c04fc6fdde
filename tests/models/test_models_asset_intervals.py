"""Intervals of figures with the asset as the unit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from models.assessment.asset_intervals import auc_interval, rmse_interval


def test_the_interval_of_an_area_covers_it_as_often_as_it_says() -> None:
    """Samples of an asset share an effect: nineteen of twenty intervals hold the true area, about."""
    rng = np.random.default_rng(1)
    covered, naive = 0, 0
    for _ in range(300):
        asset = np.repeat([f"m{a}" for a in range(20)], 30)
        effect = np.repeat(rng.normal(size=20), 30)
        truth = np.tile(np.arange(30) < 15, 20) & (np.arange(600) < 300)
        score = effect + rng.normal(size=600) + 1.0 * truth
        low, high = auc_interval(asset, truth, score)
        # Of two draws of different assets; those of one asset, one in thirty, are closer.
        true = 29 / 30 * norm.cdf(1 / 2) + 1 / 30 * norm.cdf(1 / np.sqrt(2))
        covered += low <= true <= high
        narrow = auc_interval(np.arange(600).astype(str), truth, score)
        naive += narrow[0] <= true <= narrow[1]
    assert covered / 300 > 0.92
    assert naive / 300 < 0.85


def test_a_perfect_ranking_is_not_certain() -> None:
    """Of an area of 1 the bound is that of as many successes as assets failed, and rises with them."""
    lows = []
    for n in (1, 4, 16):
        asset = np.repeat([f"m{a}" for a in range(n)], 4)
        truth = np.tile([True, True, False, False], n)
        low, high = auc_interval(asset, truth, truth.astype(float))
        assert high == 1.0
        assert low == pytest.approx(0.025 ** (1 / n))
        lows.append(low)
        assert auc_interval(asset, truth, 1.0 - truth)[0] == 0.0
    assert lows == sorted(lows)


def test_one_failed_asset_has_no_interval() -> None:
    """Nothing shows how assets differ; one class has no area."""
    asset, score = ["m1", "m1", "m2", "m2"], np.array([0.9, 0.5, 0.6, 0.1])
    assert np.isnan(auc_interval(asset, np.array([False, True, False, False]), score)).all()
    assert np.isnan(auc_interval(asset, np.zeros(4, dtype=bool), score)).all()
    assert np.isnan(rmse_interval(["m1"] * 4, score, np.zeros(4))).all()


@given(st.integers(0, 5000))
def test_intervals_hold_their_figure_and_ignore_the_order(seed: int) -> None:
    """The figure lies inside, and shuffled samples give the same."""
    rng = np.random.default_rng(seed)
    asset = rng.choice(["m1", "m2", "m3", "m4"], 60)
    truth, score = rng.random(60) < 0.4, rng.normal(size=60)
    shuffled = rng.permutation(60)
    low, high = auc_interval(asset, truth, score)
    if not np.isnan(low):
        assert 0 <= low <= roc_auc_score(truth, score) <= high <= 1
    assert auc_interval(asset[shuffled], truth[shuffled], score[shuffled]) == pytest.approx((low, high), nan_ok=True)
    below, above = rmse_interval(asset, score, truth.astype(float))
    assert below <= np.sqrt(np.mean((score - truth) ** 2)) <= above


def test_assets_that_differ_widen_the_interval_of_an_error() -> None:
    """As many errors, spread over all assets or all of one: the second is less sure."""
    asset = np.repeat([f"m{a}" for a in range(8)], 10)
    alike, apart = np.ones(80), np.where(asset == "m0", np.sqrt(8.0), 1e-9)
    narrow, wide = (rmse_interval(asset, error, np.zeros(80)) for error in (alike, apart))
    assert narrow == pytest.approx((1.0, 1.0))
    assert wide[0] < 0.5
    assert wide[1] > 2
