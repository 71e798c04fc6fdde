"""How well predictions rank, asset by asset, and what chance would reach."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from models.assessment.ranking import (
    auc_within_assets,
    in_the_top,
    placements,
    probability_by_chance,
    ranking_metrics,
    recall_at,
)

HOUR = pd.Timedelta("1h").as_unit("us")
START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")


@given(st.integers(0, 10_000))
def test_placements_average_to_the_area_where_assets_weigh_the_same(seed: int) -> None:
    """With as many positives for each asset, the mean placement is the area under the ROC curve, ties and all."""
    rng = np.random.default_rng(seed)
    asset = np.repeat(["m1", "m2", "m3"], 20)
    truth = np.tile(np.arange(20) < 4, 3)
    score = rng.integers(0, 15, 60).astype(float)
    assert placements(asset, truth, score).mean() == pytest.approx(roc_auc_score(truth, score))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 20, 21, 40])
def test_a_ranking_by_chance_passes_as_often_as_it_says(n: int) -> None:
    """Of uniform placements, one in twenty has a probability by chance below 0.05, however few assets failed."""
    rng = np.random.default_rng(n)
    drawn = rng.uniform(size=(4000, n))
    passed = np.mean([probability_by_chance(row) <= 0.05 for row in drawn])
    assert passed == pytest.approx(0.05, abs=0.012)


def test_few_failures_have_to_be_ranked_higher() -> None:
    """The same mean placement is chance for one asset and none for eight."""
    assert probability_by_chance([0.8]) == pytest.approx(0.2)
    assert probability_by_chance([0.8] * 8) < 0.01
    assert np.isnan(probability_by_chance([]))
    assert probability_by_chance([1.0, 1.0]) == 0.0
    assert probability_by_chance([0.0, 0.0]) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1))
def test_a_higher_placement_is_never_more_probable_by_chance(values: list[float], other: float) -> None:
    """Raising one placement does not raise the probability, up to the digits of the sum."""
    raised = [max(values[0], other), *values[1:]]
    assert probability_by_chance(raised) <= probability_by_chance(values) + 1e-7


def test_assets_that_differ_do_not_help_within_them() -> None:
    """A score that only names the asset ranks well over all and no better than chance within each."""
    asset = np.repeat(["m1", "m2"], 10)
    truth = np.array([True] * 8 + [False] * 2 + [True] * 2 + [False] * 8)
    score = np.repeat([0.9, 0.1], 10)
    metrics = ranking_metrics(asset, truth, score)
    assert roc_auc_score(truth, score) == pytest.approx(0.8)
    assert (metrics["roc_auc_within_assets"], metrics["assets_with_both"]) == (0.5, 2)
    assert auc_within_assets(asset[:8], truth[:8], score[:8])[1] == 0


@given(st.integers(0, 10_000), st.floats(0.0, 1.0))
def test_recall_at_a_false_positive_rate_keeps_to_it(seed: int, rate: float) -> None:
    """It is the largest recall of any threshold whose false-positive rate is at most the given one."""
    rng = np.random.default_rng(seed)
    truth = np.append(rng.random(30) < 0.3, [True, False])
    score = rng.integers(0, 12, 32).astype(float)
    best = max((score[truth] >= t).mean() for t in [*score, np.inf] if (score[~truth] >= t).mean() <= rate + 1e-12)
    assert recall_at(truth, score, rate) == pytest.approx(best)


def test_the_top_is_counted_once_a_round() -> None:
    """Every round the k highest assets are inspected, each by its latest sample; without positives nothing is found."""
    times = [START + HOUR * h for h in (0, 6, 12, 18)]
    samples = pd.DataFrame([(a, t) for a in ("m1", "m2", "m3") for t in times], columns=["asset", "as_of"])
    samples["truth"] = [False, False, True, True, False, False, False, False, False, False, False, True]
    score = np.array([0.1, 0.1, 0.1, 0.9, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9, 0.2])
    precision, recall = in_the_top(samples, score, k=1, every=24 * HOUR)
    assert (precision, recall) == (0.5, 0.5)
    assert in_the_top(samples, score, k=3, every=24 * HOUR)[1] == 1.0
    nothing = in_the_top(samples.assign(truth=False), score, k=1, every=24 * HOUR)
    assert nothing[0] == 0.0
    assert np.isnan(nothing[1])


def test_one_class_ranks_nothing() -> None:
    """Where nothing failed, or everything, there is no ranking to speak of."""
    asset, score = np.array(["m1", "m2"]), np.array([0.1, 0.9])
    for truth in (np.array([True, True]), np.array([False, False])):
        metrics = ranking_metrics(asset, truth, score)
        assert np.isnan(metrics["ranking_by_chance"])
        assert metrics["assets_failed"] == 0
        assert np.isnan(recall_at(truth, score, 0.1))
