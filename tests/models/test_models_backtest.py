"""The replay of a history under retraining rules, with models whose skill is known, and its figures."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from models.backtesting.backtest import ReplayResult, ReplaySchedule, replay
from models.backtesting.backtest_figures import Account, Prices, account, figures, in_force
from models.backtesting.detectors import RIVER, binomial, k_of_n, river_detector
from models.backtesting.outcome_sources import OutcomeSources
from models.backtesting.replay_models import Compared, Version
from models.backtesting.retraining_rules import (
    Rule,
    Situation,
    always,
    calendar,
    never,
    ours,
    ours_without_refreshes,
    ours_without_tests,
    with_refreshes,
)
from models.diagnosis.diagnosis import Diagnosis, Finding
from models.experiment.plans import CostPlan
from models.monitoring.drift import Budget
from models.outcomes.error_rates import ErrorRates, occurrence, share
from models.outcomes.outcomes import Terms
from models.outcomes.stratum_counts import Membership
from models.outcomes.weekly_counts import WEEK, WeekCounts
from models.retraining.alpha_spending import AlphaWealth
from models.retraining.comparison_plan import ComparisonPlan, plan_comparison
from models.retraining.comparison_power import ExpectedErrors
from models.retraining.promotion_rules import PromotionRules
from models.retraining.refresh import NO_REFRESH, RefreshRule
from models.retraining.retraining_policy import ASK, HOLD, REFRESH, RETRAIN, Gates, RetrainingDecision

pytestmark = pytest.mark.slow

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
BEGIN = pd.Timestamp("2026-01-01", tz="UTC")
TERMS = Terms(lead=0 * HOUR, horizon=24 * HOUR, gap=24 * HOUR, reporting_delay=12 * HOUR)
ASSETS = [f"m{number}" for number in range(12)]
START, CHANGE, END = 20, 80, 170
PRICES = Prices(CostPlan(missed_failure=10.0, false_alarm=1.0), retraining=2.0)


def day(number: float) -> pd.Timestamp:
    return BEGIN + number * DAY


PLAN = ReplaySchedule(day(START), day(END), 14 * DAY)


def build_history(reported_late: pd.Timedelta = 6 * HOUR) -> History:
    """Make a plant in which every machine fails every eight to sixteen days."""
    rng = np.random.default_rng(4)
    failed = [
        (asset, day(float(number) + 0.25))
        for asset in ASSETS
        for number in np.cumsum(rng.integers(8, 16, 40))
        if number < END
    ]
    rows = pd.DataFrame(failed, columns=["asset", "event_time"])
    rows = rows.assign(failure_id=[f"f{number}" for number in range(len(rows))], mode="bearing")
    nothing = pd.DataFrame({"asset": [], "event_time": [], "known_time": []})
    times = {"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"}
    orders = ["work_order_id", "kind", "component", "finding", "prompted_by"]
    return History(
        asset_type="machine",
        channels=(),
        telemetry=nothing,
        assets=nothing,
        failures=rows.assign(known_time=rows["event_time"] + reported_late),
        work_orders=nothing.astype(times).assign(**dict.fromkeys(orders)),
        events=nothing,
    )


HISTORY = build_history()


def known(history: History = HISTORY, terms: Terms = TERMS) -> Callable[[pd.Timestamp], OutcomeSources]:
    """Return what alarms are judged by, as known at a time."""
    return lambda at: OutcomeSources(at, history.failures, history.work_orders, terms)


@dataclass
class Skilled:
    """Models that catch every failure but each tenth, and after the change, if trained before it, but each second."""

    history: History = field(default_factory=lambda: HISTORY)
    promote: bool = True
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    trainings: list[pd.Timestamp] = field(default_factory=list)
    urgent: list[pd.Timestamp] = field(default_factory=list)
    plans: Callable[[AlphaWealth, bool], ComparisonPlan] | None = (
        None  # by default challengers are promoted as they are
    )
    wealth: list[AlphaWealth] = field(default_factory=list)

    def train(self, at: pd.Timestamp, *, urgent: bool = False) -> Version:
        self.trainings.append(at)
        self.urgent += [at] if urgent else []
        false = occurrence(1, 40.0)
        weeks = tuple(WeekCounts(at - n * WEEK, 1, 10, int(not n), 4.0) for n in reversed(range(10)))
        decisions = (share(0, 1), share(0, 1))
        promised = ErrorRates(BEGIN, at, share(10, 100), false, *decisions, 90, 0, 0, 0, confidence=0.9, weeks=weeks)
        return Version(at, at - DAY, promised)

    def predict(self, version: Version, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        days = pd.date_range(BEGIN, self.history.failures["event_time"].max(), freq=DAY)
        days = days[(days > start) & (days <= end)]
        times = pd.MultiIndex.from_product([ASSETS, days], names=["asset", "as_of"]).to_frame(index=False)
        failed = self.history.failures.reset_index()
        blunt = version.made_at < day(CHANGE)
        seen = failed[(failed["index"] % np.where(blunt & (failed["event_time"] > day(CHANGE)), 2, 10)) != 0]
        before = seen.assign(as_of=seen["event_time"].dt.floor("D"))[["asset", "as_of"]].assign(alert=True)
        predictions = times.merge(before, on=["asset", "as_of"], how="left")
        return predictions.assign(alert=predictions["alert"].eq(True).fillna(False).astype(bool))

    def diagnose(self, version: Version, at: pd.Timestamp) -> Diagnosis:
        assert version.made_at < at
        return self.diagnosis

    def plan(self, champion: Version, at: pd.Timestamp, wealth: AlphaWealth, *, urgent: bool) -> ComparisonPlan | None:
        assert champion.made_at < at
        self.wealth.append(wealth)
        return None if self.plans is None else self.plans(wealth, urgent)

    def compare(self, champion: Version, challenger: Version, at: pd.Timestamp, alpha: float) -> Compared:
        assert champion.made_at < challenger.made_at == at
        return Compared(self.promote, 0.0 if self.plans is None else alpha)


def run(rule: Rule, models: Skilled | None = None) -> ReplayResult:
    return replay(rule, models or Skilled(), PLAN, known())


@cache
def replay_of(name: str) -> ReplayResult:
    """Run a rule once for all tests that only look at the result."""
    return run(RULES[name]())


def recording(seen: list[Situation]) -> Rule:
    """Return a rule that holds and records the situations it sees."""

    def record(situation: Situation) -> RetrainingDecision:
        seen.append(situation)
        return RetrainingDecision(HOLD, ())

    return Rule("recording", "", record)


def our_rule(refresh: RefreshRule = NO_REFRESH) -> Rule:
    return ours(Budget(), Gates(**asdict(refresh), cooldown=14 * DAY, min_failures=8), PRICES)


RULES: dict[str, Callable[[], Rule]] = {
    "ours": our_rule,
    "k-of-n": lambda: k_of_n(0.3),
    "binomial": binomial,
    "monthly": calendar,
    "always": always,
    "never": never,
}


@pytest.mark.ml_test("Model 4")
def test_never_never_trains() -> None:
    """Under "never" the first model is the only one that is ever trained."""
    models = Skilled()
    result = run(never(), models)
    assert models.trainings == [day(START)]
    assert not result.retrainings
    assert len(result.tenures) == 1


def test_always_trains_at_every_look() -> None:
    """Under "always" each look trains a model, and the newest is champion."""
    models = Skilled()
    result = run(always(), models)
    assert models.trainings == [day(START), *PLAN.looks]
    assert [tenure.since for tenure in result.tenures] == [day(START), *PLAN.looks]


def test_a_month_is_a_month_whatever_the_looks() -> None:
    """The calendar retrains as often as its interval says, at the next look."""
    times = [one.at for one in replay_of("monthly").retrainings]
    assert len(times) == (PLAN.looks[-1] - PLAN.start) // (30 * DAY)
    assert all(((when - PLAN.start) % (30 * DAY)) < PLAN.every for when in times)


@pytest.mark.parametrize("name", ["ours", "k-of-n", "binomial"])
def test_the_change_is_detected(name: str) -> None:
    """A rule that looks at the errors retrains within eight weeks after the model has become worse."""
    after = [one.at for one in replay_of(name).retrainings if one.at > day(CHANGE)]
    assert after
    assert after[0] <= day(CHANGE + 56)


def test_ours_leaves_a_good_model_alone() -> None:
    """Our rule retrains once: after the change, and not again while the new model keeps its promise."""
    times = [one.at for one in replay_of("ours").retrainings]
    assert len(times) == 1
    assert times[0] > day(CHANGE)


def test_comparisons_spend_what_accrues() -> None:
    """Replayed comparisons share what accrues, as live ones do; those that would show too little train nothing."""
    rules = PromotionRules(min_events=5)

    def plans(wealth: AlphaWealth, urgent: bool) -> ComparisonPlan:
        # Each other fortnight has too few events.
        events = 40 if len(models.wealth) % 2 else 3
        return plan_comparison(events, wealth, rules, ExpectedErrors(0.2, 0.5, PRICES.errors), urgent=urgent)

    models = Skilled(plans=plans)
    result = replay(always(), models, PLAN, known(), promotion=rules)
    assert list(result.postponed_at) == list(PLAN.looks[1::2])
    assert models.trainings == [day(START), *PLAN.looks[::2]]
    # The first has what accrued since the first model's training data ended, the others what came since the last.
    routine = [wealth.routine for wealth in models.wealth]
    assert routine[0] == pytest.approx(15 / 365)
    assert routine[2::2] == pytest.approx([28 / 365] * len(routine[2::2]))
    total = figures([account(result, PLAN, known()(PLAN.end), prices=PRICES)], PLAN, ASSETS)[0]
    assert (total.postponed, total.retrainings) == (len(PLAN.looks[1::2]), len(PLAN.looks[::2]))


@pytest.mark.parametrize("name", ["k-of-n", "binomial", *RIVER])
def test_rules_that_watch_for_drift_get_our_refreshes(name: str) -> None:
    """While such a rule sees nothing, it refreshes exactly when our refreshes do."""
    gates = Gates(refresh_pays_at=0.0, cooldown=14 * DAY, min_failures=8)
    watching = {"k-of-n": lambda: k_of_n(0.99, 99.0), "binomial": lambda: binomial(1e-300)}
    rule = watching[name]() if name in watching else river_detector(name)
    alone = run(rule)
    if name in watching:
        assert not alone.retrainings
    with_them, refreshes = run(with_refreshes(rule, gates, PRICES)), run(ours_without_tests(gates, PRICES))
    first = next((one.at for one in alone.retrainings), day(END))
    assert [one for one in with_them.retrainings if one.at < first] == [
        one for one in refreshes.retrainings if one.at < first
    ]
    assert all(one.trigger == REFRESH for one in refreshes.retrainings)
    assert refreshes.retrainings


def test_the_parts_of_ours_are_isolated() -> None:
    """Tests alone never refresh; they detect the change as ours does where no refresh is due."""
    alone = run(ours_without_refreshes(Budget(), Gates(cooldown=14 * DAY, min_failures=8)))
    assert alone.retrainings == replay_of("ours").retrainings
    assert {one.trigger for one in alone.retrainings} == {"drift"}


@pytest.mark.parametrize("name", ["k-of-n", "binomial", "ddm"])
def test_false_alarms_are_watched_too(name: str) -> None:
    """A rule that watches both kinds of errors sees a model that comes to raise false alarms, and misses nothing."""

    class Alarming(Skilled):
        def predict(self, version: Version, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
            predictions = super().predict(replace(version, made_at=day(CHANGE)), start, end)
            shrill = (predictions["as_of"] > day(CHANGE)) & (version.made_at < day(CHANGE))
            # Each third day every other machine is in alarm for nothing.
            silly = predictions["asset"].isin(ASSETS[::2]) & (predictions["as_of"].dt.day_of_year % 3 == 0)
            return predictions.assign(alert=predictions["alert"] | (shrill & silly))

    rules = {"k-of-n": lambda: k_of_n(0.99), "binomial": binomial, "ddm": lambda: river_detector("ddm")}
    result = run(rules[name](), Alarming())
    after = [one.at for one in result.retrainings if one.at > day(CHANGE)]
    assert after
    assert after[0] <= day(CHANGE + 56)


def test_a_drift_is_urgent_and_the_calendar_is_not() -> None:
    """A rule that has seen a drift wants a challenger that learns from the newest data; the calendar has seen none."""
    drifted, due = Skilled(), Skilled()
    retrainings = run(our_rule(), drifted).retrainings
    run(always(), due)
    assert drifted.urgent == [one.at for one in retrainings]
    assert not due.urgent


def test_follow_ups_come_after_a_drift_and_end() -> None:
    """After a drift was answered come three refreshes, each no sooner than twice the time of the one before."""
    retrainings = run(our_rule(RefreshRule(refresh_pays_at=1e9))).retrainings
    first = retrainings[0].at
    assert [one.trigger for one in retrainings] == ["drift", *[REFRESH] * (len(retrainings) - 1)]
    assert len(retrainings) <= 4
    for place, one in enumerate(retrainings[1:]):
        assert one.at >= first + 14 * DAY * 2**place


def test_a_rejected_refresh_uses_up_no_evidence() -> None:
    """Rejected refreshes use up no evidence: the change is detected as soon as without them."""
    calm = run(our_rule(), Skilled(promote=False))
    busy = run(our_rule(RefreshRule(refresh_pays_at=0.0)), Skilled(promote=False))
    first = [next(one.at for one in result.retrainings if one.trigger != REFRESH) for result in (calm, busy)]
    assert sum(one.trigger == REFRESH and one.at < first[0] for one in busy.retrainings) > 1
    assert first[0] == first[1]


def test_refreshes_are_not_false_retrainings() -> None:
    """A refresh claims no drift, so none is false; it is counted, and paid for."""
    result = run(our_rule(RefreshRule(refresh_pays_at=0.0)))
    one = account(result, PLAN, known()(PLAN.end), prices=PRICES)
    total = figures([one], PLAN, ASSETS, changes=[day(CHANGE)])[0]
    assert total.refreshes == sum(retraining.trigger == REFRESH for retraining in result.retrainings) > 2
    assert total.false_retrainings == 0
    assert total.cost == total.cost_of_errors + 2 * total.retrainings


@settings(max_examples=3, deadline=None)
@given(until=st.integers(1, len(PLAN.looks)))
def test_a_rule_sees_nothing_known_after_the_look(until: int) -> None:
    """What became known after a look changes nothing that a rule sees up to it."""
    moment = PLAN.looks[until - 1]
    then = replace(HISTORY, failures=HISTORY.failures[HISTORY.failures["known_time"] <= moment])
    plan = ReplaySchedule(PLAN.start, moment, PLAN.every)
    # The models are the same: their predictions at a time depend on that time, not on later failures.
    whole, cut = _shown(HISTORY, PLAN), _shown(then, plan)
    for before, after in zip(whole, cut, strict=False):
        assert (before.at, before.since, before.promise) == (after.at, after.since, after.promise)
        for frame in ("decisions", "episodes", "failures"):
            pd.testing.assert_frame_equal(getattr(before.known, frame), getattr(after.known, frame))


def _shown(history: History, plan: ReplaySchedule) -> list[Situation]:
    seen: list[Situation] = []
    replay(recording(seen), Skilled(), plan, known(history))
    return seen


def test_two_replays_are_alike() -> None:
    """The same history and rule give the same result."""
    first, second = replay_of("ours"), run(our_rule())
    assert first.retrainings == second.retrainings
    assert [(one.since, one.version, one.promise) for one in first.tenures] == [
        (one.since, one.version, one.promise) for one in second.tenures
    ]
    pd.testing.assert_frame_equal(first.predictions, second.predictions)


def test_evidence_is_used_once() -> None:
    """What has led to a retraining, even to a rejected one, does not count again."""
    seen: list[Situation] = []

    def retrain_once(situation: Situation) -> RetrainingDecision:
        seen.append(situation)
        return RetrainingDecision(RETRAIN if len(seen) == 3 else HOLD, ())

    run(Rule("once", "", retrain_once), Skilled(promote=False))
    assert [situation.since for situation in seen[:3]] == [day(START)] * 3
    assert {situation.since for situation in seen[3:]} == {PLAN.looks[2] - TERMS.maturity}


@pytest.mark.parametrize("person_retrains", [True, False])
def test_asking_a_person_is_recorded(person_retrains: bool) -> None:
    """A look at which a rule asks for a person is recorded, and retrains if the person does."""
    plan = replace(PLAN, person_retrains=person_retrains)
    result = replay(Rule("asking", "", lambda _: RetrainingDecision(ASK, ())), Skilled(), plan, known())
    assert result.asked_person_at == PLAN.looks
    assert [one.at for one in result.retrainings] == (list(PLAN.looks) if person_retrains else [])


def test_bad_data_are_not_drift() -> None:
    """Our rule blames no model while a diagnosis freezes the verdict, nor for assets that are set aside."""
    frozen = Diagnosis((Finding("contract breach", (), (), day(CHANGE), "Rows are refused.", "freeze"),))
    aside = Diagnosis(set_aside=dict.fromkeys(ASSETS, day(CHANGE)))
    for diagnosis in (frozen, aside):
        assert not run(our_rule(), Skilled(diagnosis=diagnosis)).retrainings


def test_becoming_champion_is_not_drift() -> None:
    """Alarms that stood already when a model became champion do not all open on its first day."""

    class Shrill(Skilled):
        def predict(self, version: Version, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
            predictions = super().predict(version, start, end)
            # Two machines are in alarm for two days around each promotion.
            near = (predictions["as_of"] - version.made_at).abs() <= DAY
            return predictions.assign(alert=predictions["alert"] | (near & predictions["asset"].isin(ASSETS[:2])))

    seen: list[Situation] = []
    long = replace(TERMS, horizon=72 * HOUR)
    replay(recording(seen), Shrill(), PLAN, known(terms=long))
    assert not sum(look.false_episodes for look in seen[-1].looks())


def test_a_history_without_a_look_is_refused() -> None:
    """A replay that ends before its first look says so."""
    with pytest.raises(UsageError, match="looks every 14 days"):
        ReplaySchedule(day(0), day(13), 14 * DAY)


def accounts(*names: str) -> list[Account]:
    return [account(replay_of(name), PLAN, known()(PLAN.end), prices=PRICES) for name in names]


def test_every_failure_that_matured_is_counted_once() -> None:
    """Failures after the start that have matured by the end are all counted, whichever model was champion."""
    for one in accounts("never", "always"):
        times = HISTORY.failures["event_time"]
        assert one.failures == ((times > day(START + 1)) & (times + TERMS.maturity <= day(END))).sum()


def test_costs_add_up() -> None:
    """The cost is that of missed failures, false alarms and retrainings, each at its price."""
    first, second = figures(accounts("never", "always"), PLAN, ASSETS)
    for one in (first, second):
        assert one.cost == 10 * one.missed + one.false_alarms + 2 * one.retrainings
        assert one.low <= one.cost <= one.high
        assert one.cost_of_errors == one.cost - 2 * one.retrainings
    assert second.retrainings == len(PLAN.looks)
    assert second.difference == second.cost - first.cost


def test_the_cheaper_rule_is_surely_cheaper() -> None:
    """A rule that retrains after the change beats the one that never does, and says how sure that is."""
    ours_total, never_total = figures(accounts("ours", "never"), PLAN, ASSETS)
    assert ours_total.first_cheaper is None
    assert never_total.first_cheaper is not None
    assert never_total.first_cheaper > 0.95
    assert never_total.difference_low is not None
    assert never_total.difference_low > 0


def test_a_rule_costs_what_its_twin_costs() -> None:
    """Two rules that do the same cost the same in every draw: the bootstrap is paired."""
    _, twin = figures(accounts("never", "never"), PLAN, ASSETS)
    assert (twin.difference_low, twin.difference_high, twin.first_cheaper) == (0.0, 0.0, 0.0)


def test_false_retrainings_and_delays() -> None:
    """A retraining is false when no change is in force; a change is, until the champion has learned from after it."""
    totals = figures(accounts("ours", "always", "never"), PLAN, ASSETS, changes=[day(CHANGE)])
    first_after = next(look for look in PLAN.looks if look > day(CHANGE))
    assert totals[0].false_retrainings == 0
    assert totals[0].delays_days[0] is not None
    assert totals[1].false_retrainings == len(PLAN.looks) - 1
    assert totals[1].delays_days == ((first_after - day(CHANGE)) / DAY,)
    assert totals[2].delays_days == (None,)
    assert totals[2].false_a_year == 0.0


def test_a_change_stays_in_force_without_a_new_champion() -> None:
    """Until a champion has learned from after it, a change is in force."""
    assert in_force(replay_of("never"), day(CHANGE), PLAN) == (day(CHANGE), day(END))


def test_without_known_changes_no_retraining_is_false() -> None:
    """Where the changes are unknown, false retrainings are not counted."""
    total = figures(accounts("always"), PLAN, ASSETS)[0]
    assert total.false_retrainings is None
    assert total.delays_days == ()


def test_rules_and_promises_see_the_strata_of_the_time() -> None:
    """What divides promises is that of the sources of each look."""
    moved = pd.DataFrame({"asset": ASSETS, "event_time": BEGIN, "known_time": BEGIN, "plant": "north"})
    membership, seen = Membership.of(moved, "plant"), []

    def look(situation: Situation) -> RetrainingDecision:
        seen.append(situation.membership)
        return RetrainingDecision(HOLD, ())

    def sources(at: pd.Timestamp) -> OutcomeSources:
        return replace(known()(at), membership=membership)

    schedule = ReplaySchedule(day(START), day(START + 28), 14 * DAY)
    replay(Rule("observer", "Only looks.", look), Skilled(), schedule, sources)
    assert [each is membership for each in seen] == [True, True]
