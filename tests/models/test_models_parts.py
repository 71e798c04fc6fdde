"""Spare parts: the demand's distribution, experience's rate, orders, and a replay of them."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.contract.contract import empty_table
from data_contracts.errors import UsageError
from models.parts.alarm_warning import assumed_warning, kept_share, measured_warning
from models.parts.demand import PredictedUse, UnpredictedUse, demand_within
from models.parts.intermittent import IntermittentRate, tsb_rate
from models.parts.past_use import known_repairs, mode_share, past_use, weekly_counts
from models.parts.replay import replay
from models.parts.stocking import PartTerms, Stock, propose_order

NOTHING = UnpredictedUse(0.0)
uses = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 3)), max_size=6)


@given(uses)
def test_the_demand_of_open_alarms_is_that_of_every_combination(pairs: list[tuple[float, int]]) -> None:
    """The convolution gives what adding up all 2^n outcomes gives."""
    demand = demand_within(5, [PredictedUse(f"m{n}", *pair) for n, pair in enumerate(pairs)], NOTHING)
    expected = np.zeros(sum(quantity for _, quantity in pairs) + 1)
    for outcome in product((False, True), repeat=len(pairs)):
        chance = np.prod([p if fails else 1 - p for fails, (p, _) in zip(outcome, pairs, strict=True)])
        expected[sum(quantity for fails, (_, quantity) in zip(outcome, pairs, strict=True) if fails)] += chance
    np.testing.assert_allclose(demand.probabilities, expected, atol=1e-12)
    assert demand.expected == pytest.approx(expected @ np.arange(len(expected)))


@given(uses, st.floats(0, 0.5), st.floats(0, 1), st.floats(0, 30), st.integers(1, 3))
def test_a_demand_is_a_distribution_with_its_own_mean(
    pairs: list[tuple[float, int]], rate: float, missed: float, foresight: float, quantity: int
) -> None:
    """It sums to one, its mean is what is expected, and quantiles and shortages agree with it."""
    predicted = [PredictedUse(f"m{n}", *pair) for n, pair in enumerate(pairs)]
    demand = demand_within(20, predicted, UnpredictedUse(rate, missed, foresight, quantity))
    assert demand.probabilities.sum() == pytest.approx(1)
    assert (demand.probabilities >= 0).all()
    assert demand.probabilities @ np.arange(len(demand.probabilities)) == pytest.approx(demand.expected, abs=1e-6)
    for level in (0.1, 0.5, 0.99):
        enough = demand.quantile(level)
        assert demand.at_most(enough) >= level - 1e-9
        assert demand.at_most(enough - 1) < level
    assert demand.shortage(0) == pytest.approx(demand.expected, abs=1e-6)


def test_alarms_that_miss_nothing_leave_only_what_lies_beyond_their_sight() -> None:
    """Within their foresight failures are foreseen by open alarms only; later ones come at the rate of experience."""
    assert demand_within(10, [], UnpredictedUse(0.2, unannounced=0.0, foresight_days=10)).expected == 0
    assert demand_within(15, [], UnpredictedUse(0.2, unannounced=0.0, foresight_days=10)).expected == pytest.approx(1)
    assert demand_within(15, [], UnpredictedUse(0.2, unannounced=0.5, foresight_days=10)).expected == pytest.approx(2)


def test_experience_forgets_what_is_no_longer_used() -> None:
    """A part that nobody has needed for long is expected less and less, which Croston's method does not do."""
    needed = np.tile([1.0, 0.0, 0.0, 0.0], 50)
    rates = [tsb_rate(np.append(needed, np.zeros(quiet))).per_period for quiet in (0, 20, 80)]
    assert rates[0] == pytest.approx(0.25, rel=0.2)
    assert rates == sorted(rates, reverse=True)
    assert rates[2] < 0.01
    assert tsb_rate(np.zeros(30)).per_period == 0


