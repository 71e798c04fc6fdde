"""The simulated fleet: deterministic, closed-loop, and true to what it declares."""

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import NotFoundError, UsageError
from pipelines.fleet import CLEAN, COMPONENTS, Fleet, make_scenario, make_scenarios, simulate

START = pd.Timestamp("2025-01-06", tz="UTC")
TABLES = ("telemetry", "assets", "failures", "work_orders", "events")
HOUR = pd.Timedelta(hours=1)
DAY = pd.Timedelta(days=1)


def assert_same(first, second, tables=TABLES):
    for table in tables:
        pd.testing.assert_frame_equal(getattr(first, table), getattr(second, table), obj=table)


@pytest.fixture(scope="module")
def fleet():
    """Return 30 machines after 90 days without alarms, and all that became known."""
    fleet = Fleet(3, 30, start=START)
    return fleet, fleet.advance(START + 90 * DAY)


def test_same_seed_same_fleet():
    """The same seed gives the same frames, another seed others."""
    assert_same(simulate(5, 8, start=START, days=20), simulate(5, 8, start=START, days=20))
    other = simulate(6, 8, start=START, days=20)
    assert not simulate(5, 8, start=START, days=20).telemetry.equals(other.telemetry)


def test_steps_do_not_matter():
    """Advancing day by day gives the rows that advancing at once gives, each when it became known."""
    until = START + 30 * DAY
    whole = Fleet(5, 10, start=START, scenario=make_scenario("process_change", 11.3)).advance(until)
    fleet = Fleet(5, 10, start=START, scenario=make_scenario("process_change", 11.3))
    daily = [fleet.advance(START + day * DAY) for day in range(1, 31)]
    for table in TABLES:
        parts = pd.concat([getattr(batch, table) for batch in daily], ignore_index=True)
        pd.testing.assert_frame_equal(parts, getattr(whole, table), obj=table)


def test_batches_hold_what_became_known():
    """A batch holds only rows known after the one before and by its own end; late rows come in later batches."""
    fleet = Fleet(2, 20, start=START)
    fleet.advance(START + 5 * DAY)
    batch = fleet.advance(START + 6 * DAY)
    for table in ("telemetry", "failures", "work_orders", "events"):
        known = getattr(batch, table)["known_time"]
        assert known.gt(START + 5 * DAY).all(), table
        assert known.le(START + 6 * DAY).all(), table
    assert batch.telemetry["event_time"].lt(START + 5 * DAY - HOUR).any()
    assert batch.assets.empty


def test_frames_keep_the_conventions(fleet):
    """Times are microseconds in UTC, text is str, readings float64, and nothing is known before it happens."""
    for table in TABLES:
        frame = getattr(fleet[1], table)
        for column, dtype in frame.dtypes.astype(str).items():
            expected = "datetime64[us, UTC]" if column.endswith("_time") else ("str", "float64")
            assert dtype in expected, (table, column)
        assert frame["known_time"].ge(frame["event_time"]).all(), table


def test_empty_batches_are_typed():
    """A batch in which nothing became known has the columns and types of every other."""
    full = simulate(1, 20, start=START, days=20)
    fleet = Fleet(1, 20, start=START)
    fleet.advance(START)
    empty = fleet.advance(START)
    for table in TABLES:
        assert getattr(empty, table).empty
        assert getattr(empty, table).dtypes.to_dict() == getattr(full, table).dtypes.to_dict(), table


def test_failures_come_at_a_rate_worth_watching(fleet):
    """Sixty machines would see between 1.2 and 2.2 failures a day, and every mode occurs."""
    failures = fleet[1].failures
    assert 1.2 <= 2 * len(failures) / 90 <= 2.2
    assert set(failures["mode"]) == set(COMPONENTS)


def test_a_broken_machine_is_silent_until_repaired(fleet):
    """Between a failure and its corrective order a machine sends nothing, and the order names what failed."""
    simulated, batch = fleet
    orders = batch.work_orders[batch.work_orders["kind"] == "corrective"]
    assert orders["prompted_by"].eq("failure").all()
    assert orders["finding"].eq("defect_confirmed").all()
    truth = simulated.truth()
    for failure in batch.failures.head(20).itertuples():
        repaired = orders[(orders["asset"] == failure.asset) & (orders["event_time"] > failure.event_time)].iloc[0]
        assert repaired["component"] == failure.mode
        between = (truth["asset"] == failure.asset) & truth["event_time"].between(
            failure.event_time, repaired["event_time"]
        )
        assert not truth.loc[between, "sent"].any()


