"""Unlabelled signals: what has moved, and what the scores themselves expect."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.monitoring.score_drift import expected_performance, feature_drift, score_drift

ASSETS = [f"m{number:02d}" for number in range(40)]


def features(rng, columns, shift=0.0, moved=0, windows=30):
    """Return windows of assets that each have a level of their own and wander slowly about it."""
    own = np.random.default_rng(1).normal(size=(len(ASSETS), columns))
    wander = np.cumsum(rng.normal(0, 0.1, (len(ASSETS), windows, columns)), axis=1)
    values = own[:, None, :] + wander
    values[:, :, :moved] += shift
    index = pd.MultiIndex.from_product([ASSETS, range(windows)], names=["asset", "as_of"])
    return pd.DataFrame(values.reshape(-1, columns), index=index, columns=[f"f{number}" for number in range(columns)])


@pytest.mark.parametrize("procedure", ["bh", "by"])
def test_wandering_windows_are_no_drift(procedure):
    """Overlapping windows of machines that wander make no discoveries, though they would one by one."""
    rng = np.random.default_rng(0)
    found = [feature_drift(features(rng, 20), features(rng, 20), procedure=procedure).moved for _ in range(30)]
    assert sum(map(bool, found)) <= 2
    one, other = features(rng, 20), features(rng, 20)
    each_a_witness = [frame.reset_index(drop=True).rename_axis("asset") for frame in (one, other)]
    assert len(feature_drift(*each_a_witness).moved) >= 5


def test_features_that_moved_are_found():
    """Features that moved by two standard deviations on every asset are found, and sorted first."""
    rng = np.random.default_rng(0)
    found = feature_drift(features(rng, 20), features(rng, 20, shift=2.0, moved=4))
    assert set(found.moved) == {"f0", "f1", "f2", "f3"}
    assert {shift.name for shift in found.shifts[:4]} == set(found.moved)
    assert len(found.shifts) == 20


def test_what_cannot_be_told_is_no_drift():
    """A column that is null, or that one side does not have, has not moved."""
    rng = np.random.default_rng(0)
    before = features(rng, 3).assign(f1=np.nan, gone=1.0)
    found = feature_drift(before, features(rng, 3, shift=5.0, moved=3))
    assert found.moved == ("f0", "f2")
    assert {shift.name for shift in found.shifts} == {"f0", "f1", "f2"}
    assert feature_drift(before[["gone"]], features(rng, 1)).shifts == ()


def test_score_drift_sees_a_higher_mean():
    """Scores that are higher on every asset have moved; the same ones have not."""
    rng = np.random.default_rng(0)
    index = np.repeat(ASSETS, 20)
    before = pd.DataFrame({"asset": index, "probability": rng.beta(1, 20, len(index))})
    after = before.assign(probability=rng.beta(1, 6, len(index)))
    assert score_drift(before, after).p_value < 1e-6
    assert score_drift(before, before).p_value == 1.0
    assert score_drift(before, after.iloc[:0]).p_value == 1.0


def decisions(rng, threshold=0.3, size=6000):
    p = rng.beta(0.5, 4, size)
    told = pd.DataFrame({"asset": rng.choice(ASSETS, size), "probability": p, "alert": p >= threshold})
    return told.assign(positive=rng.random(size) < p)


def test_calibrated_scores_know_their_own_errors():
    """Where probabilities are calibrated, the expected rates are the true ones but for chance."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        told = decisions(rng)
        expected = expected_performance(told, repeats=2)
        missed = (told["positive"] & ~told["alert"]).sum() / told["positive"].sum()
        precision = (told["positive"] & told["alert"]).sum() / told["alert"].sum()
        assert abs(expected.missed.value - missed) < 0.05
        assert abs(expected.precision.value - precision) < 0.05


def test_labels_are_not_needed():
    """By hand: two alerts of .9 and .6, two silent ones of .4 and .1."""
    told = pd.DataFrame(
        {"asset": list("abab"), "probability": [0.9, 0.6, 0.4, 0.1], "alert": [True, True, False, False]}
    )
    expected = expected_performance(told)
    assert expected.missed.value == pytest.approx(0.5 / 2.0)
    assert expected.precision.value == pytest.approx(0.75)
    assert (expected.decisions, expected.alerts) == (4, 2)


def test_nothing_is_expected_of_nothing():
    """Without decisions, or without alerts, there is no figure, and the interval is all there is."""
    told = pd.DataFrame({"asset": list("ab"), "probability": [0.1, 0.2], "alert": [False, False]})
    assert np.isnan(expected_performance(told).precision.value)
    assert expected_performance(told).missed.value == 1.0
    nothing = expected_performance(told.iloc[:0])
    assert (nothing.missed.low, nothing.missed.high, nothing.decisions) == (0.0, 1.0, 0)


@given(st.permutations(range(12)))
def test_order_does_not_matter(order):
    """Shuffled decisions expect the same."""
    told = decisions(np.random.default_rng(3), size=12)
    one, other = (expected_performance(frame, repeats=20) for frame in (told, told.iloc[list(order)]))
    for name in ("missed", "precision"):
        for part in ("value", "low", "high"):
            left, right = (getattr(getattr(each, name), part) for each in (one, other))
            assert left == pytest.approx(right, nan_ok=True)
