"""What-if comparisons on fleets whose truth is known: the laws of replay, crews, stock and simulated lives."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from models.backtesting.outcome_sources import OutcomeSources
from models.outcomes.outcomes import Terms
from models.planning.worklist_costs import Costs
from models.what_if.alternatives import Alternative, crossed
from models.what_if.compared import COST, DOWNTIME, EXPECTED, Compared, compare
from models.what_if.event_costs import (
    FAILURES,
    FALSE_ALARMS,
    IN_VAIN,
    MISSED,
    OPEN,
    PREVENTED,
    SHORT,
    VISITS,
    EventCosts,
)
from models.what_if.fates import Fates, draw_fates
from models.what_if.fitted_fleet import FittedFleet, FleetRecord, fit_fleet
from models.what_if.lifetimes import fit_lifetimes, spells_of
from models.what_if.potential_failures import potential_failures, recorded_visits, unclear_visits
from models.what_if.replay import RecordedFleet, Replay, ReplayTerms, ScoredModel, replay
from models.what_if.simulated_fleet import SimulatedModel, simulate
from models.what_if.visits import Crews, Span, plan_visits

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
BEGIN = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
TERMS = Terms(lead=0 * HOUR, horizon=72 * HOUR, gap=24 * HOUR, reporting_delay=12 * HOUR)
STRIDE = 6 * HOUR
COSTS = EventCosts(Costs(planned=1.0, failure=50.0, unplanned_hours=10.0), in_vain=4.0, planned_hours=2.0)
THRESHOLD = 0.5
TODAY = Alternative()
ORDERS = ("work_order_id", "asset", "event_time", "known_time", "kind", "component", "finding", "prompted_by")


def make_fleet(seed: int, machines: int = 30, days: int = 120) -> tuple[ScoredModel, pd.DataFrame]:
    """Make a fleet that fails every month or so, and a model whose scores rise before most of the failures."""
    rng = np.random.default_rng(seed)
    steps = int(days * DAY / STRIDE)
    times = BEGIN + STRIDE * np.arange(steps)
    frames, failures = [], []
    for machine in range(machines):
        name = f"m{machine:02d}"
        scores = np.clip(rng.beta(1.2, 8.0, steps) + 0.25 * (rng.random(steps) < 0.03), 0, 0.98)
        at = float(rng.exponential(20.0))
        while at < days:
            first = max(0, int((at - 3) * DAY / STRIDE) + 1)
            last = int(at * DAY / STRIDE) + 1
            strength = rng.choice([0.1, 0.45, 0.8], p=[0.1, 0.3, 0.6])
            scores[first:last] = np.clip(scores[first:last] + strength * np.linspace(0.4, 1.0, last - first), 0, 0.98)
            failures.append((name, BEGIN + at * DAY, rng.choice(["bearing", "pump"])))
            at += 2 + float(rng.weibull(1.8) * 30)
        frames.append(pd.DataFrame({"asset": name, "as_of": times, "72h": scores, "24h": scores * 0.8}))
    failed = pd.DataFrame(failures, columns=["asset", "event_time", "mode"])
    failed = failed.assign(failure_id=[f"f{number}" for number in range(len(failed))])
    failed["event_time"] = failed["event_time"].dt.round("us").astype("datetime64[us, UTC]")
    failed["known_time"] = failed["event_time"] + HOUR
    columns = {72 * HOUR: "72h", 24 * HOUR: "24h"}
    scores_frame = pd.concat(frames, ignore_index=True).astype({"as_of": "datetime64[us, UTC]"})
    return ScoredModel("plant version 1", 1, THRESHOLD, 72 * HOUR, columns, scores_frame), failed


def sources_of(failures: pd.DataFrame, orders: pd.DataFrame | None = None, days: int = 120) -> OutcomeSources:
    empty = pd.DataFrame({name: [] for name in ORDERS}).astype(
        {"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"}
    )
    return OutcomeSources(BEGIN + days * DAY, failures, empty if orders is None else orders, TERMS)


def shared_by(model: ScoredModel, days: int = 120) -> ReplayTerms:
    span = Span(BEGIN + 5 * DAY, BEGIN + (days - 5) * DAY, tuple(sorted(model.scores["asset"].unique())))
    return ReplayTerms(span, 0 * HOUR, 72 * HOUR, 10 * DAY)


@cache
def recorded() -> tuple[ScoredModel, RecordedFleet, ReplayTerms]:
    model, failures = make_fleet(1)
    return model, RecordedFleet.of(sources_of(failures), model), shared_by(model)


def replayed(alternative: Alternative) -> Replay:
    model, fleet, shared = recorded()
    return replay(alternative, model, fleet, shared, COSTS)


@cache
def fitted() -> tuple[FittedFleet, Fates]:
    model, fleet, shared = recorded()
    renewals = fleet.potential.assign(failed=True, routine=False)
    span = (BEGIN, BEGIN + 120 * DAY)
    record = FleetRecord(shared.span.assets, span, span, STRIDE, renewals, fleet.potential, model.scores)
    made = fit_fleet(record, 72 * HOUR)
    return made, draw_fates(made, 12, 110.0, seed=0)


def simulated(alternative: Alternative) -> Replay:
    _, _, shared = recorded()
    made, fates = fitted()
    threshold = THRESHOLD if alternative.threshold is None else alternative.threshold
    return simulate(alternative, SimulatedModel("plant", 0, threshold, TERMS), made, fates, shared, COSTS)


WAYS = pytest.mark.parametrize("way", [replayed, simulated])


@WAYS
def test_a_higher_threshold_trades_false_alarms_for_misses(way: "type[replayed]") -> None:
    """Raising the threshold never raises false alarms and never lowers missed failures; over the range both move."""
    totals = [way(replace(TODAY, threshold=each)).counts.sum() for each in (0.25, 0.35, 0.5, 0.7, 0.9)]
    false, missed = [one[FALSE_ALARMS] for one in totals], [one[MISSED] for one in totals]
    assert false == sorted(false, reverse=True)
    assert missed == sorted(missed)
    assert false[0] > false[-1]
    assert missed[-1] > missed[0]


@WAYS
def test_no_crews_are_no_maintenance(way: "type[replayed]") -> None:
    """With crews for no machine everything happens as under a threshold that no score reaches, whatever alarms say."""
    none, silent = way(replace(TODAY, machines_per_day=0)), way(replace(TODAY, threshold=1.0))
    done = [FAILURES, PREVENTED, VISITS, IN_VAIN, OPEN, SHORT]
    pd.testing.assert_frame_equal(none.counts[done], silent.counts[done])
    assert none.counts[VISITS].sum() == 0
    assert none.counts[FAILURES].sum() > 0
    costs = [one.figures[COST] for one in compare([none, silent], COSTS, simulated=way is simulated)]
    assert costs[0] == costs[1]


def test_no_crews_leave_the_recorded_failures() -> None:
    """Without maintenance exactly the recorded failures of the span happen."""
    _, fleet, shared = recorded()
    times = fleet.potential["event_time"]
    inside = (times > shared.span.since) & (times <= shared.span.until)
    assert replayed(replace(TODAY, machines_per_day=0)).counts[FAILURES].sum() == inside.sum()


@WAYS
def test_today_differs_from_itself_by_nothing(way: "type[replayed]") -> None:
    """The same settings under another name differ by exactly zero in every figure and draw."""
    again = way(replace(TODAY, threshold=THRESHOLD))
    rows = compare([way(TODAY), again], COSTS, simulated=way is simulated)
    for one in rows:
        assert all(each.value == each.low == each.high == 0.0 for each in one.differences.values())
        assert one.cheaper == 0.0
        assert one.difference_at_least == one.difference_at_most == 0.0


@WAYS
def test_crews_that_come_prevent_failures(way: "type[replayed]") -> None:
    """More places a day never make more failures, and without a limit downtime and cost are lower than with none."""
    rows = [way(replace(TODAY, machines_per_day=each)) for each in (0, 1, None)]
    failures = [one.counts[FAILURES].sum() for one in rows]
    assert failures[0] > failures[1] >= failures[2]
    compared = compare(rows, COSTS, simulated=way is simulated)
    assert compared[2].differences[DOWNTIME].high < 0
    assert compared[2].differences[COST].high < 0
    assert compared[2].cheaper == 1.0


@WAYS
def test_inspections_by_the_calendar_come_on_top(way: "type[replayed]") -> None:
    """Inspecting every few days prevents failures that alarms miss, and makes more visits in vain."""
    silent = replace(TODAY, threshold=1.0)
    never, often = way(silent).counts.sum(), way(replace(silent, inspect_every=4 * DAY)).counts.sum()
    assert often[PREVENTED] > 0
    assert often[FAILURES] < never[FAILURES]
    assert often[IN_VAIN] > never[IN_VAIN] == 0


@WAYS
def test_a_smaller_stock_is_short_more_often(way: "type[replayed]") -> None:
    """Fewer parts in stock are missing more often; without a stock none are counted as missing."""
    short = [way(replace(TODAY, stock=(("bearing", each),))).counts[SHORT].sum() for each in (0, 1, 30)]
    assert short[0] > short[1] > short[2] == 0
    assert way(TODAY).counts[SHORT].sum() == 0


def test_a_horizon_takes_its_own_probabilities() -> None:
    """Another horizon that the model predicts is alerted on by that horizon's probabilities."""
    short = replayed(replace(TODAY, horizon=24 * HOUR)).counts.sum()
    assert short[MISSED] > replayed(TODAY).counts[MISSED].sum()


