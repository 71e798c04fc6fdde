"""Promises by strata: what they allow at another mix, how they are carried on, counted and stored."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.monitoring.budget import Budget
from models.monitoring.drift import FN, FP, detect_drift, evidence_of
from models.monitoring.look_strata import look_mixes, mix_factors, strata_remarks, stratum_figures, stratum_totals
from models.monitoring.looks import Grid, Look, count_looks
from models.monitoring.provisional import tightened
from models.outcomes.error_rates import ErrorRates, occurrence, share
from models.outcomes.outcomes import Outcomes, Terms, outcomes
from models.outcomes.reference_tags import LONGEST, RATES, STRATA, read_reference, reference_tags
from models.outcomes.stratum_counts import NOT_RECORDED, Membership, StratumCounts, evaluated_strata, group_columns
from models.promises.chain import VersionPromise, bind
from models.promises.limits import limit
from models.promises.mixed_limits import mixed_limit, stratified
from models.promises.pooling import pool
from models.promises.reference_rates import FALSE, MISSED, ReferenceRates, StratumRate
from models.promises.succession import ChampionEvidence, binding_promise

START, DAY, HOUR = pd.Timestamp("2026-01-01", tz="UTC"), pd.Timedelta(days=1), pd.Timedelta(hours=1)
WEEK, MONTH = 7 * DAY, 30 * DAY
CERTAINTY = Budget().certainty
BY_PLANT = Budget(strata="plant")
TERMS = Terms(lead=0 * HOUR, horizon=24 * HOUR, gap=6 * HOUR, reporting_delay=12 * HOUR)

Counts = list[tuple[int, int]]


def strata(counts: Counts) -> tuple[StratumRate, ...]:
    """Return counts of plants p0, p1, ..."""
    return tuple(
        StratumRate("plant", f"p{n}", float(events), float(amount)) for n, (events, amount) in enumerate(counts)
    )


def promised(missed: Counts, false: Counts = [(5, 10), (20, 10)]) -> ReferenceRates:  # noqa: B006 - not changed
    """Return a promise of plants p0, p1, ..., of (missed, failures) and (false episodes, asset-months)."""
    return ReferenceRates(
        share(*map(sum, zip(*missed, strict=True))),
        occurrence(*map(sum, zip(*false, strict=True))),
        missed_strata=strata(missed),
        false_strata=strata(false),
    )


APART = promised([(10, 100), (40, 100)], [(30, 100), (120, 100)])

some_counts = st.lists(
    st.integers(1, 60).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))), min_size=2, max_size=5
)
parts = st.lists(st.floats(0.0, 1.0), min_size=6, max_size=6).filter(lambda values: sum(values) > 0.1)


@settings(deadline=None, max_examples=25)
@given(some_counts, st.sampled_from([MISSED, FALSE]))
def test_at_the_evaluated_mix_a_promise_is_the_overall_one(counts: Counts, rate: str) -> None:
    """Whatever the counts: strata change nothing before their mix does."""
    promise = promised(counts, counts)
    mix = {f"p{number}": float(amount) for number, (_, amount) in enumerate(counts)}
    assert mixed_limit(promise, rate, CERTAINTY, "plant", mix) == pytest.approx(
        limit(promise, rate, CERTAINTY), rel=1e-3
    )


@pytest.mark.parametrize("rate", [MISSED, FALSE])
def test_a_worse_plant_may_have_a_larger_part(rate: str) -> None:
    """The larger the part of the plant that errs more, the more keeps the promise; not where plants are alike."""
    at = [
        mixed_limit(APART, rate, CERTAINTY, "plant", {"p0": 1 - part, "p1": part}) for part in (0.0, 0.2, 0.5, 0.8, 1.0)
    ]
    assert at == sorted(at)
    assert at[-1] > 1.3 * at[2] > 1.3 * 1.5 * at[0]
    alike = promised([(25, 100), (25, 100)], [(75, 100), (75, 100)])
    at = [mixed_limit(alike, rate, CERTAINTY, "plant", {"p0": 1 - part, "p1": part}) for part in (0.5, 0.6)]
    assert at[1] == pytest.approx(at[0], rel=0.01)


@pytest.mark.parametrize("rate", [MISSED, FALSE])
def test_a_plant_that_was_not_evaluated_has_the_looser_end(rate: str) -> None:
    """Never less than the overall promise; more, where the others differ."""
    new = {"p9": 1.0}
    assert mixed_limit(APART, rate, CERTAINTY, "plant", new) > 1.2 * limit(APART, rate, CERTAINTY)
    alike = promised([(50, 200), (50, 200)], [(150, 200), (150, 200)])
    assert mixed_limit(alike, rate, CERTAINTY, "plant", new) >= limit(alike, rate, CERTAINTY)


def test_few_events_make_a_stratum_loose_not_lucky() -> None:
    """A plant without a miss among three failures is held to little less than all plants together are."""
    few = promised([(0, 3), (12, 40)])
    assert mixed_limit(few, MISSED, CERTAINTY, "plant", {"p0": 1.0}) > 0.75 * limit(few, MISSED, CERTAINTY)
    strata_rates = stratified(few, MISSED, "plant")
    assert strata_rates is not None
    assert 0.4 < strata_rates.shrunk()["p0"] < 1 < strata_rates.shrunk()["p1"] < 12 / 40 / (12 / 43)


@settings(deadline=None, max_examples=15)
@given(st.lists(some_counts, min_size=2, max_size=4), parts)
def test_no_mix_is_allowed_more_than_a_predecessor_promised(chain: list[Counts], weights: list[float]) -> None:
    """Each champion is held, at every mix and so in every plant alone, to the tightest promise of those before it."""
    versions = [VersionPromise(number, promised(counts, counts)) for number, counts in enumerate(chain, 1)]
    mixes = [{f"p{n}": weight for n, weight in enumerate(weights)}, *({f"p{n}": 1.0} for n in range(6))]
    for last in range(2, len(versions) + 1):
        bound = bind(versions[:last], CERTAINTY).rates
        for rate, mix in ((rate, mix) for rate in (MISSED, FALSE) for mix in mixes):
            for place, each in enumerate(versions[:last]):
                if stratified(each.rates, rate, "plant") is not None:
                    before = mixed_limit(each.rates.at(place), rate, CERTAINTY, "plant", mix)
                    assert mixed_limit(bound, rate, CERTAINTY, "plant", mix) <= before * (1 + 1e-9)


def test_what_a_person_accepts_begins_anew() -> None:
    """A looser promise that was accepted is not held to the strata of those before."""
    first, second = (_evaluation(counts) for counts in ([(5, 50), (5, 50)], [(20, 50), (20, 50)]))
    chain = [ChampionEvidence(1, first), ChampionEvidence(2, second)]
    kept = binding_promise(chain, CERTAINTY).rates
    accepted = binding_promise([chain[0], replace(chain[1], accepted=True)], CERTAINTY).rates
    assert kept.others
    assert not accepted.others
    one = {"p0": 1.0}
    assert mixed_limit(accepted, MISSED, CERTAINTY, "plant", one) > mixed_limit(kept, MISSED, CERTAINTY, "plant", one)


def test_a_promise_from_before_strata_takes_how_they_differ_from_the_last_evaluation() -> None:
    """The overall rate is the earlier one's."""
    before = VersionPromise(1, replace(promised([(10, 100), (10, 100)]), missed_strata=(), false_strata=()))
    bound = bind([before, VersionPromise(2, APART)], CERTAINTY)
    assert bound.missed_from == 1
    assert bound.rates.strata(MISSED) == APART.strata(MISSED)
    assert limit(bound.rates, MISSED, CERTAINTY) == limit(before.rates, MISSED, CERTAINTY)
    assert mixed_limit(bound.rates, MISSED, CERTAINTY, "plant", {"p1": 1.0}) > limit(before.rates, MISSED, CERTAINTY)


