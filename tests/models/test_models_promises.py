"""Promises: how high a rate may be by its evidence, pooling, the tightest of a chain, and what a loose one hides."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.monitoring.detection_chance import chance_to_see
from models.monitoring.drift import Budget, detect_drift
from models.monitoring.looks import Grid, Look
from models.monitoring.provisional import provisional, tightened
from models.outcomes.error_rates import occurrence, share
from models.outcomes.outcomes import Outcomes, Terms
from models.outcomes.rate_intervals import clustered_occurrence, clustered_share
from models.promises.chain import VersionPromise, bind
from models.promises.limits import effective_exposure, effective_trials, harmful, limit
from models.promises.pooling import pool, without_selection
from models.promises.reference_rates import FALSE, MISSED, ReferenceRates

CERTAINTY = Budget().certainty
START, WEEK = pd.Timestamp("2026-01-01", tz="UTC"), pd.Timedelta(days=7)


def promised(missed: int, failures: int, false: int = 0, months: float = 0.0, source: str = "it") -> ReferenceRates:
    return ReferenceRates(share(missed, failures), occurrence(false, months), source)


@given(st.integers(1, 30), st.integers(2, 20))
def test_more_evidence_of_the_same_rate_allows_less(missed: int, times: int) -> None:
    """The limit is above the rate and falls towards it; what harms is above the limit."""
    few, many = promised(missed, 40, missed, 40.0), promised(missed * times, 40 * times, missed * times, 40.0 * times)
    for name in (MISSED, FALSE):
        limits = [limit(each, name, CERTAINTY) for each in (few, many)]
        assert few.rate(name).value < limits[1] < limits[0] < harmful(limits[0], name, CERTAINTY)


@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 8))
def test_a_promise_that_replaces_others_has_to_be_surer(missed: int, more: int, place: int) -> None:
    """The later a promise comes, the higher its limit; all later ones together spend half of what the first does."""
    promise = promised(missed, missed + more, missed, 10.0)
    for name in (MISSED, FALSE):
        assert limit(promise.at(place), name, CERTAINTY) <= limit(promise.at(place + 1), name, CERTAINTY)
    spent = sum(1 - CERTAINTY.at(later) for later in range(1, 1000))
    assert spent == pytest.approx((1 - CERTAINTY.certainty) / 2, rel=0.01)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=2, max_size=12))
def test_clusters_are_read_back_from_an_interval(assets: list[tuple[int, int]]) -> None:
    """The effective number gives the interval again, and is never more than there was."""
    missed, caught = np.array(assets).T
    rate = clustered_share(missed, missed + caught)
    trials = effective_trials(rate, 0.95)
    assert 0 < trials <= rate.of
    events = clustered_occurrence(missed, np.ones(len(missed)))
    assert 0 < effective_exposure(events, 0.95) <= events.of + 1e-9
    alike = share(rate.count, int(rate.of))
    assert effective_trials(alike, 0.95) == pytest.approx(alike.of)
    independent = occurrence(events.count, events.of)
    assert effective_exposure(independent, 0.95) == pytest.approx(independent.of)


def test_failures_of_few_assets_allow_more_than_as_many_of_many() -> None:
    """Where an asset is missed always or never, its failures are one; the limit says so."""
    alike = ReferenceRates(clustered_share([1] * 10, [4] * 10), occurrence(0, 0.0))
    apart = ReferenceRates(clustered_share([4, 4, 2] + [0] * 7, [4] * 10), occurrence(0, 0.0))
    assert alike.missed.value == apart.missed.value
    assert limit(apart, MISSED, CERTAINTY) > limit(alike, MISSED, CERTAINTY) + 0.05


def test_nothing_promised_has_no_limit() -> None:
    """Without a failure, or any time watched, any rate keeps the promise."""
    nothing = ReferenceRates.of(None, "an import")
    assert limit(nothing, MISSED, CERTAINTY) == limit(nothing, FALSE, CERTAINTY) == np.inf


def test_agreeing_sources_add_up_and_contradicting_ones_do_not() -> None:
    """Sources that agree count in full, with a narrower interval; one that contradicts does not move the rate."""
    own, same, other = promised(6, 35, 30, 40.0), promised(10, 60, 50, 60.0), promised(50, 60, 600, 60.0)
    both = pool(own, same, "both")
    assert (both.missed.count, both.missed.of, both.source) == (16, 95, "both")
    assert both.missed.value == pytest.approx(16 / 95)
    assert both.false_episodes.value == pytest.approx(0.8)
    for name in (MISSED, FALSE):
        assert limit(both, name, CERTAINTY) < limit(own, name, CERTAINTY)
        assert pool(own, other, "both").rate(name).value == pytest.approx(own.rate(name).value, rel=0.01)


def test_the_promise_before_counts_for_a_few_events_at_most() -> None:
    """However much it rests on, it adds no more than the limit to a small promise, and all of itself to none."""
    large, small = promised(200, 1000, 1000, 1000.0), promised(3, 12, 9, 10.0)
    both = pool(small, large, "both", most=10.0)
    assert both.missed.of == 22
    assert both.false_episodes.of == pytest.approx(20.0)
    alone = pool(ReferenceRates.of(None, ""), large, "before", most=10.0)
    assert effective_trials(alone.missed, 0.95) == pytest.approx(10.0)


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_mean_of_both_models_holds_no_luck_of_the_winner(champion: int, challenger: int) -> None:
    """Whichever of two models won, the promise is the same: what decided between them does not enter."""
    one, other = (promised(missed, 30, missed, 20.0) for missed in (champion, challenger))
    first, second = without_selection(one, other, "it"), without_selection(other, one, "it")
    assert first.missed.high == pytest.approx(second.missed.high)
    assert first.missed.value == pytest.approx((champion + challenger) / 60)
    assert first.false_episodes.value == pytest.approx((champion + challenger) / 40)


def test_the_tightest_promise_counts_rate_by_rate() -> None:
    """Misses are held to one version's promise and false alarms to another's, each with its own source."""
    first = VersionPromise(1, promised(20, 100, 100, 100.0, "first"))
    second = VersionPromise(2, promised(40, 100, 20, 100.0, "second"))
    bound = bind([first, second], CERTAINTY)
    assert (bound.missed_from, bound.false_from, bound.kept) == (1, 2, (MISSED,))
    assert (bound.rates.source_of(MISSED), bound.rates.source_of(FALSE)) == ("first", "second")
    assert (bound.rates.place_of(MISSED), bound.rates.place_of(FALSE)) == (0, 1)
    assert bound.own == second.rates
    assert bind([second], CERTAINTY).kept == ()


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40)), min_size=1, max_size=6))
def test_no_promotion_makes_the_promise_looser(counts: list[tuple[int, int]]) -> None:
    """Along any chain of promotions neither limit ever rises."""
    chain = [VersionPromise(n, promised(missed, 30, false, 40.0)) for n, (missed, false) in enumerate(counts, 1)]
    for name in (MISSED, FALSE):
        limits = [limit(bind(chain[: n + 1], CERTAINTY).rates, name, CERTAINTY) for n in range(len(chain))]
        assert limits == sorted(limits, reverse=True)


def test_a_version_without_failures_keeps_the_promise_before() -> None:
    """A new champion that was evaluated on nothing is held to what the one before promised."""
    bound = bind([VersionPromise(1, promised(6, 35)), VersionPromise(2, ReferenceRates.of(None, ""))], CERTAINTY)
    assert (bound.missed_from, bound.rates.missed.of) == (1, 35)


def _looks(missed: list[int], failures: int = 5) -> list[Look]:
    return [Look(START + (n + 1) * WEEK, each, failures, 0, 0.0) for n, each in enumerate(missed)]


def test_a_provisional_promise_is_made_tighter_once_and_never_looser() -> None:
    """After as many of its own failures as declared a small promise is estimated anew, where that is tighter."""
    small = promised(2, 6)
    assert provisional(small, MISSED, 30)
    assert not provisional(promised(6, 35), MISSED, 30)
    assert tightened(small, MISSED, _looks([1] * 5), CERTAINTY, 30) is None
    settled = tightened(small, MISSED, _looks([1] * 20), CERTAINTY, 30)
    assert settled is not None
    place, tighter = settled
    assert place == 6
    assert limit(tighter, MISSED, CERTAINTY) < limit(small, MISSED, CERTAINTY)
    assert tightened(small, MISSED, _looks([4] * 20), CERTAINTY, 30) is None
    assert tightened(small, MISSED, _looks([1] * 20), CERTAINTY, 0) is None


def _outcomes(missed: list[int], failures: int = 5) -> Outcomes:
    """Return outcomes in which so many of each week's failures, each of its own asset, were missed."""
    rows = [
        (f"w{week}m{number}", START + week * WEEK + pd.Timedelta(hours=1), "missed" if number < each else "caught")
        for week, each in enumerate(missed)
        for number in range(failures)
    ]
    frame = pd.DataFrame(rows, columns=["asset", "event_time", "state"]).assign(
        matured_at=lambda own: own["event_time"]
    )
    empty = pd.DataFrame(columns=["asset", "opened", "as_of", "state", "alert", "evidence"]).assign(
        matured_at=pd.Series(dtype="datetime64[us, UTC]"), covered=pd.Series(dtype="timedelta64[us]")
    )
    times = {"opened": "datetime64[us, UTC]", "as_of": "datetime64[us, UTC]"}
    empty = empty.astype(times)
    nothing = pd.Timedelta(0)
    terms = Terms(lead=nothing, horizon=WEEK, gap=WEEK, reporting_delay=nothing)
    return Outcomes(START + len(missed) * WEEK, terms, empty, empty, frame)