def repaired(asset: str, at: pd.Timestamp, finding: str | None) -> pd.DataFrame:
    """Return the work order of a visit that an alarm prompted."""
    row = ("w1", asset, at, at + HOUR, "inspection", "bearing", finding, "alarm")
    times = {"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"}
    return pd.DataFrame([row], columns=list(ORDERS)).astype(times)


def lone(finding: str | None) -> tuple[Compared, Compared, Replay]:
    """Return a fleet whose one failure was averted, under today's threshold and under one that calls nobody."""
    at = BEGIN + 30 * DAY + HOUR
    times = BEGIN + STRIDE * np.arange(240)
    score = np.where((times > at - 36 * HOUR) & (times < at), 0.6, 0.01)
    scores = pd.DataFrame({"asset": "m1", "as_of": times, "72h": score}).astype({"as_of": "datetime64[us, UTC]"})
    model = ScoredModel("lone", 1, THRESHOLD, 72 * HOUR, {72 * HOUR: "72h"}, scores)
    failures = make_fleet(1)[1].iloc[:0]
    fleet = RecordedFleet.of(sources_of(failures, repaired("m1", at, finding), 60), model)
    shared = ReplayTerms(Span(BEGIN + 5 * DAY, BEGIN + 50 * DAY, ("m1",)), 0 * HOUR, 72 * HOUR, DAY)
    rows = [replay(one, model, fleet, shared, COSTS) for one in (TODAY, replace(TODAY, threshold=0.9))]
    first, second = compare(rows, COSTS, simulated=False)
    return first, second, rows[1]


