import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from data_contracts.contract.contract import empty_table
from data_contracts.tables.history import History
from models.assessment.thresholds import count_in_vain
from models.experiment.plans import CostPlan
from models.labels.labels import failure_labels
from models.outcomes.error_rates import MONTH, ErrorRates, error_rates, occurrence, share
from models.outcomes.outcomes import Terms, outcomes
from models.retraining.comparison_period import Period
from models.retraining.holdout_scores import holdout_outcomes, holdout_score
from models.training.evaluation import evaluate_failures

HOUR = pd.Timedelta(hours=1)
START = pd.Timestamp("2026-01-01", tz="UTC")
TERMS = Terms(lead=0 * HOUR, horizon=24 * HOUR, gap=24 * HOUR, reporting_delay=0 * HOUR)
COSTS = CostPlan(missed_failure=10.0, false_alarm=1.0)
NO_ORDERS = pd.DataFrame(
    columns=["work_order_id", "asset", "event_time", "known_time", "kind", "component", "finding", "prompted_by"]
).astype({"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"})


def _rates(**period: pd.Timestamp) -> ErrorRates:
    """Watch one asset every six hours for 60 days: alerts on days 10 and 30, failures on days 11 and 50."""
    as_of = pd.date_range(START, periods=241, freq="6h")
    predictions = pd.DataFrame({"asset": "m1", "as_of": as_of, "alert": as_of.isin([as_of[40], as_of[120]])})
    event = pd.DatetimeIndex([as_of[42], as_of[200]])
    failed = pd.DataFrame(
        {"failure_id": ["a", "b"], "asset": "m1", "event_time": event, "known_time": event, "mode": "bearing"}
    )
    return error_rates(outcomes(predictions, failed, NO_ORDERS, now=START + 80 * 24 * HOUR, terms=TERMS), **period)


def test_rates_by_hand() -> None:
    """The counts are those one finds with a pencil."""
    rates = _rates()
    assert (rates.missed.count, rates.missed.of) == (1, 2)
    assert rates.false_episodes.count == 1
    assert rates.false_episodes.of == pytest.approx(60 / 30)
    assert (rates.decision_fn.count, rates.decision_fn.of) == (7, 8)
    assert (rates.decision_fp.count, rates.decision_fp.of) == (1, 233)


def test_period_is_half_open() -> None:
    """A period holds what happened after its start, up to and including its end."""
    day = 24 * HOUR
    rates = _rates(start=START + 10.5 * day, end=START + 50 * day)
    assert (rates.missed.count, rates.missed.of) == (1, 1)
    assert rates.false_episodes.of == pytest.approx(39.5 * day / MONTH, rel=0.02)


def test_to_dict_and_back() -> None:
    """Rates survive being stored, those without a value too."""
    for rates in (_rates(), _rates(start=START + 1000 * HOUR, end=START + 1001 * HOUR)):
        assert ErrorRates.from_dict(rates.to_dict()).to_dict() == rates.to_dict()


def test_rates_stored_before_can_be_read() -> None:
    """What was stored before precision and bounds were counted is read as it was."""
    stored = _rates().to_dict()
    del stored["precision"]
    for name in ("missed", "false_episodes", "decision_fn", "decision_fp"):
        del stored[name]["bounds"]
    read = ErrorRates.from_dict(stored)
    assert read.precision is None
    assert read.missed.bounds is None
    assert read.missed.value == _rates().missed.value


def _rates_with(finding: str | None) -> ErrorRates:
    """Watch one asset: true alarms on days 1 and 5, a false one on day 9, and one on day 13 that ended in work."""
    as_of = pd.date_range(START, periods=240, freq="6h")
    predictions = pd.DataFrame({"asset": "m1", "as_of": as_of, "alert": as_of.isin(as_of[[4, 20, 36, 52]])})
    event = pd.DatetimeIndex([as_of[6], as_of[22], as_of[100]])
    failed = pd.DataFrame({"failure_id": ["a", "b", "c"], "asset": "m1", "event_time": event, "known_time": event})
    row = ("w", "m1", as_of[53], as_of[53], "inspection", None, finding, "alarm")
    work = pd.DataFrame([row], columns=NO_ORDERS.columns).astype(NO_ORDERS.dtypes)
    return error_rates(outcomes(predictions, failed, work, now=START + 90 * 24 * HOUR, terms=TERMS))


def test_bounds_hold_whatever_the_finding_would_have_been() -> None:
    """The bounds over an unknown episode are the rates there are once its finding is known, true or false."""
    for finding in (None, "not_inspected"):
        unknown, true, false = (_rates_with(each) for each in (finding, "defect_confirmed", "no_fault_found"))
        assert unknown.undecided == 1
        for name, low, high in (("missed", true, false), ("false_episodes", true, false), ("precision", false, true)):
            bounds = getattr(unknown, name).bounds
            assert bounds.unknown == 1
            assert bounds.lowest == pytest.approx(getattr(low, name).value)
            assert bounds.highest == pytest.approx(getattr(high, name).value)
            assert bounds.low <= getattr(unknown, name).low <= getattr(unknown, name).high <= bounds.high