def test_what_a_small_promise_hides_is_seen_once_it_is_settled() -> None:
    """A promise of 2 in 6 hides 60 % for ever; settled by a few healthy looks it does not, and the evidence goes on."""
    history = [1] * 8 + [3] * 20
    grid, outcomes = Grid(START, WEEK), _outcomes(history)
    drift = detect_drift(outcomes, promised(2, 6), Budget(), grid)
    assert drift.drifted
    assert drift.promise is not None
    assert drift.promise.missed.of > 30
    assert "together with the champion's first 6 looks" in drift.reasons[0]
    assert all(len(each.log_e_values) == len(history) for each in drift.evidence)
    never = detect_drift(outcomes, promised(2, 6), replace(Budget(), promise_events=0), grid)
    assert not never.drifted
    assert never.promise is not None
    assert never.promise.missed == share(2, 6)


def test_a_looser_promise_hides_what_a_tighter_one_shows() -> None:
    """The chance to see a worse rate rises with the evidence of the promise; a kept one is hardly refuted."""
    loose, tight = promised(4, 15, 12, 10.0), promised(20, 100, 100, 100.0)
    for name, kept, true in ((MISSED, 0.2, 0.45), (FALSE, 1.0, 2.0)):
        seen = [chance_to_see(each, name, true, budget=Budget(), per_look=6.0, histories=60) for each in (loose, tight)]
        assert seen[0] < seen[1] - 0.3
        assert seen[1] > 0.8
        assert chance_to_see(tight, name, kept, budget=Budget(), per_look=6.0, histories=60) < 0.1