def test_pooling_adds_strata_by_what_each_source_counts_for() -> None:
    """Ten of forty failures of the predecessor count; strata of another column stay as they are."""
    own, other = promised([(2, 10), (2, 10)]), promised([(4, 20), (4, 20)])
    other = other.with_strata(MISSED, (*other.strata(MISSED), StratumRate("model", "m", 8.0, 40.0)))
    pooled = pool(own, other, "both", most=10.0)
    assert pooled.missed.of == 30
    assert [one.amount for one in pooled.strata(MISSED, "plant")] == pytest.approx([15.0, 15.0])
    assert pooled.strata(MISSED, "model") == (StratumRate("model", "m", 8.0, 40.0),)


def look(number: int, counts: dict[str, tuple[int, int, int, float]]) -> Look:
    own = tuple(StratumCounts("plant", name, *each) for name, each in counts.items())
    return Look(
        START + number * WEEK,
        sum(one.missed for one in own),
        sum(one.failures for one in own),
        sum(one.false_episodes for one in own),
        sum(one.exposure for one in own),
        strata=own,
    )


def test_a_shift_of_the_mix_is_no_drift_by_strata() -> None:
    """All failures come from the worse plant, at its own rate: over the overall promise, within its own."""
    looks = [look(n, {"p1": (8, 20, 12, 10.0)}) for n in range(1, 31)]
    plain, by_plant = (evidence_of(looks, APART, budget) for budget in (Budget(), BY_PLANT))
    assert {each.rate for each in plain if each.rejected} == {FN, FP}
    assert not any(each.rejected for each in by_plant)
    misses = next(each for each in by_plant if each.rate == FN)
    assert misses.strata == "plant"
    assert min(misses.mixes) > 1.4
    assert next(each for each in plain if each.rate == FN).mixes == ()