def test_a_repaired_defect_has_no_counterfactual() -> None:
    """Who is called by then prevents it; for who is not it is open, counted by the model's probability and bounded."""
    today, silent, row = lone("defect_confirmed")
    assert today.figures[PREVENTED].value == 1
    assert today.open_defects == 0
    assert silent.open_defects == 1
    assert row.counts[FAILURES].sum() == 0
    assert silent.figures[EXPECTED].value == pytest.approx(0.6)
    assert silent.figures[MISSED].value == 0
    assert (silent.cost_at_least, silent.cost_at_most) == pytest.approx((0.0, 50.0))
    # Today pays 1 for the repair; the other one 0 or 50.
    assert silent.difference_at_least == pytest.approx(-1.0)
    assert silent.difference_at_most == pytest.approx(49.0)


def test_a_visit_without_a_finding_stays_unknown() -> None:
    """A visit whose recorded one reported nothing is neither in vain nor has it prevented anything."""
    today, silent, _ = lone(None)
    assert (today.figures[VISITS].value, today.figures[IN_VAIN].value, today.unknown_visits) == (1, 0, 1)
    assert today.cost_at_most - today.cost_at_least == COSTS.in_vain
    assert silent.figures[VISITS].value == 0
    assert lone("no_fault_found")[0].figures[IN_VAIN].value == 1


def test_a_visit_reported_twice_is_one() -> None:
    """The strongest finding counts, once: neither a second defect nor an unclear visit is left."""
    at = BEGIN + 30 * DAY
    both = pd.concat([repaired("m1", at, "not_inspected"), repaired("m1", at + 5 * HOUR, "defect_confirmed")])
    other = repaired("m1", at + 40 * DAY, "defect_confirmed").assign(work_order_id="w3")
    audit = repaired("m1", at + 6 * HOUR, "no_fault_found").assign(work_order_id="w4", prompted_by="audit")
    for named in (("P1", "P1"), ("P1", None), (None, "P1")):
        orders = both.assign(work_order_id=["finding-P1", "4711"], prediction_id=named)
        sources = sources_of(make_fleet(1)[1].iloc[:0], pd.concat([orders, other, audit]))
        visits = recorded_visits(sources)
        assert visits["finding"].tolist() == ["defect_confirmed", "no_fault_found", "defect_confirmed"]
        assert potential_failures(sources)["event_time"].tolist() == [at + 5 * HOUR, at + 40 * DAY]
        assert unclear_visits(sources).empty
    assert len(recorded_visits(sources_of(make_fleet(1)[1].iloc[:0], both.assign(work_order_id=["w1", "w2"])))) == 2


