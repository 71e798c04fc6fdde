"""Intervals by assets: as wide as the assets make them, never of width zero."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.outcomes.rate_intervals import clustered_occurrence, clustered_share, occurrence, share

COUNTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(COUNTS)
def test_assets_never_make_an_interval_narrower(rows: list[tuple[int, int]]) -> None:
    """An interval by assets holds the one of independent trials and has a width, however few the assets."""
    count = [good for good, _ in rows]
    trials = [good + bad for good, bad in rows]
    clustered, plain = clustered_share(count, trials), share(sum(count), sum(trials))
    assert (clustered.count, clustered.of) == (plain.count, plain.of)
    assert clustered.low <= plain.low + 1e-9
    assert clustered.high >= plain.high - 1e-9
    assert 0 <= clustered.low < clustered.high <= 1


@settings(max_examples=200, deadline=None)
@given(COUNTS)
def test_assets_never_make_an_interval_of_counts_narrower(rows: list[tuple[int, int]]) -> None:
    """The same of events per asset-month."""
    count, months = [events for events, _ in rows], [1.0 + spare for _, spare in rows]
    clustered, plain = clustered_occurrence(count, months), occurrence(sum(count), sum(months))
    assert (clustered.count, clustered.of) == (plain.count, plain.of)
    assert clustered.low <= plain.low + 1e-9
    assert clustered.high >= plain.high - 1e-9
    assert 0 <= clustered.low < clustered.high


def test_one_asset_is_one_trial() -> None:
    """A single asset counts as one trial or one event, however many it has."""
    many, once = clustered_share([40], [400]), clustered_share([4], [40])
    assert (many.low, many.high) == (once.low, once.high)
    assert many.high - many.low > 0.7
    assert clustered_occurrence([50], [100.0]).high == pytest.approx(0.5 * occurrence(1, 1.0).high)


def test_assets_that_do_not_differ_cost_little() -> None:
    """Where every asset has one trial, trials are as independent as they can be."""
    own = [1] * 5 + [0] * 15
    assert clustered_share(own, [1] * 20).high == pytest.approx(share(5, 20).high, abs=1e-3)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_intervals_cover_as_often_as_they_promise(spread: float) -> None:
    """With assets alike or very different, 95 % intervals hold the truth about so often; plain ones need not."""
    rng = np.random.default_rng(20260101)
    covered = {"share": 0, "plain": 0, "occurrence": 0}
    for _ in range(400):
        risk = rng.beta(0.25, 0.75, 40) if spread else np.full(40, 0.25)
        trials = rng.integers(1, 9, 40)
        count = rng.binomial(trials, risk)
        clustered, plain = clustered_share(count, trials), share(int(count.sum()), int(trials.sum()))
        covered["share"] += clustered.low <= 0.25 <= clustered.high
        covered["plain"] += plain.low <= 0.25 <= plain.high
        rate = rng.gamma(0.5, 1.0, 40) if spread else np.full(40, 0.5)
        events = clustered_occurrence(rng.poisson(rate * trials), trials)
        covered["occurrence"] += events.low <= 0.5 <= events.high
    assert covered["share"] >= 0.92 * 400
    assert covered["occurrence"] >= 0.90 * 400
    assert (covered["plain"] < 0.85 * 400) == bool(spread)