@pytest.mark.ml_test("Model 6")
def test_a_plant_that_is_worse_is_seen_although_the_overall_rate_is_kept() -> None:
    """The good plant misses three times as much as before; it has four of five failures."""
    looks = [look(n, {"p0": (5, 16, 4, 8.0), "p1": (1, 4, 2, 2.0)}) for n in range(1, 31)]
    plain, by_plant = (evidence_of(looks, APART, budget) for budget in (Budget(), BY_PLANT))
    assert not any(each.rejected for each in plain if each.rate == FN)
    assert any(each.rejected for each in by_plant if each.rate == FN)


def test_a_provisional_promise_is_tightened_at_its_mix() -> None:
    """Looks at the better plant alone make no promise for the worse one: the earlier limit stays where it is lower."""
    thin = promised([(1, 10), (4, 10)])
    looks = [look(n, {"p0": (1, 10, 0, 5.0)}) for n in range(1, 9)]
    assert tightened(thin, MISSED, [replace(each, strata=()) for each in looks], CERTAINTY, 30) is not None
    settled = tightened(thin, MISSED, looks, CERTAINTY, 30, "plant")
    assert settled is not None
    new = settled[1]
    assert new.strata(MISSED, "plant")[0].amount > 30
    for mix in ({"p0": 1.0}, {"p1": 1.0}, {"p0": 1.0, "p1": 1.0}):
        before = mixed_limit(thin, MISSED, CERTAINTY, "plant", mix)
        assert mixed_limit(new, MISSED, CERTAINTY, "plant", mix) <= before
    assert mixed_limit(new, MISSED, CERTAINTY, "plant", {"p1": 1.0}) > 0.4


