"""Conformal intervals: what their quantiles, weights and tables promise, by asset."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.conformal.asset_quantiles import covering_quantile
from models.conformal.censoring import observation_weights
from models.conformal.fit_intervals import HeldOutPredictions, fit_intervals
from models.conformal.interval_table import IntervalTable, Stage


def _held_out(rng, n_assets=60, each=40) -> HeldOutPredictions:
    """Lives of 100 cycles: the error of a prediction grows with the life that is left, and assets differ."""
    life = np.tile(np.arange(each, 0, -1.0) * 100 / each, n_assets)
    bias = np.repeat(rng.normal(0.0, 0.1, n_assets), each)
    prediction = np.clip(life * (1.0 + bias + rng.normal(0.0, 0.1, len(life))), 0.0, 100.0)
    return HeldOutPredictions(np.repeat([f"m{n}" for n in range(n_assets)], each), prediction, life, life)


def _vague(rng, n_assets=150, each=4, *, censored: bool) -> HeldOutPredictions:
    """Predictions that say little, so that the long lives, which censoring takes first, have the largest errors."""
    shape = (n_assets, each)
    life = np.minimum(rng.exponential(60.0, shape), 100.0).ravel()
    lost_at = rng.exponential(60.0, shape).ravel() if censored else np.full(n_assets * each, np.inf)
    target = np.where(life <= lost_at, life, np.nan)
    prediction = rng.uniform(20.0, 40.0, shape).ravel()
    asset = np.repeat([f"m{n}" for n in range(n_assets)], each)
    return HeldOutPredictions(asset, prediction, target, np.minimum(life, lost_at))


@given(st.integers(5, 80), st.sampled_from([0.5, 0.8, 0.9]), st.integers(0, 1000))
def test_of_single_samples_it_is_the_conformal_quantile_or_the_next(n, level, seed):
    """With one score an asset it covers a new one with at least the level: rank >= level * (n + 1)."""
    scores = np.random.default_rng(seed).normal(size=n)
    quantile = covering_quantile(scores, np.arange(n), np.ones(n), level)
    rank = math.ceil(level * (n + 1) - 1e-9)
    if quantile is None:
        assert rank >= n
    else:
        assert rank <= (scores <= quantile).sum() <= rank + 1


@given(st.integers(5, 12), st.integers(0, 1000))
def test_repeating_the_samples_of_an_asset_changes_nothing(n, seed):
    """What counts is the asset: ten copies of its score weigh as much as one."""
    scores = np.random.default_rng(seed).normal(size=n)
    once = covering_quantile(scores, np.arange(n), np.ones(n), 0.8)
    assert covering_quantile(np.repeat(scores, 10), np.repeat(np.arange(n), 10), np.full(10 * n, 0.1), 0.8) == once


@pytest.mark.verify
@pytest.mark.parametrize("between", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("n_assets", [10, 13, 40])
def test_a_new_asset_is_covered_as_often_as_wanted(n_assets, between):
    """However much of the spread is between assets, 90 % of a new asset's samples are covered, and not many more."""
    rng, each, covered = np.random.default_rng(n_assets), 15, []
    asset, weights = np.repeat(np.arange(n_assets), each), np.full(n_assets * each, 1.0 / each)
    for _ in range(800):
        level = rng.normal(0.0, between, n_assets + 1)
        scores = np.abs(level[:, None] + rng.normal(0.0, 1.0, (n_assets + 1, each)))
        quantile = covering_quantile(scores[1:].ravel(), asset, weights, 0.9)
        covered.append(1.0 if quantile is None else float((scores[0] <= quantile).mean()))
    error = np.std(covered) / math.sqrt(len(covered))
    assert 0.9 - 2 * error - 0.01 <= np.mean(covered) <= 0.9 + 1.0 / n_assets + 2 * error


def test_weights_of_observed_outcomes_stand_for_the_censored():
    """The weights are those of the Kaplan-Meier estimate of censoring, and sum to the whole where it has an end."""
    rng = np.random.default_rng(5)
    life, censoring = rng.exponential(10.0, 4000), rng.exponential(15.0, 4000)
    followed, observed = np.minimum(life, censoring), life <= censoring
    weights = observation_weights(followed, observed, np.ones(4000))
    assert weights.sum() == pytest.approx(4000)
    assert (weights > 0.0).sum() <= observed.sum() + 3
    assert np.average(followed, weights=weights) == pytest.approx(10.0, rel=0.1)
    assert np.average(followed[observed]) < 7.0


def test_without_censoring_the_weights_stay():
    """Nothing is reweighted where every outcome was observed."""
    weight = np.array([0.2, 0.5, 0.3])
    np.testing.assert_array_equal(observation_weights(np.arange(3.0), np.ones(3, dtype=bool), weight), weight)


def test_intervals_grow_with_the_error_and_hold_new_assets():
    """Near the end they are short, early they are wide, and they hold nine in ten at every stage."""
    rng = np.random.default_rng(1)
    table = fit_intervals(_held_out(rng), level=0.9, limits=(0.0, 100.0))
    assert table is not None
    assert len(table.stages) > 1
    new = _held_out(rng, n_assets=400)
    low, high = table.around(new.prediction).T
    held = (low <= new.target) & (new.target <= high)
    for begin in range(0, 100, 25):
        inside = (new.prediction >= begin) & (new.prediction < begin + 25)
        assert 0.85 <= held[inside].mean() <= 0.96
    assert (high - low)[new.prediction < 10].mean() < 0.3 * (high - low)[new.prediction > 60].mean()
    assert ((low >= 0.0) & (high <= 100.0) & (low <= new.prediction) & (new.prediction <= high)).all()


