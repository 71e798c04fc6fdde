"""Bootstrap intervals of F1, PR AUC and mean errors, by asset."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from models.assessment.bootstrap_intervals import f1_interval, mean_interval, pr_auc_interval
from models.assessment.decision_metrics import interval_metrics


def _fleet(rng, n_assets: int, each: int):
    """Assets that differ in how well their failures show."""
    asset = np.repeat(np.arange(n_assets), each)
    truth = (rng.random((n_assets, each)) < 0.2) & (rng.random((n_assets, 1)) < 0.7)
    score = truth * rng.normal(1.5, 0.7, (n_assets, 1)) + rng.normal(0.0, 1.0, (n_assets, each))
    return asset, truth.ravel(), score.ravel()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_the_figure_lies_within_its_interval(seed):
    """Low, figure and high ascend, and stay between 0 and 1."""
    asset, truth, score = _fleet(np.random.default_rng(seed), 30, 10)
    low, high = f1_interval(asset, truth, score > 0.8)
    assert 0.0 <= low <= f1_score(truth, score > 0.8) <= high <= 1.0
    low, high = pr_auc_interval(asset, truth, score)
    assert 0.0 <= low <= average_precision_score(truth, score) <= high <= 1.0
    low, high = mean_interval(asset, np.abs(score))
    assert low <= np.abs(score).mean() <= high


def test_ties_are_alerted_together():
    """With three scores only the area of each draw is scikit-learn's of the drawn samples."""
    rng = np.random.default_rng(3)
    asset, truth, score = _fleet(rng, 12, 8)
    score = score.round(0)
    once = pr_auc_interval(asset, truth, score)
    order = rng.permutation(len(score))
    assert pr_auc_interval(asset[order], truth[order], score[order]) == pytest.approx(once)


def test_samples_of_an_asset_are_no_trials_of_their_own():
    """Each sample five times over leaves every interval as it is."""
    asset, truth, score = _fleet(np.random.default_rng(5), 20, 10)
    more = tuple(np.tile(part, 5) for part in (asset, truth, score))
    assert f1_interval(more[0], more[1], more[2] > 0.8) == pytest.approx(f1_interval(asset, truth, score > 0.8))
    assert pr_auc_interval(*more) == pytest.approx(pr_auc_interval(asset, truth, score))
    assert mean_interval(more[0], more[2]) == pytest.approx(mean_interval(asset, score))


def test_a_perfect_figure_is_not_certain():
    """Three failed assets, all caught: the bound of three successes in three trials."""
    asset, truth = np.array(["a", "b", "c", "d"]), np.array([True, True, True, False])
    assert f1_interval(asset, truth, truth) == (pytest.approx(0.025 ** (1 / 3)), 1.0)
    assert pr_auc_interval(asset, truth, truth.astype(float)) == (pytest.approx(0.025 ** (1 / 3)), 1.0)


def test_one_failed_asset_has_no_interval():
    """The variance between assets needs two."""
    asset, truth = np.array(["a", "b"]), np.array([True, False])
    assert np.isnan([*f1_interval(asset, truth, truth), *pr_auc_interval(asset, truth, truth.astype(float))]).all()
    assert np.isnan(mean_interval(["a", "a"], np.ones(2))).all()
    assert np.isnan(mean_interval([], np.empty(0))).all()


def test_chance_is_said_beside_the_figures():
    """The PR AUC of chance is the share of samples that fail, and alerting always has an F1 too."""
    asset, truth, score = _fleet(np.random.default_rng(6), 20, 10)
    figures = interval_metrics(asset, truth, 1 / (1 + np.exp(-score)), score > 0.8)
    assert figures["base_rate"] == pytest.approx(truth.mean())
    assert figures["f1_always"] == pytest.approx(f1_score(truth, np.ones(len(truth), dtype=bool)))
    assert figures["calibration_slope_low"] <= figures["calibration_slope"] <= figures["calibration_slope_high"]


@pytest.mark.verify
@pytest.mark.parametrize("n_assets", [12, 40])
def test_intervals_cover_by_asset(n_assets):
    """Of 95 % intervals over fleets whose assets differ at least nine in ten hold the figure of all assets."""
    rng, fleets = np.random.default_rng(n_assets), 200
    asset, truth, score = _fleet(rng, 20_000, 10)
    wanted = f1_score(truth, score > 0.8), average_precision_score(truth, score), float(np.abs(score).mean())
    held = np.zeros(3)
    for _ in range(fleets):
        asset, truth, score = _fleet(rng, n_assets, 10)
        intervals = (
            f1_interval(asset, truth, score > 0.8),
            pr_auc_interval(asset, truth, score),
            mean_interval(asset, np.abs(score)),
        )
        held += [low <= figure <= high for figure, (low, high) in zip(wanted, intervals, strict=True)]
    assert (held >= 0.9 * fleets - 2 * math.sqrt(fleets * 0.09)).all()