def test_figures_and_remarks() -> None:
    """Each stratum has its counts and its promise; a new one, and a promise that is not divided, are said."""
    looks = [look(1, {"p0": (1, 10, 2, 5.0), "east": (1, 2, 0, 1.0)}), look(2, {"p0": (0, 4, 0, 5.0)})]
    east, first = stratum_figures(looks, APART, CERTAINTY, "plant")
    assert (first.counts.failures, first.evaluated, east.evaluated) == (14, True, False)
    assert first.missed is not None
    assert first.missed.value == pytest.approx(0.1, abs=0.02)
    assert first.sentence.startswith("plant p0: 1 of 14 failures missed, promised ")
    assert [one for one in strata_remarks((east, first), APART, "plant") if "plant east" in one]
    bare = replace(APART, missed_strata=(), false_strata=())
    remarks = strata_remarks(stratum_figures(looks, bare, CERTAINTY, "plant"), bare, "plant")
    assert [("not divided by plant" in each, "has no counts by plant" in each) for each in remarks] == [
        (True, True)
    ] * 2
    assert mix_factors(bare, MISSED, CERTAINTY, "plant", look_mixes(looks)) is None
    one = replace(APART, missed_strata=APART.missed_strata[:1])
    assert "one plant only" in strata_remarks((), one, "plant")[0]
    assert strata_remarks((), bare, "none") == ()


# Counting


def known(now: float, assets: tuple[str, ...] = ("a", "b", "c")) -> Outcomes:
    predictions = pd.DataFrame(
        [
            (asset, START + day * DAY, (asset, day) in {("a", 2), ("b", 9), ("c", 9)})
            for asset in assets
            for day in range(1, int(now))
        ],
        columns=["asset", "as_of", "alert"],
    )
    rows = [("f1", "a", 2.5), ("f2", "b", 6.5), ("f3", "a", 12.5)]
    failures = pd.DataFrame(
        [(name, asset, START + day * DAY, START + day * DAY) for name, asset, day in rows],
        columns=["failure_id", "asset", "event_time", "known_time"],
    ).astype({"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"})
    columns = ["work_order_id", "asset", "event_time", "known_time", "kind", "component", "finding", "prompted_by"]
    orders = pd.DataFrame(columns=columns)
    orders = orders.astype({"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"})
    return outcomes(predictions, failures, orders, now=START + now * DAY, terms=TERMS)


def records(rows: list[tuple[str, float, str | None]]) -> pd.DataFrame:
    frame = pd.DataFrame(
        [(asset, START + day * DAY, START + day * DAY, "pump", plant, "running") for asset, day, plant in rows],
        columns=["asset", "event_time", "known_time", "asset_type", "plant", "status"],
    )
    return frame.astype({"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"})


ASSETS = records([("a", -9, "north"), ("a", 10, "south"), ("b", 3, "south"), ("c", 0, None)])


def test_strata_add_up_to_the_look_and_follow_an_asset_that_moves() -> None:
    """An asset counts in the plant that it was in; before its first record in that one; without a plant by itself."""
    seen = count_looks(known(28), Grid(START, WEEK, membership=Membership.of(ASSETS, "plant")))
    for each in seen:
        assert sum(one.failures for one in each.strata) == each.failures
        assert sum(one.missed for one in each.strata) == each.missed
        assert sum(one.false_episodes for one in each.strata) == each.false_episodes
        assert sum(one.exposure for one in each.strata) == pytest.approx(each.exposure, abs=1e-3)
    totals = {one.name: one for one in stratum_totals(seen)}
    assert {name: (one.missed, one.failures) for name, one in totals.items()} == {
        "north": (0, 1), "south": (2, 2), NOT_RECORDED: (0, 0)
    }  # fmt: skip
    assert totals[NOT_RECORDED].false_episodes == 1
    assert [replace(each, strata=()) for each in seen] == [*count_looks(known(28), Grid(START, WEEK))]


def test_an_evaluation_counts_every_column_that_groups_assets() -> None:
    """Neither names of single assets, nor what changes by itself, nor a column with one value."""
    assets = ASSETS.assign(line="l1", model=["x", "x", "y", "y"], serial=["1", "1", "2", "3"])
    assert group_columns(assets) == ("plant", "model")
    counted = evaluated_strata(known(28), START, assets, MONTH)
    assert {one.by for one in counted} == {"plant", "model"}
    assert {(one.by, one.name): one.failures for one in counted if one.failures} == {
        ("plant", "north"): 1, ("plant", "south"): 2, ("model", "x"): 2, ("model", "y"): 1
    }  # fmt: skip