@pytest.mark.parametrize(
    ("demands", "alpha", "beta", "rate"),
    [
        ([0, 0, 2, 0, 1, 0, 0, 3, 0, 0, 0, 1], 0.05, 0.05, 0.30682480548079344),
        ([0, 0, 2, 0, 1, 0, 0, 3, 0, 0, 0, 1], 0.1, 0.3, 0.4445964056807001),
        ([1, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0.05, 0.05, 0.6302494097246091),
    ],
)
def test_the_rate_is_that_of_statsforecast(demands: list[float], alpha: float, beta: float, rate: float) -> None:
    """Begun with the first period and the first demand, as statsforecast 2.1 does, whose figures these are."""
    start = IntermittentRate(float(demands[0] > 0), next(demand for demand in demands if demand))
    ours = tsb_rate(np.array(demands, dtype=np.float64), alpha, beta, start=start)
    assert ours.per_period == pytest.approx(rate, abs=1e-9)


@given(st.integers(0, 5), st.integers(0, 3), st.floats(0.001, 0.3))
def test_no_other_order_is_cheaper(on_hand: int, on_order: int, rate: float) -> None:
    """The order minimises shortages plus keeping over the reviews, compared with each other order up to ten."""
    terms = PartTerms("bearing", price=900.0, lead_days=20, shortage=4_000.0, keeping_a_year=0.3)
    demand = demand_within(terms.protected_days, [PredictedUse("m1", 0.4)], UnpredictedUse(rate))
    proposal = propose_order(terms, demand, Stock(on_hand, on_order))

    def cost(order: int) -> float:
        stock = on_hand + on_order + order
        left = stock - demand.expected + demand.shortage(stock)
        return terms.shortage * demand.shortage(stock) + 900.0 * 0.3 * 7 / 365.25 * left

    assert cost(proposal.order) <= min(map(cost, range(10))) + 1e-6
    assert proposal.enough_with >= proposal.enough_without


def test_parts_that_cost_nothing_to_miss_are_not_kept() -> None:
    """Neither an order nor a sale is proposed of what nobody misses."""
    demand = demand_within(27, [PredictedUse("m1", 1.0)], NOTHING)
    assert propose_order(PartTerms("cap", price=1.0, lead_days=20, shortage=0.0), demand, Stock(0)).order == 0


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.integers(0, 6), st.integers(0, 4), st.integers(1, 5))
def test_more_stock_never_raises_stock_outs(demands: list[int], level: int, more: int, review: int) -> None:
    """Whatever the demand, a higher position that is held to all the time is short no more often."""
    terms = PartTerms("bearing", price=900.0, lead_days=4, shortage=50_000.0, review_days=review)
    low, high = (replay(demands, lambda _day, at=at: at, terms, initial=Stock(at)) for at in (level, level + more))
    assert high.short <= low.short
    assert high.mean_stock >= low.mean_stock


@given(st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0, 1), st.floats(0, 1), st.integers(1, 3))
def test_more_to_fear_never_orders_less(
    rate: float, more: float, missed: float, probability: float, quantity: int
) -> None:
    """A higher rate, a further alarm, and a larger share of missed failures never lower what there should be."""
    terms = PartTerms("bearing", price=900.0, lead_days=20, shortage=4_000.0)

    def up_to(rate: float, missed: float, alarms: tuple[float, ...]) -> int:
        uses = [PredictedUse(f"m{n}", p, quantity) for n, p in enumerate(alarms)]
        demand = demand_within(27, uses, UnpredictedUse(rate, missed, 10.0, quantity))
        return propose_order(terms, demand, Stock(0)).up_to

    before = up_to(rate, missed, ())
    assert up_to(rate + more, missed, ()) >= before
    assert up_to(rate, 1.0, ()) >= before
    assert up_to(rate, missed, (probability,)) >= before


def test_a_replay_counts_every_part_once() -> None:
    """What was there, ordered and arrived is used, left, under way or was short; nothing else."""
    generator = np.random.default_rng(5)
    demands = generator.poisson(0.3, 400).tolist()
    terms = PartTerms("bearing", price=900.0, lead_days=12, shortage=50_000.0)
    many, few = (replay(demands, lambda _day, level=level: level, terms, initial=Stock(level)) for level in (14, 2))
    assert many.needed == few.needed == sum(demands)
    assert many.short < few.short
    assert many.mean_stock > few.mean_stock
    assert few.ordered <= few.needed - few.short + 2
    assert many.cost == many.keeping_cost + many.shortage_cost


def _row(day: float, **values: object) -> dict[str, object]:
    at = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(days=day)
    return {"asset": "m1", "event_time": at, "known_time": at, **values}


