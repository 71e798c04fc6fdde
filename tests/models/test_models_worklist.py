"""The worklist: what it costs to wait, and the best plan under the crews there are."""

from dataclasses import replace
from itertools import product
from typing import Any, get_args, get_type_hints

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from models.planning.worklist import Costs, Day, Job, LeftOut, Risk, Why, Worklist, days_from, plan
from models.planning.worklist_assignment import UNASSIGNED, assign
from models.planning.worklist_costs import expected_costs, survival
from serving.schemas.answers import LeftOutLine

START = pd.Timestamp("2026-01-05T06:00Z").as_unit("us")
HOUR = pd.Timedelta(hours=1)
COSTS = Costs(planned=2_000.0, failure=30_000.0, downtime_per_hour=1_000.0, unplanned_hours=12.0)


def job(asset: str, *probabilities: float, **changes: Any) -> Job:
    hours = {1: (72.0,), 3: (24.0, 72.0, 168.0)}[len(probabilities)]
    return Job(asset, Risk(START, hours, probabilities), **{"costs": COSTS} | changes)


@st.composite
def fleets(draw: st.DrawFn, most: int = 7) -> list[Job]:
    """Draw assets that differ in everything."""
    jobs = []
    for number in range(draw(st.integers(1, most))):
        probabilities = sorted(draw(st.lists(st.floats(0, 1), min_size=3, max_size=3)))
        costs = Costs(
            planned=draw(st.floats(0, 20_000)),
            failure=draw(st.floats(0, 100_000)),
            downtime_per_hour=draw(st.floats(0, 5_000)),
            unplanned_hours=draw(st.floats(0, 24)),
        )
        jobs.append(
            job(
                f"m{number}",
                *probabilities,
                costs=costs,
                repair_hours=draw(st.sampled_from([2.0, 4.0, 7.0, 11.0])),
                failures_per_hour_after=draw(st.sampled_from([0.0, 0.001])),
            )
        )
    return jobs


CREWS = st.tuples(st.none() | st.integers(0, 3), st.none() | st.sampled_from([0.0, 8.0, 16.0]))


def by_a_rule(jobs: list[Job], days: tuple[Day, ...]) -> float:
    """Put jobs in their order on the first day with room on which they save something; return what is saved."""
    until = max([days[-1].begins + 24 * HOUR, *(one.risk.ends for one in jobs)])
    machines, hours = ([getattr(day, name) for day in days] for name in ("machines", "hours"))
    saved = 0.0
    for one in jobs:
        begins = np.array([(day.begins - START) / HOUR for day in days])
        costs, without = expected_costs(one, START, begins, (until - START) / HOUR)
        for day in range(len(days)):
            place = machines[day] is None or machines[day] >= 1
            time = hours[day] is None or hours[day] >= one.repair_hours
            if place and time and costs[day] < without:
                machines[day] = None if machines[day] is None else machines[day] - 1
                hours[day] = None if hours[day] is None else hours[day] - one.repair_hours
                saved += without - costs[day]
                break
    return saved


def test_the_survival_curve_runs_through_every_probability_given() -> None:
    """At each horizon it is what the model says; beyond the last the last hazard goes on."""
    risk = Risk(START, (24.0, 72.0, 168.0), (0.1, 0.3, 0.4))
    alive, _ = survival(risk, START, np.array([0.0, 24.0, 72.0, 168.0, 264.0]))
    assert alive[:4] == pytest.approx([1, 0.9, 0.7, 0.6])
    assert alive[4] / alive[3] == pytest.approx(alive[3] / alive[2])


def test_an_asset_that_runs_at_the_start_has_survived_up_to_then() -> None:
    """A prediction that is a day old gives what is left of it, given that the asset still runs."""
    risk = Risk(START - 24 * HOUR, (24.0, 72.0), (0.5, 0.75))
    alive, _ = survival(risk, START, np.array([0.0, 48.0]))
    assert alive == pytest.approx([1, 0.5])


def test_no_failure_is_counted_within_the_lead() -> None:
    """Within the lead nothing is predicted."""
    alive, lived = survival(Risk(START + 12 * HOUR, (24.0,), (0.5,)), START, np.array([12.0, 36.0]))
    assert alive == pytest.approx([1, 0.5])
    assert lived[0] == pytest.approx(12)