def test_maintenance_renews_the_component(fleet):
    """After routine or corrective work a component is as new, the others as before."""
    simulated, batch = fleet
    levels = simulated.truth().set_index(["asset", "event_time"])[list(COMPONENTS)]
    worked = 0
    for order in batch.work_orders.itertuples():
        after = order.event_time + HOUR
        if order.event_time == START or (order.asset, after) not in levels.index:
            continue
        before, now = levels.loc[(order.asset, order.event_time)], levels.loc[(order.asset, after)]
        assert now[order.component] < 0.2
        others = [name for name in COMPONENTS if name != order.component]
        assert (now[others] >= before[others]).all()
        worked += before[order.component] >= 0.2
    assert worked > 10


def test_alarms_prevent_failures():
    """A fleet whose worn machines are inspected fails far less often than one without alarms."""
    until = START + 60 * DAY
    without_alarms = Fleet(4, 15, start=START).advance(until)
    watched = Fleet(4, 15, start=START)
    batches = [watched.advance(START + DAY)]
    while watched.now < until:
        truth = watched.truth()
        last = truth[truth["event_time"] == truth["event_time"].max()]
        worn = last.loc[last[list(COMPONENTS)].max(axis=1) > 0.35, "asset"]
        alarms = [(asset, watched.now) for asset in worn]
        batches.append(watched.advance(watched.now + DAY, alarms))
    failures = sum(len(batch.failures) for batch in batches)
    assert failures < 0.6 * len(without_alarms.failures)
    orders = pd.concat([batch.work_orders for batch in batches])
    assert orders.loc[orders["kind"] == "inspection", "finding"].eq("defect_confirmed").sum() > 10


def test_an_alarm_leads_to_an_inspection():
    """An alarm is answered within 4 to 24 h; the order is known at once, its finding only later, under the same id."""
    fleet = Fleet(9, 40, start=START)
    fleet.advance(START + 2 * DAY)
    alarms = [(asset, fleet.now) for asset in fleet.machines.assets]
    batch = fleet.advance(START + 10 * DAY, alarms)
    inspections = batch.work_orders[batch.work_orders["kind"] == "inspection"]
    first = inspections.groupby("work_order_id").first()
    last = inspections.groupby("work_order_id").last()
    assert inspections["prompted_by"].eq("alarm").all()
    assert len(first) >= 35
    waited = first["event_time"] - (START + 2 * DAY)
    # An inspection of a machine that stands for routine work waits a few hours more.
    assert waited.between(4 * HOUR, 27 * HOUR).all()
    assert inspections.groupby("work_order_id").size().eq(2).all()
    assert inspections.groupby("work_order_id")["finding"].agg(lambda findings: findings.isna().sum()).eq(1).all()
    assert (last["known_time"] > first["known_time"]).all()
    assert set(last["finding"]) >= {"no_fault_found"}
    assert last.loc[last["finding"] == "defect_confirmed", "component"].isin(COMPONENTS).all()


def test_an_alarm_changes_only_its_own_machine():
    """All other machines live on exactly as without the alarm."""
    until = START + 40 * DAY
    without, alarmed = Fleet(4, 10, start=START), Fleet(4, 10, start=START)
    without.advance(until)
    alarmed.advance(START + 5 * DAY)
    alarmed.advance(until, [("cnc-003", START + 5 * DAY)])
    expected, others = (
        fleet.truth().loc[lambda truth: truth["asset"] != "cnc-003"].reset_index(drop=True)
        for fleet in (without, alarmed)
    )
    pd.testing.assert_frame_equal(
        expected.sort_values(["asset", "event_time"], ignore_index=True),
        others.sort_values(["asset", "event_time"], ignore_index=True),
    )


def test_repeated_alarms_lead_to_one_inspection():
    """Alarms on a machine that is about to be inspected, or was inspected in the last two days, change nothing."""
    fleet = Fleet(9, 5, start=START)
    once = fleet.advance(START + 3 * DAY, [("cnc-002", START + DAY)] * 4).work_orders
    assert len(set(once.loc[once["kind"] == "inspection", "work_order_id"])) <= 1


@pytest.mark.parametrize("kind", ["process_change", "recalibration"])
def test_scenarios_start_on_their_day(kind):
    """Before its day a scenario changes nothing, from then on it does."""
    plain = simulate(8, 12, start=START, days=20)
    changed = simulate(8, 12, start=START, days=20, scenario=make_scenario(kind, 10))
    day = START + 10 * DAY
    for table in ("telemetry", "events"):
        frames = (getattr(batch, table) for batch in (plain, changed))
        early = [frame[frame["event_time"] <= day].drop(columns="event_id", errors="ignore") for frame in frames]
        pd.testing.assert_frame_equal(*(frame.reset_index(drop=True) for frame in early))
    assert not plain.telemetry.equals(changed.telemetry)


def test_scenarios_leave_the_wear_alone():
    """Scenarios change what is seen, not what fails."""
    batches = [
        simulate(8, 12, start=START, days=40, scenario=make_scenario(kind, 10))
        for kind in ("none", "process_change", "recalibration")
    ]
    for batch in batches[1:]:
        assert_same(batches[0], batch, tables=("failures", "work_orders"))