def test_repairs_are_failures_and_confirmed_defects_each_once() -> None:
    """A breakdown that is booked again, the order of its repair, and routine work are no repairs of their own."""
    order = {"kind": "inspection", "component": "pump", "finding": "defect_confirmed", "prompted_by": "alarm"}
    failures = pd.DataFrame(
        [
            _row(1, failure_id="f1", mode="bearing"),
            _row(1.5, failure_id="f2", mode="bearing"),
            _row(1.2, failure_id="f3", mode="spindle"),
            _row(9, failure_id="f4", mode="bearing"),
        ]
    )
    orders = pd.DataFrame(
        [
            _row(2, work_order_id="w1", **{**order, "kind": "corrective", "prompted_by": "failure"}),
            _row(5, work_order_id="w2", **order),
            _row(6, work_order_id="w3", **{**order, "finding": "no_fault_found"}),
            _row(7, work_order_id="w4", **{**order, "kind": "routine", "prompted_by": "schedule"}),
        ]
    )
    end = _row(15)["event_time"]
    repairs = known_repairs(failures, orders, end)
    assert list(zip(repairs["event_time"].dt.day, repairs["mode"], strict=True)) == [
        *((2, "bearing"), (2, "spindle"), (6, "pump"), (10, "bearing")),
    ]
    # Bearing and spindle of one day are one failure, so that the bearing is in two of three.
    assert mode_share(repairs, ["m1"], ["bearing"]) == (pytest.approx(2 / 3), 3)
    assert mode_share(repairs, ["m2"], ["bearing"]) == (None, 0)
    use = past_use(repairs, ["m1"], ["bearing", "spindle"], since=_row(1)["event_time"], as_of=end, memory=0.05)
    assert (use.repairs, use.weeks) == (2, 2)
    assert known_repairs(failures, empty_table("work_orders"), _row(1.1)["event_time"])["mode"].tolist() == ["bearing"]


def test_a_failure_counts_as_announced_from_its_alarm_on() -> None:
    """Alarms that come 30 h before failures announce those nearer than that, and none further ahead."""
    times = pd.date_range("2026-01-01", "2026-06-01", freq="6h", tz="UTC").as_unit("us")
    failures = pd.DataFrame({"asset": "m1", "event_time": times[20::24] + pd.Timedelta(hours=1)})
    ahead = failures["event_time"].searchsorted(times, side="left")
    following = failures["event_time"].reindex(ahead).reset_index(drop=True)
    alert = (following - times) <= pd.Timedelta(hours=31)
    predictions = pd.DataFrame({"asset": "m1", "as_of": times, "alert": alert.to_numpy()})
    claim = pd.Timedelta(hours=72)
    warning = measured_warning(claim, predictions, failures)
    assert warning is not None
    seldom = 0.5 / (warning.failures + 1)
    # In parts of three hours: the alarm is 31 h before the failure.
    assert warning.unannounced == (*[pytest.approx(seldom)] * 10, *[pytest.approx(1 - seldom)] * 14)
    assert warning.unannounced_within(pd.Timedelta(hours=30)) == pytest.approx(seldom)
    assert measured_warning(claim, predictions, failures.head(9)) is None
    alerts = predictions[predictions["alert"]].assign(probability=0.5)
    # Every alert comes true, which half of them were said to.
    assert kept_share(alerts, failures, claim) == pytest.approx((len(alerts) + 10) / (len(alerts) / 2 + 10))
    assert kept_share(alerts, failures.head(0), claim) == pytest.approx(10 / (len(alerts) / 2 + 10))
    assert kept_share(alerts.head(0), failures, claim) == 1
    assert assumed_warning(claim, 0.2, 40).unannounced_within(claim) == pytest.approx(0.6)


def test_weeks_end_at_the_time_that_is_asked_for() -> None:
    times = pd.Series([_row(day)["event_time"] for day in (0.5, 1, 8, 13.9, 20)])
    since, end = _row(0)["event_time"], _row(14)["event_time"]
    assert weekly_counts(times, since=since, as_of=end).tolist() == [2, 2]
    assert weekly_counts(times, since=None, as_of=end).tolist() == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: PredictedUse("m1", 1.2),
        lambda: PredictedUse("m1", float("nan")),
        lambda: PredictedUse("m1", 0.1, 0),
        lambda: UnpredictedUse(-1.0),
        lambda: UnpredictedUse(0.1, unannounced=2.0),
        lambda: UnpredictedUse(0.1, foresight_days=float("inf")),
        lambda: demand_within(0, [], NOTHING),
        lambda: demand_within(3, [], NOTHING).quantile(1.0),
        lambda: PartTerms("p", price=float("nan"), lead_days=1, shortage=1),
        lambda: PartTerms("p", price=1, lead_days=1, shortage=1, review_days=0),
        lambda: Stock(1, -1),
        lambda: tsb_rate(np.array([1.0, -1.0])),
        lambda: tsb_rate(np.ones(3), alpha=2),
        lambda: replay([], lambda _day: 1, PartTerms("p", 1, 1, 1), initial=Stock(0)),
    ],
)
def test_impossible_values_are_refused(wrong: object) -> None:
    with pytest.raises(UsageError):
        wrong()  # type: ignore[operator]