@pytest.mark.verify
def test_censored_lives_are_counted():
    """Where half of the lives are lost before they end, intervals hold nine in ten of all (without weights 79 %)."""
    rng, held = np.random.default_rng(2), []
    for _ in range(100):
        table = fit_intervals(_vague(rng, censored=True), level=0.9, limits=(0.0, 100.0))
        assert table is not None
        new = _vague(rng, censored=False)
        low, high = table.around(new.prediction).T
        held.append(((low <= new.target) & (new.target <= high)).mean())
    assert 0.89 <= np.mean(held) <= 0.94


def test_lives_that_were_never_followed_to_the_end_have_no_interval():
    """Where all are lost before the longest lives can end, no width is known to hold nine in ten."""
    held_out = _held_out(np.random.default_rng(8))
    short = held_out.target < 30
    target = np.where(short, held_out.target, np.nan)
    lost = HeldOutPredictions(held_out.asset, np.full(len(target), 20.0), target, np.minimum(held_out.target, 30.0))
    assert fit_intervals(lost, level=0.9, limits=(0.0, 100.0)) is None


def _tools(rng, *, growing: bool, n_assets=13, each=30) -> HeldOutPredictions:
    """Few assets whose errors grow with the prediction, or do not depend on it."""
    prediction = np.tile(np.linspace(0.0, 100.0, each), n_assets)
    size = 0.2 * prediction if growing else np.full(len(prediction), 10.0)
    bias = np.repeat(rng.normal(0.0, 0.7, n_assets), each)
    target = prediction + size * (bias + rng.normal(0.0, 0.7, len(prediction)))
    return HeldOutPredictions(np.repeat([f"m{n}" for n in range(n_assets)], each), prediction, target, target)


@pytest.mark.parametrize("growing", [False, True])
def test_few_assets_have_the_narrower_of_two_shapes(growing):
    """Of one width where errors are alike everywhere, in proportion where they grow; never wider than one width."""
    rng, of_one_width = np.random.default_rng(9), []
    for _ in range(20):
        held_out = _tools(rng, growing=growing)
        table = fit_intervals(held_out, level=0.9)
        assert table is not None
        width = np.ptp(table.around(held_out.prediction), axis=1)
        constant = np.ptp(table.constant_around(held_out.prediction), axis=1)
        assert width.mean() <= constant.mean() * (1 + 1e-9)
        of_one_width.append(len(table.scale) == 1)
    assert np.mean(of_one_width) <= 0.2 if growing else np.mean(of_one_width) >= 0.7


@pytest.mark.verify
@pytest.mark.parametrize("growing", [False, True])
def test_the_narrower_of_two_shapes_holds_as_often(growing):
    """Choosing by width costs no more than a percent of coverage: 13 assets, 1,000 histories, 20 new assets each."""
    rng, held = np.random.default_rng(10), []
    for _ in range(1000):
        table = fit_intervals(_tools(rng, growing=growing), level=0.9)
        assert table is not None
        new = _tools(rng, growing=growing, n_assets=20)
        low, high = table.around(new.prediction).T
        held.append(((low <= new.target) & (new.target <= high)).mean())
    error = np.std(held) / math.sqrt(len(held))
    assert 0.89 - 2 * error <= np.mean(held) <= 0.95


def test_few_assets_have_one_stage_and_very_few_no_intervals():
    """Stages need assets; below those that bound the level there is no table."""
    rng = np.random.default_rng(3)
    some = fit_intervals(_held_out(rng, n_assets=12), level=0.9)
    assert some is not None
    assert [stage.assets for stage in some.stages] == [12]
    assert fit_intervals(_held_out(rng, n_assets=4), level=0.9) is None
    single = _held_out(rng, n_assets=8, each=1)
    assert fit_intervals(single, level=0.9) is None


def test_a_higher_level_has_wider_intervals():
    """At every prediction the interval of 95 % contains that of 80 %."""
    held_out = _held_out(np.random.default_rng(4))
    narrow, wide = (fit_intervals(held_out, level=level) for level in (0.8, 0.95))
    assert narrow is not None
    assert wide is not None
    predictions = np.linspace(0.0, 100.0, 101)
    assert (wide.around(predictions)[:, 0] <= narrow.around(predictions)[:, 0]).all()
    assert (wide.around(predictions)[:, 1] >= narrow.around(predictions)[:, 1]).all()


def test_the_table_survives_json_bit_for_bit():
    """What is read gives the same ends as what was written."""
    table = fit_intervals(_held_out(np.random.default_rng(6)), level=0.9, limits=(0.0, None))
    assert table is not None
    again = IntervalTable.from_dict(json.loads(json.dumps(table.to_dict())))
    assert again == table
    predictions = np.random.default_rng(7).uniform(0.0, 120.0, 500)
    np.testing.assert_array_equal(again.around(predictions), table.around(predictions))


@given(st.lists(st.floats(0.0, 200.0), min_size=1, max_size=20))
def test_a_row_has_the_same_bits_alone_and_among_others(predictions):
    """Batches and single requests give the same ends."""
    table = IntervalTable(0.9, (Stage(30.0, 2.0, 20), Stage(None, 1.5, 20)), (10.0, 50.0), (1.0, 7.0), 0.0, 125.0)
    together = table.around(np.array(predictions))
    alone = np.vstack([table.around(np.array([prediction])) for prediction in predictions])
    np.testing.assert_array_equal(together, alone)


def test_without_a_prediction_there_is_no_interval():
    """NaN stays NaN."""
    table = IntervalTable(0.9, (Stage(None, 1.5, 20),), (10.0, 50.0), (1.0, 7.0), 0.0, 125.0)
    assert np.isnan(table.around(np.array([np.nan]))).all()