def test_nothing_unknown_leaves_nothing_open() -> None:
    """Where every outcome is known, the bounds are the rate and its interval."""
    for rate in (_rates().missed, _rates().false_episodes, _rates().precision):
        assert rate is not None
        assert rate.bounds is not None
        assert (rate.bounds.lowest, rate.bounds.highest) == (rate.value, rate.value)
        assert (rate.bounds.low, rate.bounds.high) == (rate.low, rate.high)


def test_precision_by_hand() -> None:
    """Of two alarms one was followed by a failure."""
    precision = _rates().precision
    assert precision is not None
    assert (precision.count, precision.of) == (1, 2)


def test_wilson_by_its_formula() -> None:
    """A share's interval is Wilson's, computed here from the published formula."""
    for count, trials in ((0, 5), (3, 7), (50, 50), (120, 400)):
        z = stats.norm.ppf(0.975)
        middle = (count + z**2 / 2) / (trials + z**2)
        half = z / (trials + z**2) * np.sqrt(count * (trials - count) / trials + z**2 / 4)
        rate = share(count, trials)
        assert [rate.low, rate.high] == pytest.approx([middle - half, middle + half], abs=1e-12)


def test_garwood_by_its_definition() -> None:
    """At the ends of the exact interval the Poisson tails are half of what the confidence leaves."""
    for count, exposure in ((0, 2.0), (1, 0.5), (14, 30.0)):
        rate = occurrence(count, exposure, confidence=0.9)
        assert stats.poisson.cdf(count, rate.high * exposure) == pytest.approx(0.05)
        if count:
            assert stats.poisson.sf(count - 1, rate.low * exposure) == pytest.approx(0.05)
        else:
            assert rate.low == 0.0


def test_without_exposure_everything_is_possible() -> None:
    """Without trials or exposure the interval holds everything that is possible."""
    assert (share(0, 0).low, share(0, 0).high) == (0.0, 1.0)
    assert occurrence(0, 0.0).high == float("inf")
    assert np.isnan(share(0, 0).value)


def test_an_alarm_that_never_ends_is_counted_each_time_it_outlasts_its_claim() -> None:
    """Ten days of alerts without a pause are ten false episodes of a day each, not one."""
    as_of = pd.date_range(START, periods=240, freq="h")
    predictions = pd.DataFrame({"asset": "m1", "as_of": as_of, "alert": True})
    known = outcomes(predictions, empty_table("failures"), NO_ORDERS, now=START + 80 * 24 * HOUR, terms=TERMS)
    assert known.episodes["opened"].tolist() == list(as_of[::24])
    assert error_rates(known).false_episodes.count == 10


@settings(max_examples=12, deadline=None)
@given(
    alerts=st.sets(st.integers(0, 200)),
    failed=st.sets(st.integers(0, 260), max_size=4),
    gap=st.sampled_from([3, 9, 30]),
)
def test_threshold_reference_monitor_and_comparison_count_the_same_false_alarms(
    alerts: set[int], failed: set[int], gap: int
) -> None:
    """Choosing a threshold, reference rates, monitor and comparison count false alarms by one rule."""
    terms = Terms(lead=2 * HOUR, horizon=24 * HOUR, gap=gap * HOUR, reporting_delay=10 * HOUR)
    now, times = START + 400 * HOUR, [START + hour * HOUR for hour in range(201)]
    event = pd.DatetimeIndex([START + hour * HOUR for hour in sorted(failed)], dtype="datetime64[us, UTC]")
    failures = pd.DataFrame(
        {"failure_id": event.astype("str"), "asset": "m1", "event_time": event, "known_time": event, "mode": "bearing"}
    )
    predictions = pd.DataFrame({"asset": "m1", "as_of": times, "alert": [hour in alerts for hour in range(201)]})
    state = failure_labels(predictions, failures, NO_ORDERS, lead=terms.lead, horizon=terms.horizon, known_until=now)
    rest = {name: empty_table(name) for name in ("assets", "events")}
    heard = pd.DataFrame({"asset": ["m1"], "event_time": now, "known_time": now})
    history = History("azure_machine", (), heard, failures=failures, work_orders=NO_ORDERS, **rest)
    in_vain = state.isin(["negative", "too_late"]).to_numpy()
    labelled = predictions.assign(state=state, prediction=predictions["alert"].astype(float))
    reference = evaluate_failures(
        labelled, history, terms=terms, costs=COSTS, known_until=now, trained_on=predictions[["asset", "as_of"]]
    )
    events = failures[["asset", "event_time"]].assign(confirmed=False)
    period = Period(START - HOUR, now - terms.maturity, predictions, events, ())
    rival = holdout_score(1, holdout_outcomes(predictions, history, period, now=now, terms=terms), period, COSTS)
    watched = error_rates(outcomes(predictions, failures, NO_ORDERS, now=now, terms=terms))
    counts = {
        int(count_in_vain(predictions, predictions["alert"].to_numpy(), in_vain, terms).sum()),
        int(reference.metrics["false_alarms"]),
        rival.false_episodes.count,
        watched.false_episodes.count,
    }
    assert len(counts) == 1
    missed = reference.metrics["failures_total"] - reference.metrics["failures_caught"]
    assert reference.metrics["expected_cost"] == 10 * missed + counts.pop()
