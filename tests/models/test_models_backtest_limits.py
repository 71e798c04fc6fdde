"""What holds a replayed retraining back: limits on their number, findings that nobody reported, and gaps."""

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.backtesting.outcome_sources import OutcomeSources
from models.backtesting.retraining_rules import YEAR, Retraining, Rule, Situation, ours
from models.experiment.plans import CostPlan
from models.monitoring.drift import Budget
from models.outcomes.error_rates import ErrorRates, occurrence, share
from models.outcomes.outcomes import Terms
from models.promises.reference_rates import ReferenceRates
from models.retraining.refresh import Prices
from models.retraining.retraining_policy import ASK, DRIFT, HOLD, REFRESH, RETRAIN, Gates

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
BEGIN = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
NOW = BEGIN + 400 * DAY
TERMS = Terms(lead=0 * HOUR, horizon=24 * HOUR, gap=24 * HOUR, reporting_delay=12 * HOUR)
ASSETS = [f"m{number}" for number in range(6)]
PRICES = Prices(CostPlan(missed_failure=10.0, false_alarm=1.0), retraining=2.0)
PROMISE = ReferenceRates.of(
    ErrorRates(BEGIN, BEGIN + 50 * DAY, share(2, 100), occurrence(1, 40.0), share(0, 1), share(0, 1), 98, 0, 0, 0, 0.9),
    "its evaluation",
)
DAYS = [NOW - day * DAY for day in range(60)]
SILENT = pd.DataFrame([(asset, day, False) for asset in ASSETS for day in DAYS], columns=["asset", "as_of", "alert"])
NO_ORDERS = pd.DataFrame(
    {name: pd.Series([], dtype="str") for name in ("work_order_id", "asset", "kind", "finding", "prompted_by")}
).assign(**dict.fromkeys(("event_time", "known_time"), pd.Series([], dtype="datetime64[us, UTC]")))


def failures(every: int = 5) -> pd.DataFrame:
    """Make every machine fail every so many days; without an alarm, each is missed."""
    failed = [(asset, day + 6 * HOUR) for asset in ASSETS for day in DAYS[2:50:every]]
    rows = pd.DataFrame(failed, columns=["asset", "event_time"])
    rows = rows.assign(failure_id=[f"f{number}" for number in range(len(rows))], mode="bearing")
    return rows.assign(known_time=rows["event_time"])


def situation(
    *past: Retraining,
    predictions: pd.DataFrame = SILENT,
    orders: pd.DataFrame = NO_ORDERS,
    gaps: pd.DataFrame | None = None,
) -> Situation:
    known = OutcomeSources(NOW, failures(), orders, TERMS, gaps).outcomes(predictions)
    return Situation(BEGIN, NOW, 14 * DAY, NOW - 60 * DAY, known, PROMISE, past)


WORSE = situation()


def rule(**gates: object) -> Rule:
    return ours(Budget(), replace(Gates(), **gates), PRICES)  # type: ignore[arg-type]


PAST = st.lists(
    st.tuples(st.integers(1, 390), st.booleans(), st.sampled_from([DRIFT, REFRESH])),
    max_size=12,
    unique_by=lambda one: one[0],
)


