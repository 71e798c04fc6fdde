"""What acting on alarms avoided: by hand, in sentences, and what is not identified."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from data_contracts.contract.contract import empty_table
from data_contracts.errors import UsageError
from data_contracts.workspace import SETTINGS_FILE, init_workspace
from models.outcomes.episodes import Terms
from models.planning.cost_settings import CostSettings, read_costs
from models.planning.worklist_costs import Costs
from models.value.alarms import QUANTITIES, AlarmHistory, alarm_history, undrawn_alarms
from models.value.ledger import ValueLedger, value_ledger
from models.value.sentences import value_sentences
from models.value.settings import ValueSettings, read_value_settings
from models.value.without_acting import HeldBack, failures_without_acting

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
TERMS = Terms(lead=0 * DAY, horizon=5 * DAY, gap=DAY, reporting_delay=2 * DAY)
LATE = START + 300 * DAY
DECLARED = CostSettings(currency="EUR", downtime_per_hour=1000.0, unplanned_hours=20.0, planned_hours=4.0)


@given(
    announced=st.integers(0, 60),
    held=st.integers(1, 25),
    share=st.floats(0, 1),
    confidence=st.sampled_from([0.8, 0.9, 0.95]),
)
def test_the_interval_holds_whatever_would_have_failed(
    announced: int, held: int, share: float, confidence: float
) -> None:
    """Over all draws of which alarms are held back, the interval holds the truth at least as often as it says."""
    all_ = announced + held
    failing = round(share * all_)
    covered = 0.0
    for seen in range(max(0, failing - announced), min(held, failing) + 1):
        found = failures_without_acting(HeldBack(held, seen), announced, confidence)
        assert 0 <= found.low <= found.value <= found.high <= announced
        if found.low <= failing - seen <= found.high:
            covered += float(stats.hypergeom.pmf(seen, all_, failing, held))
    assert covered >= confidence - 1e-9


def frames(days: "list[tuple[str, float, bool, bool, bool]]", share: float = 0.25) -> tuple[pd.DataFrame, ...]:
    """Return draws, failures and work orders of alarms: asset, day, held back, followed by a failure, inspected."""
    at = [START + day * DAY for _, day, *_ in days]
    asset = [name for name, *_ in days]
    draws = pd.DataFrame({"asset": asset, "as_of": at, "opened": at, "held_back": [held for _, _, held, *_ in days]})
    draws = draws.assign(until=draws["opened"] + TERMS.claim, share=share)
    failures = pd.DataFrame({"asset": asset, "event_time": [time + 3 * DAY for time in at], "mode": "bearing"})
    failures = failures[[failed for *_, failed, _ in days]]
    failures = failures.assign(known_time=failures["event_time"], failure_id=failures.index.map("F{}".format))
    orders = pd.DataFrame({"asset": asset, "event_time": [time + DAY for time in at], "kind": "inspection"})
    orders = orders.assign(
        known_time=orders["event_time"],
        work_order_id=orders.index.map("W{}".format),
        prompted_by="alarm",
        component=None,
        finding=np.where([failed for *_, failed, _ in days], "defect_confirmed", "no_fault_found"),
    )
    return draws, failures, orders[[inspected for *_, inspected in days]]


def history(
    draws: pd.DataFrame,
    failures: pd.DataFrame,
    orders: pd.DataFrame,
    undrawn: pd.DataFrame | None = None,
    **period: Any,
) -> AlarmHistory:
    names = sorted(set(draws["asset"]) | set(() if undrawn is None else undrawn["asset"]))
    assets = pd.DataFrame({"asset": names, "event_time": START, "known_time": START})
    assets["plant"] = [name.split("-")[0] for name in names]
    alerts = pd.DataFrame({"asset": [], "as_of": pd.DatetimeIndex([], tz="UTC")}) if undrawn is None else undrawn
    return alarm_history(
        draws,
        undrawn_alarms(alerts.astype({"asset": "str"}), TERMS),
        failures,
        orders,
        assets=assets,
        terms=TERMS,
        **{"now": LATE} | period,
    )


NORTH = [
    *((f"north-{n}", 0.0, True, n < 3, False) for n in range(5)),
    *((f"north-{n}", 40.0, False, n < 1, True) for n in range(10)),
]
SOUTH = [(f"south-{n}", 1.0, False, n == 0, n > 3) for n in range(8)]


def test_months_are_those_of_the_plant() -> None:
    """An alarm that opens late in January in UTC opens in February further east."""
    late = pd.Timestamp("2026-01-31T23:30Z").as_unit("us")
    alerts = pd.DataFrame({"asset": ["north-1"], "as_of": [late]})
    for zone, month in (("UTC", "2026-01"), ("Europe/Berlin", "2026-02"), ("America/New_York", "2026-01")):
        found = history(*(frame.head(0) for frame in frames(NORTH)), undrawn=alerts, time_zone=zone)
        assert found.alarms["month"].tolist() == [month]


def test_what_was_avoided_is_counted_by_the_alarms_held_back() -> None:
    """Of those held back three in five failed: of ten announced six would have, and one did."""
    ledger = value_ledger(history(*frames(NORTH)), DECLARED)
    january, february = ledger.rows
    assert (january.month, february.month) == ("2026-01", "2026-02")
    assert (february.announced, february.acted_on, february.failed_anyway, february.held_back) == (10, 10, 1, 0)
    assert (january.held_back, january.held_back_failed, january.why) == (5, 3, "no alarm was announced")
    for row in (february, ledger.total, *ledger.plants):
        assert row.avoided is not None
        assert row.avoided.value == pytest.approx(6 - 1)
        assert row.avoided.low < 5 < row.avoided.high <= 9
        # Five failures of 20 hours, less ten visits; those that found nothing are taken to last as long as a repair.
        assert row.work["downtime_hours"].value == 40
        assert row.saved["downtime_hours"].value == pytest.approx(5 * 20 - 40)
        assert row.saved["money"].value == pytest.approx(60_000)
    assert ledger.total.hold_back_price["money"].value == pytest.approx(30_000)
    assert {figure.source for figure in ledger.figures} == {"declared"}


def test_nothing_is_estimated_where_nothing_was_held_back() -> None:
    """Not identified is a state: counts stay, and no estimate is a number, in JSON neither."""
    ledger = value_ledger(history(*frames(SOUTH)), DECLARED)
    for row in (*ledger.rows, *ledger.plants, ledger.total):
        assert row.state == "not identified"
        assert row.why == "no alarm was held back to compare with"
        assert (row.announced, row.acted_on, row.failed_anyway) == (8, 4, 1)
        assert (row.avoided, row.saved) == (None, {})
    values = json.loads(json.dumps(ledger.to_dict()))["total"]
    assert (values["state"], values["avoided"], values["without_acting"]) == ("not identified", None, None)
    assert "What acting avoided is not identified" in " ".join(value_sentences(ledger))


def test_a_plant_is_never_estimated_by_another() -> None:
    """Where one plant held none back, it has no estimate; the total, drawn from both at one share, has."""
    ledger = value_ledger(history(*frames(NORTH + SOUTH)), DECLARED)
    assert [(row.month, row.announced, row.state) for row in ledger.months] == [
        ("2026-01", 8, "identified"),
        ("2026-02", 10, "identified"),
    ]
    states = {row.plant: row.state for row in ledger.plants}
    assert states == {"north": "identified", "south": "not identified"}
    assert ledger.total.without_acting is not None
    assert ledger.total.without_acting.value == pytest.approx(18 * 3 / 5)


def test_alarms_that_could_not_be_held_back_are_in_no_estimate() -> None:
    """Before holding back began, or of assets excepted: they are counted apart, and named."""
    undrawn = pd.DataFrame(
        {"asset": ["north-1"] * 3 + ["south-1"], "as_of": START + np.array([80, 80.5, 84, 80]) * DAY}
    )
    ledger = value_ledger(history(*frames(NORTH), undrawn=undrawn), DECLARED)
    assert (ledger.total.announced, ledger.total.not_drawn, ledger.total.estimated) == (13, 3, 10)
    assert ledger.total.avoided is not None
    assert ledger.total.avoided.value == pytest.approx(5)
    south = next(row for row in ledger.plants if row.plant == "south")
    assert south.why.startswith("no alarm could be held back")
    assert "3 announced alarms are in no estimate" in " ".join(value_sentences(ledger))


def test_alarms_drawn_at_another_share_are_not_compared() -> None:
    """A share that was changed makes groups of their own: those drawn at one share are alike, others need not be."""
    few, more = frames(NORTH), frames([(f"{name}x", *rest) for name, *rest in NORTH[5:]], share=0.1)
    mixed = [pd.concat(pair, ignore_index=True) for pair in zip(few, more, strict=True)]
    mixed[1]["failure_id"] = mixed[1].index.map("F{}".format)
    mixed[2]["work_order_id"] = mixed[2].index.map("W{}".format)
    ledger = value_ledger(history(*mixed), DECLARED)
    assert (ledger.total.announced, ledger.total.estimated) == (20, 10)
    assert ledger.total.avoided == value_ledger(history(*few), DECLARED).total.avoided


def test_recorded_figures_count_before_declared_ones() -> None:
    """From five records on a mean is known; a report without hours clears none; what one side lacks is not counted."""
    draws, failures, orders = frames(NORTH + [(f"north-{n}", 80.0, False, True, False) for n in range(4)])
    failures["downtime_hours"] = np.linspace(28, 32, len(failures))
    failures["parts_cost"] = 500.0
    later = failures.assign(downtime_hours=np.nan, known_time=failures["known_time"] + DAY)
    orders["labour_hours"] = 3.0
    ledger = value_ledger(history(draws, pd.concat([failures, later]), orders), replace(DECLARED, labour_per_hour=10.0))
    figures = {(figure.kind, figure.quantity): figure for figure in ledger.figures}
    hours = figures["failure", "downtime_hours"]
    assert (hours.source, hours.recorded, hours.value) == ("recorded", 8, pytest.approx(30))
    assert hours.half_width > 0
    assert figures["repair", "downtime_hours"].source == "declared"
    assert set(ledger.total.saved) == {"downtime_hours", "money"}
    saved, avoided = ledger.total.saved["downtime_hours"], ledger.total.avoided
    assert avoided is not None
    assert saved.value == pytest.approx(30 * avoided.value - 40)
    assert saved.high - saved.value > 30 * (avoided.high - avoided.value)  # hours are uncertain too
    few = value_ledger(history(draws, failures[:4], orders), DECLARED)
    assert {figure.source for figure in few.figures if figure.kind == "failure"} == {"declared"}


def test_labour_and_parts_of_orders_after_a_failure_are_the_failures() -> None:
    """Plants book them on the repair: they belong to the failure before it."""
    draws, failures, orders = frames(NORTH + [(f"north-{n}", 80.0, False, True, True) for n in range(5)])
    repairs = failures.assign(
        event_time=failures["event_time"] + DAY / 2,
        known_time=failures["known_time"] + DAY,
        work_order_id=failures["failure_id"].map("R{}".format),
        kind="corrective",
        prompted_by="failure",
        finding=None,
        component=None,
        parts_cost=700.0,
    )
    orders = orders.assign(parts_cost=100.0)
    known = history(draws, failures, pd.concat([orders, repairs.drop(columns=["failure_id", "mode"])]))
    assert known.failures["parts_cost"].tolist() == [700.0] * len(known.failures)
    assert known.failures["labour_hours"].isna().all()
    ledger = value_ledger(known, DECLARED)
    assert ledger.total.work["parts_cost"].value == pytest.approx(1500)
    assert ledger.total.work["money"].value == pytest.approx(1500 + 15 * 4 * 1000)


def test_work_that_nobody_did_needs_no_figure() -> None:
    """Where nobody came, or all that was done is recorded, nothing has to be declared of it."""
    draws, failures, orders = frames(NORTH)
    prices = CostSettings(downtime_per_hour=1.0, unplanned_hours=20.0)
    ledger = value_ledger(history(draws, failures, orders), prices)
    assert ledger.unpriced == "not in money: costs.planned_hours is not declared, nor recorded"
    ledger = value_ledger(history(draws, failures, orders.head(0)), prices)
    assert ledger.total.saved["money"].value == pytest.approx(5 * 20)
    ledger = value_ledger(history(draws, failures, orders[:3].assign(downtime_hours=2.0)), prices)
    assert ledger.total.saved["money"].value == pytest.approx(5 * 20 - 6)


def test_without_prices_nothing_is_expressed_in_money() -> None:
    """Failures avoided stay; what is missing is named."""
    ledger = value_ledger(history(*frames(NORTH)), CostSettings(planned_hours=3.0))
    assert ledger.total.avoided is not None
    assert ledger.total.saved == {}
    missing = "costs.downtime_per_hour, costs.unplanned_hours"
    assert ledger.unpriced == f"not in money: {missing} are not declared, nor recorded"
    assert f"Not in money: {missing}" in " ".join(value_sentences(ledger))


def test_late_work_belongs_to_its_alarm_until_that_has_matured() -> None:
    """After the claim its alarm pays for it; later work belongs to none unless it names one, and that is said."""
    draws, failures, orders = frames([("a-1", 0, True, False, True), ("a-2", 0, False, True, True)])
    at = START + pd.Series([6.9, 6.9], index=orders.index) * DAY
    orders = orders.assign(event_time=at, known_time=at)
    ledger = value_ledger(history(draws, failures, orders), DECLARED)
    assert (ledger.total.acted_on, ledger.total.failed_anyway, ledger.unassigned) == (1, 1, 1)
    assert ledger.total.work["downtime_hours"].value == 4
    assert ledger.total.avoided is not None
    assert ledger.total.avoided.value == -1  # of what acting did harm to, an estimate says so
    late = orders.assign(event_time=at + DAY, known_time=at + DAY)
    unknown = value_ledger(history(draws, failures, late), DECLARED)
    assert (unknown.total.acted_on, unknown.total.work["downtime_hours"].value, unknown.unassigned) == (0, 0, 2)
    assert "2 work orders prompted by alarms can be assigned to no announced alarm" in " ".join(
        value_sentences(unknown)
    )
    named = history(draws.assign(prediction_id=["P1", "P2"]), failures, late.assign(prediction_id=["P1", "P2"]))
    assert value_ledger(named, DECLARED).total == ledger.total
    assert (named.unassigned, named.alarms["acted_on"].tolist()) == (0, [True, True])


def test_work_is_of_the_announced_alarm_where_a_later_one_was_held_back() -> None:
    """By time alone nobody came because of an alarm that nobody knew of; who names it did."""
    draws, failures, orders = frames([("a-1", 0, False, False, True), ("a-1", 5, True, False, False)])
    draws = draws.assign(prediction_id=["P1", "P2"])
    orders = orders.assign(event_time=START + 6 * DAY, known_time=START + 6 * DAY)
    for named, alarm in ((None, 0), ("P1", 0), ("P2", 1), ("of another model", 0)):
        known = history(draws, failures, orders.assign(prediction_id=named))
        assert known.orders["alarm"].tolist() == [alarm]
        assert known.alarms["acted_on"].tolist() == [alarm == 0, alarm == 1]
    assert value_ledger(known, DECLARED).total.work["downtime_hours"].value == 4


def test_an_undrawn_alarm_is_found_by_any_of_its_alerts() -> None:
    """Also where nothing was drawn, and whatever alert of it is named."""
    undrawn = pd.DataFrame({"asset": "a-1", "as_of": START + np.array([0, 0.5]) * DAY, "prediction_id": ["P1", "P2"]})
    draws, failures, orders = frames([("a-1", 20, False, False, True)])
    for named in ("P1", "P2"):
        known = history(draws, failures, orders.assign(prediction_id=named), undrawn)
        assert known.orders["alarm"].tolist() == [0]


@pytest.mark.parametrize("named", [["P1", "P1"], ["P1", None], [None, "P1"]])
def test_one_visit_reported_twice_counts_once(named: list[str | None]) -> None:
    """The strongest finding, and what one report alone states; what both state is not summed up."""
    draws, failures, orders = frames([("a-1", 0, True, True, False), ("a-2", 0, False, True, True)])
    twice = pd.concat([orders, orders]).assign(
        work_order_id=["finding-P1", "4711"],
        finding=["not_inspected", "defect_confirmed"],
        prediction_id=named,
        labour_hours=[3.0, 4.0],
        downtime_hours=[np.nan, 4.0],
        parts_cost=[100.0, np.nan],
        event_time=START + np.array([1, 2]) * DAY,
    )
    known = history(draws.assign(prediction_id=["P0", "P1"]), failures, twice)
    (visit,) = known.orders.to_dict("records")
    assert (visit["finding"], visit["kind"], visit["event_time"]) == ("defect_confirmed", "repair", START + 2 * DAY)
    assert [visit[name] for name in ("downtime_hours", "labour_hours", "parts_cost")] == [4.0, 4.0, 100.0]
    assert value_ledger(known, DECLARED).total.work["downtime_hours"].value == 4
    own = history(draws, failures, twice.assign(prediction_id=None))
    assert own.orders["labour_hours"].tolist() == [3.0, 4.0]  # one system numbers no visit twice


def test_nothing_known_later_changes_the_ledger() -> None:
    """No look-ahead: alarms that have not matured are pending, and what is known later may as well not exist."""
    draws, failures, orders = frames(NORTH)
    now = START + 42 * DAY
    before = history(draws, failures, orders, now=now)
    known = [frame[frame["known_time"] <= now] for frame in (failures, orders)]
    assert value_ledger(before, DECLARED) == value_ledger(history(draws, *known, now=now), DECLARED)
    assert (before.pending, len(before.alarms)) == (10, 5)


def test_a_period_is_of_alarms_by_when_they_opened() -> None:
    """From its beginning on, and before its end."""
    part = history(*frames(NORTH), since=START + 40 * DAY, until=LATE)
    assert (len(part.alarms), len(part.orders), part.failures["event_time"].min()) == (10, 10, START + 43 * DAY)
    assert len(history(*frames(NORTH), since=START, until=START + 40 * DAY).alarms) == 5


def test_tables_without_the_columns_are_read() -> None:
    """Workspaces made before have no column of hours, and may have no failures at all."""
    draws, failures, orders = frames(NORTH)
    assert not set(QUANTITIES) & {*failures.columns, *orders.columns}
    none = history(draws, empty_table("failures"), empty_table("work_orders"))
    ledger = value_ledger(none, DECLARED)
    assert ledger.total.avoided is not None
    assert ledger.total.avoided.value == 0
    empty: ValueLedger = value_ledger(history(draws.head(0), failures, orders), DECLARED)
    assert (empty.total.state, empty.total.why, empty.rows) == ("not identified", "no alarm was announced", ())


def test_the_endpoint_reads_the_sections_by_itself(tmp_path: Path) -> None:
    """From the file and the environment, which wins; a value that is none is refused with its place."""
    workspace = init_workspace(tmp_path / "w")
    assert (read_costs(workspace, {}), read_value_settings(workspace, {})) == (CostSettings(), ValueSettings())
    text = '[costs]\ncurrency = "EUR"\nunplanned_hours = 15.0\n[value]\nconfidence = 0.8\n'
    (workspace.root / SETTINGS_FILE).write_text(text, encoding="utf-8")
    read = read_costs(workspace, {"FOREWARN_COSTS_UNPLANNED_HOURS": "12.5"})
    assert (read.currency, read.unplanned_hours, read.planned_hours) == ("EUR", 12.5, None)
    assert read_value_settings(workspace, {}).confidence == 0.8
    for wrong in ("unplanned_hours = -1.0", 'currency = "euro"'):
        (workspace.root / SETTINGS_FILE).write_text(f"[costs]\n{wrong}\n", encoding="utf-8")
        with pytest.raises(UsageError, match=wrong.partition(" ")[0]):
            read_costs(workspace, {})


def test_a_failure_has_its_downtime_counted_once() -> None:
    """The experiment's cost of a missed failure has it in it; where hours and their price are known, these count."""
    errors = {"missed_failure": 50_000.0, "false_alarm": 500.0}
    assert CostSettings().of_asset(**errors) == Costs(planned=500.0, failure=50_000.0)
    priced = CostSettings(downtime_per_hour=1_000.0)
    assert priced.of_asset(**errors).of_failure == 50_000.0
    assert priced.of_asset(**errors).of_repair(4.0) == 500.0 + 4_000.0
    by_hours = CostSettings(downtime_per_hour=1_000.0, unplanned_hours=20.0, planned_downtime_per_hour=100.0)
    assert (by_hours.of_asset(**errors).of_failure, by_hours.of_asset(**errors).of_repair(4.0)) == (20_000.0, 900.0)
    assert CostSettings(failure=7.0, planned=3.0).of_asset(**errors) == Costs(planned=3.0, failure=7.0)