@given(places=st.integers(0, 3), seed=st.integers(0, 50), response=st.sampled_from([0, 7, 30]))
@settings(max_examples=25, deadline=None)
def test_crews_keep_to_their_places(places: int, seed: int, response: int) -> None:
    """No day has more visits than places, and none comes sooner after its alarm than crews can."""
    rng = np.random.default_rng(seed)
    times = BEGIN + STRIDE * rng.integers(0, 80, 60)
    alerts = pd.DataFrame({"asset": rng.choice([f"m{n}" for n in range(9)], 60), "as_of": times})
    alerts = alerts.drop_duplicates().assign(probability=rng.random(len(alerts.drop_duplicates())))
    alerts = alerts.astype({"as_of": "datetime64[us, UTC]"})
    span = Span(BEGIN, BEGIN + 40 * DAY, tuple(sorted(alerts["asset"].unique())))
    free = plan_visits(alerts, TERMS, Crews(None, response * HOUR, None), span)
    visits = plan_visits(alerts, TERMS, Crews(places, response * HOUR, 9 * DAY), span)
    assert visits["visited_at"].dt.floor("D").value_counts().max() <= places if len(visits) else places >= 0
    waited = (visits["visited_at"] - visits["alarmed_at"]).dropna()
    assert (waited >= response * HOUR).all()
    assert (free["visited_at"] - free["alarmed_at"] == response * HOUR).all()
    assert set(map(tuple, visits[["asset", "alarmed_at"]].dropna().to_numpy())) <= set(
        map(tuple, free[["asset", "alarmed_at"]].to_numpy())
    )


def test_alternatives_are_crossed_and_few() -> None:
    """Values of several options are crossed, and more rows than anybody reads are refused."""
    made = crossed(replace(TODAY, machines_per_day=2), threshold=[0.2, 0.5], horizon=[24 * HOUR, 72 * HOUR])
    assert len(made) == 4
    assert all(one.machines_per_day == 2 for one in made)
    with pytest.raises(UsageError, match="no alternative"):
        crossed(TODAY)
    with pytest.raises(UsageError, match="at most 24"):
        crossed(TODAY, threshold=[number / 30 for number in range(25)])
    with pytest.raises(UsageError, match="a threshold of 2"):
        crossed(TODAY, threshold=[2.0])


def test_few_failures_make_lives_exponential() -> None:
    """With too few failures the shape is not fitted: all the time watched counts, and 2 failures are 2 failures."""
    events = pd.DataFrame({"asset": ["a", "b"], "event_time": [BEGIN + 5 * DAY, BEGIN + 9 * DAY]})
    spells = spells_of("pump", events.assign(failed=True, routine=False), ("a", "b", "c"), (BEGIN, BEGIN + 20 * DAY))
    lives = fit_lifetimes(spells, np.ones((1, 3)))
    assert not lives.fitted
    assert lives.scale[0] == pytest.approx(3 * 20 * 24 / 2)


@pytest.mark.verify
def test_intervals_hold_the_true_difference() -> None:
    """The bootstrap's interval of the extra cost holds the expected one in about nine of ten histories."""
    other = replace(TODAY, threshold=0.3)
    ends = []
    for seed in range(100, 200):
        model, failures = make_fleet(seed, machines=25, days=60)
        fleet, shared = RecordedFleet.of(sources_of(failures, days=60), model), shared_by(model, 60)
        rows = [replay(one, model, fleet, shared, COSTS) for one in (TODAY, other)]
        cost = compare(rows, COSTS, simulated=False, seed=seed)[1].differences[COST]
        ends.append((cost.value, cost.low, cost.high))
    value, low, high = np.array(ends).T
    held = (low <= value.mean()) & (value.mean() <= high)
    assert 0.83 <= held.mean() <= 0.97