def test_costs_are_those_of_a_simulation() -> None:
    """Expected costs are the mean of many simulated lives, failures after repairs included."""
    one = job("m", 0.2, 0.5, 0.9, failures_per_hour_after=0.004)
    hours, until = np.array([0.0, 24.0, 100.0]), 168.0
    costs, without = expected_costs(one, START, hours, until)
    rng = np.random.default_rng(7)
    grid = np.linspace(0, until, 4_000)
    alive, _ = survival(one.risk, START, grid)
    drawn = rng.random(200_000)
    fails = np.where(drawn < 1 - alive[-1], np.interp(drawn, 1 - alive, grid), np.inf)
    for repair, expected in zip([*hours, np.inf], [*costs, without], strict=True):
        failed = fails < min(repair, until)
        renewed = np.where(failed, fails, min(repair, until))
        later = rng.poisson(0.004 * (until - renewed))
        planned = ~failed & (repair < until)
        mean = (COSTS.of_failure * (failed + later) + COSTS.of_repair(8.0) * planned).mean()
        assert mean == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("hours", "probabilities"),
    [
        ((), ()),
        ((24.0,), (0.1, 0.2)),
        ((24.0, 24.0), (0.1, 0.2)),
        ((24.0, 72.0), (0.2, 0.1)),
        ((24.0,), (1.1,)),
        ((24.0,), (float("nan"),)),
        ((24.0,), (-0.1,)),
        ((float("nan"),), (0.1,)),
        ((0.0,), (0.1,)),
    ],
)
def test_an_invalid_risk_is_refused(hours: tuple[float, ...], probabilities: tuple[float, ...]) -> None:
    """Horizons ascend, probabilities never fall, and both are numbers."""
    with pytest.raises(UsageError):
        Risk(START, hours, probabilities)