def test_drift_says_what_each_plant_did() -> None:
    """The result has a row a stratum, and its looks are stored without them."""
    grid = Grid(START, WEEK, membership=Membership.of(ASSETS, "plant"))
    promise = replace(APART, missed_strata=_renamed(APART.missed_strata), false_strata=_renamed(APART.false_strata))
    drift = detect_drift(known(28), promise, BY_PLANT, grid)
    values = drift.to_dict()
    assert [one["name"] for one in values["strata"]] == ["north", NOT_RECORDED, "south"]
    assert (
        values["strata"][0]["promised"]["missed"]["keeps_up_to"]
        < values["strata"][2]["promised"]["missed"]["keeps_up_to"]
    )
    assert all("strata" not in each for each in values["looks"])
    assert any(NOT_RECORDED in reason for reason in drift.reasons)
    assert "with the plants as they were in these looks up to" in drift.reasons[0]
    plain = detect_drift(known(28), promise, Budget(), replace(grid, membership=None)).to_dict()
    assert plain["strata"] == []


def _renamed(own: tuple[StratumRate, ...]) -> tuple[StratumRate, ...]:
    return tuple(replace(one, name=name) for one, name in zip(own, ("north", "south"), strict=True))


# Storing


def _evaluation(counts: Counts, names: Any = None) -> ErrorRates:
    none = share(1, 4)
    own = tuple(
        StratumCounts("plant", f"p{n}" if names is None else names[n], missed, failures, 2, 10.0)
        for n, (missed, failures) in enumerate(counts)
    )
    missed, failures = map(sum, zip(*counts, strict=True))
    false = occurrence(2 * len(counts), 10.0 * len(counts))
    rates = ErrorRates(START, START + MONTH, share(missed, failures), false, none, none, 0, 0, 0, 0, 0.95)
    return replace(rates, strata=own)


def test_strata_are_stored_beside_the_rates() -> None:
    """What was read before is what it was; versions without the tag have none."""
    rates = _evaluation([(1, 10), (4, 10)])
    tags = reference_tags(rates)
    assert tags[RATES] == reference_tags(replace(rates, strata=()))[RATES]
    assert read_reference(tags) == rates
    assert read_reference({RATES: tags[RATES]}) == replace(rates, strata=())
    assert read_reference({}) is None
    assert ErrorRates.from_dict(rates.to_dict()) == rates


def test_a_tag_has_room_for_so_many() -> None:
    """Columns that find no room are left out whole."""
    rates = _evaluation([(1, 10)] * 60, names=["x" * 120 + str(n) for n in range(60)])
    small = StratumCounts("a column", "y", 1, 10, 2, 10.0)
    tags = reference_tags(replace(rates, strata=(small, *rates.strata)))
    assert len(tags[STRATA]) < LONGEST
    read = read_reference(tags)
    assert read is not None
    assert read.strata == (small,)


def test_levels_of_looks_are_relative_to_their_mix() -> None:
    """Looks of one plant and of the other in turn, each at its rate, do not look like dispersed ones."""
    alternating = [look(n, {f"p{n % 2}": ((2, 8)[n % 2], 20, 1, 1.0)}) for n in range(1, 41)]
    worse = [look(n, {f"p{n % 2}": ((6, 14)[n % 2], 20, 1, 1.0)}) for n in range(41, 47)]
    evidence = evidence_of([*alternating, *worse], APART.only(MISSED), BY_PLANT)
    recent = next(each for each in evidence if each.test == "recent")
    assert recent.rejected_at is not None
    assert recent.rejected_at > alternating[-1].at
    assert np.isfinite(recent.log_e_values).all()