def test_recalibration_is_announced():
    """Each recalibrated machine has one event at the start, and reads higher from then on; the others do not."""
    day = START + 20 * DAY
    scenario = make_scenario("recalibration", 20)
    plain = simulate(8, 30, start=START, days=40, dirt=CLEAN).telemetry
    batch = simulate(8, 30, start=START, days=40, dirt=CLEAN, scenario=scenario)
    recalibrated = batch.events[batch.events["code"] == "sensor_recalibrated"]
    assert len(recalibrated) == round(scenario.share * 30) == recalibrated["asset"].nunique()
    assert recalibrated["event_time"].between(day, day + HOUR).all()
    ratio = batch.telemetry["spindle_vibration"] / plain["spindle_vibration"]
    after = batch.telemetry["event_time"] > day
    affected = batch.telemetry["asset"].isin(recalibrated["asset"])
    assert np.allclose(ratio[after & affected].dropna(), scenario.gains["spindle_vibration"])
    assert np.allclose(ratio[after & ~affected].dropna(), 1.0)


def test_an_unreported_recalibration_differs_by_its_events_only():
    """Recalibrated machines read the same whether they raise an event or not."""
    reported = simulate(8, 12, start=START, days=20, scenario=make_scenario("recalibration", 10))
    unreported = simulate(8, 12, start=START, days=20, scenario=make_scenario("recalibration", 10, reported=False))
    assert_same(reported, unreported, tables=("telemetry", "failures", "work_orders"))
    assert not unreported.events["code"].eq("sensor_recalibrated").any()
    assert reported.events["code"].eq("sensor_recalibrated").sum() == len(reported.events) - len(unreported.events)


def test_changes_add_up():
    """Of several changes each begins on its day, and is what it would be alone until the next; so do the steps."""
    changes = make_scenarios(["recalibration", "process_change"], [6, 12.5], length=20)
    both = simulate(8, 12, start=START, days=20, scenario=changes)
    for change, begin, end in ((changes[0], 0, 12.5), (changes[1], 0, 6)):
        alone = simulate(8, 12, start=START, days=20, scenario=change)
        parts = [
            frame[frame["event_time"].between(START + begin * DAY, START + end * DAY)].reset_index(drop=True)
            for frame in (both.telemetry, alone.telemetry)
        ]
        pd.testing.assert_frame_equal(*parts)
        assert not both.telemetry.equals(alone.telemetry)
    fleet = Fleet(8, 12, start=START, scenario=changes)
    daily = [fleet.advance(START + day * DAY) for day in range(1, 21)]
    pd.testing.assert_frame_equal(
        pd.concat([batch.telemetry for batch in daily], ignore_index=True), both.telemetry, obj="telemetry"
    )


def test_two_recalibrations_choose_machines_anew():
    """A second recalibration concerns machines of its own choice, and its gain comes on top."""
    changes = make_scenarios(["recalibration", "recalibration"], [5, 10], length=20)
    plain = simulate(8, 30, start=START, days=20, dirt=CLEAN).telemetry
    twice = simulate(8, 30, start=START, days=20, dirt=CLEAN, scenario=changes)
    ratio = (twice.telemetry["spindle_vibration"] / plain["spindle_vibration"])[plain["event_time"] > START + 10 * DAY]
    assert set(ratio.dropna().round(6)) == {1.0, 1.2, 1.44}
    events = twice.events[twice.events["code"] == "sensor_recalibrated"]
    assert len(events) == 2 * round(changes[0].share * 30)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: Fleet(1, 0, start=START), UsageError),
        (lambda: Fleet(1, 1, start=pd.Timestamp("2025-01-06")), UsageError),
        (lambda: Fleet(1, 1, start=START + pd.Timedelta(minutes=5)), UsageError),
        (lambda: Fleet(1, 1, start=START).advance(START - HOUR), UsageError),
        (lambda: Fleet(1, 1, start=START).advance(pd.Timestamp("2025-01-07")), UsageError),
        (lambda: Fleet(1, 1, start=START).advance(START, [("cnc-1", START)]), NotFoundError),
        (lambda: make_scenario("process_chang", 3), UsageError),
        (lambda: make_scenario("recalibration", -1), UsageError),
        (lambda: make_scenarios(["recalibration"], [1, 2], length=20), UsageError),
        (lambda: make_scenarios(["recalibration"], [20], length=20), UsageError),
    ],
)
def test_wrong_use_is_refused(call, error):
    """Wrong arguments are refused with what was found, expected and what to do."""
    with pytest.raises(error) as refusal:
        call()
    assert refusal.value.found
    assert refusal.value.remedy