@settings(max_examples=60, deadline=None)
@given(
    past=PAST,
    budget=st.integers(0, 6),
    refreshes=st.integers(0, 6),
    cooldown=st.integers(0, 60),
    lapse=st.integers(1, 200),
)
def test_no_limit_is_exceeded(
    past: list[tuple[int, bool, str]], budget: int, refreshes: int, cooldown: int, lapse: int
) -> None:
    """Whatever was retrained before: cooldown, both yearly budgets and the number of rejections hold."""
    # Evidence that an earlier one used up ends where the present evidence begins.
    used = NOW - 60 * DAY
    retrainings = [
        Retraining(NOW - days * DAY, promoted, used, trigger)  # type: ignore[arg-type]
        for days, promoted, trigger in sorted(past, reverse=True)
    ]
    limited = rule(
        yearly_budget=budget, refresh_budget=refreshes, cooldown=cooldown * DAY, rejections_lapse=lapse * DAY
    )
    decision = limited.decide(replace(WORSE, past=tuple(retrainings)))
    this_year = [one for one in retrainings if one.at > NOW - YEAR]
    drifts, fresh = (sum((one.trigger == REFRESH) is kind for one in this_year) for kind in (False, True))
    since_promotion = retrainings[max((n + 1 for n, one in enumerate(retrainings) if one.promoted), default=0) :]
    rejected = sum(one.trigger == DRIFT and one.at > NOW - lapse * DAY for one in since_promotion)
    counted = [one.at for one in retrainings if one.promoted or one.trigger == DRIFT]
    cool = max(cooldown * DAY, TERMS.maturity)
    if decision.decision == RETRAIN and decision.trigger == REFRESH:
        assert fresh < refreshes
        assert not retrainings or retrainings[-1].at + cool <= NOW
    else:
        held = drifts >= budget or (counted and counted[-1] + cool > NOW)
        expected = HOLD if held else ASK if rejected >= Gates().rejections else RETRAIN
        assert decision.decision == expected


def alarmed_and_left_unreported(share_unreported: float) -> Situation:
    """Alarm every machine before each of its failures; some of the work that follows has no finding."""
    alarms = [(asset, day) for asset in ASSETS for day in DAYS[2:50:3]]
    alarmed = pd.MultiIndex.from_tuples(alarms)
    alert = pd.MultiIndex.from_frame(SILENT[["asset", "as_of"]]).isin(alarmed)
    without = alarms[: round(len(alarms) * share_unreported)]
    orders = pd.DataFrame(without, columns=["asset", "event_time"])
    orders = orders.assign(event_time=orders["event_time"] + HOUR, kind="inspection", prompted_by="alarm")
    orders = orders.assign(work_order_id=[f"w{n}" for n in range(len(orders))], finding=None, component="bearing")
    return situation(predictions=SILENT.assign(alert=alert), orders=orders.assign(known_time=orders["event_time"]))


@pytest.mark.parametrize("allowed", [0.05, 0.3])
@pytest.mark.parametrize("unreported", [0.0, 0.15, 0.5])
def test_findings_that_nobody_reported_hold_it_back(allowed: float, unreported: float) -> None:
    """A champion that became worse is retrained, unless too much of the work on alarms has no finding."""
    seen = alarmed_and_left_unreported(unreported)
    decision = rule(max_unreported_share=allowed, refresh_budget=0).decide(seen)
    gates = [gate.gate for gate in decision.blocked_gates]
    episodes = seen.known.episodes
    share_seen = (episodes.loc[episodes["state"] != "pending", "state"] == "censored").mean()
    assert (share_seen > 0) == (unreported > 0)
    assert ("findings" in gates) == (share_seen > allowed)
    assert decision.decision == (HOLD if share_seen > allowed else RETRAIN)


@settings(max_examples=25, deadline=None)
@given(first=st.integers(2, 55), days=st.integers(1, 20))
def test_what_an_alarm_says_of_a_gap_is_neither_true_nor_false(first: int, days: int) -> None:
    """Alarms of assets that were retired or lost count as no errors, and their time as no exposure."""
    begins, ends = NOW - first * DAY, NOW - first * DAY + days * DAY
    gaps = pd.DataFrame({"asset": ASSETS, "begins": begins, "ends": ends})
    loud = SILENT.assign(alert=True)
    nothing = failures().head(0)
    whole, holed = (OutcomeSources(NOW, nothing, NO_ORDERS, TERMS, each).outcomes(loud) for each in (None, gaps))
    inside = holed.episodes[(holed.episodes["opened"] >= begins) & (holed.episodes["opened"] < min(ends, NOW))]
    assert set(inside["state"]) <= {"censored", "pending"}
    lost = whole.decisions["covered"].sum() - holed.decisions["covered"].sum()
    assert lost == len(ASSETS) * (min(ends, DAYS[0]) - begins)