@given(fleets(), CREWS, st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_crews_are_never_overloaded(jobs: list[Job], crews: tuple[int | None, float | None], count: int) -> None:
    """No day has more machines or hours than there are, every asset has one place, and every repair saves something."""
    worklist = plan(jobs, days_from(START, count, machines=crews[0], hours=crews[1]))
    took = {one.asset: one.repair_hours for one in jobs}
    for day in range(count):
        there = [line.asset for line in worklist.lines if line.day == day]
        assert crews[0] is None or len(there) <= crews[0]
        assert crews[1] is None or sum(took[asset] for asset in there) <= crews[1] + 1e-6
    named = [*(line.asset for line in worklist.lines), *(left.asset for left in worklist.left_out)]
    assert sorted(named) == sorted(took)
    assert all(line.saves > 0 for line in worklist.lines)
    assert all(START <= line.begins <= line.latest <= worklist.until for line in worklist.lines)


@given(fleets(4), CREWS, st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_no_other_plan_saves_more(jobs: list[Job], crews: tuple[int | None, float | None], count: int) -> None:
    """Every plan there is was tried: none is cheaper."""
    days = days_from(START, count, machines=crews[0], hours=crews[1])
    worklist = plan(jobs, days)
    begins = np.arange(count) * 24.0
    until = (worklist.until - START) / HOUR
    saves = []
    for one in jobs:
        costs, without = expected_costs(one, START, begins, until)
        saves.append([*(without - costs), 0.0])
    best = 0.0
    for chosen in product(range(count + 1), repeat=len(jobs)):
        own = [[number for number, day in enumerate(chosen) if day == each] for each in range(count)]
        if all(crews[0] is None or len(there) <= crews[0] for there in own) and all(
            crews[1] is None or sum(jobs[number].repair_hours for number in there) <= crews[1] for there in own
        ):
            best = max(best, sum(saves[number][day] for number, day in enumerate(chosen)))
    assert worklist.proven
    assert worklist.saves == pytest.approx(best, rel=1e-9, abs=1e-6)


@given(fleets(), CREWS, st.integers(1, 4), st.randoms())
@settings(max_examples=150, deadline=None)
def test_it_costs_no_more_than_ordering_by_probability_or_arrival(
    jobs: list[Job], crews: tuple[int | None, float | None], count: int, chance: Any
) -> None:
    """The plan is at least as cheap as two rules of thumb."""
    days = days_from(START, count, machines=crews[0], hours=crews[1])
    worklist = plan(jobs, days)
    came = chance.sample(jobs, len(jobs))
    likely = sorted(jobs, key=lambda one: -one.risk.probabilities[-1])
    assert worklist.saves >= max(by_a_rule(came, days), by_a_rule(likely, days)) - 1e-6
    assert worklist.cost + worklist.saves == pytest.approx(worklist.cost_without)


@given(fleets(), st.integers(0, 3), st.sampled_from([4.0, 8.0, 16.0]), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_more_crews_and_more_days_never_cost_more(jobs: list[Job], machines: int, hours: float, count: int) -> None:
    """A plan that was possible stays possible."""
    few = plan(jobs, days_from(START, count, machines=machines, hours=hours)).saves
    assert plan(jobs, days_from(START, count, machines=machines + 1, hours=hours)).saves >= few - 1e-6
    assert plan(jobs, days_from(START, count, machines=machines, hours=hours + 4)).saves >= few - 1e-6
    # As long as the end up to which costs are counted stays the same.
    assert plan(jobs, days_from(START, count + 1, machines=machines, hours=hours)).saves >= few - 1e-6


@given(fleets(), CREWS, st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_an_asset_is_not_preferred_to_one_that_saves_more_every_day(
    jobs: list[Job], crews: tuple[int | None, float | None], count: int
) -> None:
    """A repair that saves more on each day and takes no longer is not left out for another."""
    worklist = plan(jobs, days_from(START, count, machines=crews[0], hours=crews[1]))
    until = (worklist.until - START) / HOUR
    begins = np.arange(count) * 24.0
    saves = {}
    for one in jobs:
        costs, without = expected_costs(one, START, begins, until)
        saves[one.asset] = without - costs
    took = {one.asset: one.repair_hours for one in jobs}
    for line in worklist.lines:
        for left in worklist.left_out:
            better = saves[left.asset] > saves[line.asset] + 1e-6
            assert not (better.all() and took[left.asset] <= took[line.asset])


@given(fleets(), CREWS, st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_assets_does_not_matter(
    jobs: list[Job], crews: tuple[int | None, float | None], chance: Any
) -> None:
    """The same assets in another order give the same plan."""
    days = days_from(START, 2, machines=crews[0], hours=crews[1])
    assert plan(chance.sample(jobs, len(jobs)), days) == plan(jobs, days)


def test_equal_assets_are_repaired_by_name_and_as_early_as_there_is_room() -> None:
    """Nothing is left to chance where all is equal."""
    worklist = plan([job(name, 0.6) for name in "dbca"], days_from(START, 3, machines=1, hours=None))
    assert [(line.asset, line.day) for line in worklist.lines] == [("a", 0), ("b", 1), ("c", 2)]
    never = [job(name, 0.0, 0.0, 0.9) for name in "ba"]
    worklist = plan(never, days_from(START, 2, machines=1, hours=None))
    assert [(line.asset, line.day) for line in worklist.lines] == [("a", 0), ("b", 1)]


def test_it_says_why_an_asset_is_left_out() -> None:
    """Not worth it, no crew, too long, and the caller's own reason."""
    jobs = [job("sound", 0.001), job("first", 0.9), job("second", 0.5), job("long", 0.9, repair_hours=20.0)]
    unknown = {"gone": LeftOut("gone", "retired", "asset retired")}
    worklist = plan(jobs, days_from(START, 1, machines=1, hours=16.0), unknown=unknown)
    assert [line.asset for line in worklist.lines] == ["first"]
    assert {left.asset: left.why for left in worklist.left_out} == {
        "sound": "saves_less_than_it_costs",
        "second": "no_crew_free",
        "long": "too_long_for_a_day",
        "gone": "retired",
    }
    second = next(left for left in worklist.left_out if left.asset == "second")
    assert second.latest is not None
    assert f"{second.latest:%Y-%m-%d %H:%M}" in second.reason


def test_up_to_the_latest_time_a_repair_costs_less_than_none_and_an_hour_later_it_does_not() -> None:
    """`latest` is the last whole hour at which acting is cheaper than not acting."""
    one = job("m", 0.2, 0.4, 0.5)
    worklist = plan([one], days_from(START, 7, machines=1, hours=None))
    latest = (worklist.lines[0].latest - START) / HOUR
    costs, without = expected_costs(one, START, np.array([latest, latest + 1]), (worklist.until - START) / HOUR)
    assert costs[0] < without <= costs[1]


def test_a_risk_that_only_rises_later_can_wait() -> None:
    """With a risk after the repair too, the plan waits until the old part is the greater one."""
    late = job("m", 0.0, 0.0, 0.9, failures_per_hour_after=0.002)
    worklist = plan([late], days_from(START, 7, machines=1, hours=None))
    assert worklist.lines[0].day == 3


def test_the_smallest_saving_is_a_saving() -> None:
    """A saving too small to be scaled for the solver is still better than none."""
    assert assign(np.array([[5e-324]]), np.array([1.0]), [None], [None], 1.0).day.tolist() == [0]


def test_a_plan_cut_short_by_the_time_limit_says_so() -> None:
    """Then it says how much more another plan could save."""
    rng = np.random.default_rng(7)
    saves, took = rng.uniform(1, 2, (60, 6)), rng.uniform(1, 9, 60)
    assignment = assign(saves, took, [None] * 6, [17.0] * 6, seconds=1e-3)
    assert assignment.proven or assignment.optimality_gap > 0
    done = assignment.day != UNASSIGNED
    assert (np.bincount(assignment.day[done], took[done], minlength=6) <= 17 + 1e-6).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("places", "hours", "step", "seconds"),
    [
        (None, 200.0, 1.0, 5.0),
        (None, 260.0, 1.0, 5.0),
        (30, 220.0, 1.0, 5.0),
        (20, 160.0, 1.0, 1e-6),
        (None, 5.0, 0.1, 1e-6),
    ],
)
def test_nothing_that_saves_is_left_out_while_a_day_has_room(
    seed: int, places: int | None, hours: float, step: float, seconds: float
) -> None:
    """Neither gap, time limit nor sums of tenths of hours leave crews idle; the optimality gap accounts for it."""
    rng = np.random.default_rng(seed)
    saves = rng.lognormal(8, 2, (200, 1)) * np.sort(rng.uniform(-0.1, 1, (200, 5)), axis=1)[:, ::-1]
    took = rng.integers(2, 13, 200) * step
    assignment = assign(saves, took, [places] * 5, [hours] * 5, seconds, gap=1e-3)
    done = assignment.day != UNASSIGNED
    time = hours - np.bincount(assignment.day[done], took[done], minlength=5)
    free = np.inf if places is None else places - np.bincount(assignment.day[done], minlength=5)
    assert (time >= -1e-6).all()
    assert np.all(free >= 0)
    fits = (saves > 0) & (took[:, None] <= time + 1e-10) & (free >= 1)
    assert not fits[~done].any()
    saved = saves[done, assignment.day[done]].sum()
    assert 0 <= assignment.optimality_gap <= np.maximum(saves, 0).max(axis=1).sum() - saved + 1e-6
    assert not assignment.proven or assignment.optimality_gap <= 1e-3 * saved


def test_an_asset_that_fails_before_the_first_day_needs_no_place() -> None:
    """Costs are counted from the start, be it before the first day; an asset that hardly lasts until then goes last."""
    jobs = [job("soon", 0.95, 0.96, 0.97), job("later", 0.1, 0.6, 0.9)]
    crews: dict[str, Any] = {"machines": 1, "hours": None}
    at_once = plan(jobs, days_from(START, 1, **crews))
    assert [line.asset for line in at_once.lines] == ["soon"]
    tomorrow = plan(jobs, days_from(START + 24 * HOUR, 1, **crews), start=START)
    assert [line.asset for line in tomorrow.lines] == ["later"]
    assert tomorrow.lines[0].fails_before == pytest.approx(0.1)
    with pytest.raises(UsageError, match="before the start"):
        plan(jobs, days_from(START, 1, **crews), start=START + HOUR)


def test_an_asset_may_not_be_repeated() -> None:
    """Not among those to plan for, nor among those that are left out."""
    with pytest.raises(UsageError, match="twice"):
        plan([job("m", 0.5), job("m", 0.6)], days_from(START, 1, machines=1, hours=None))
    with pytest.raises(UsageError, match="twice"):
        plan([job("m", 0.5)], days_from(START, 1, machines=1, hours=None), unknown={"m": LeftOut("m", "retired", "")})


def test_a_fleet_of_two_hundred_is_planned_for_a_week_within_a_second() -> None:
    """A scheduler waits for it."""
    rng = np.random.default_rng(7)
    jobs = [
        job(f"m{number:03}", *np.sort(rng.beta(0.5, 4, 3)), repair_hours=float(rng.integers(2, 12)))
        for number in range(200)
    ]
    began = pd.Timestamp.now()
    worklist: Worklist = plan(jobs, days_from(START, 7, machines=4, hours=24.0), seconds=10.0)
    assert pd.Timestamp.now() - began < pd.Timedelta(seconds=3)
    assert worklist.proven or worklist.optimality_gap < 1e-3 * worklist.saves
    assert plan([replace(one) for one in jobs], days_from(START, 7, machines=4, hours=24.0)) == worklist


def test_why_an_asset_is_left_out_has_the_words_of_the_answers() -> None:
    """The client's types list them too, and have no platform to import them from."""
    assert get_args(Why) == get_args(get_type_hints(LeftOutLine)["why"].__value__)
