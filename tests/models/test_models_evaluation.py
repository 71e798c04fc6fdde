"""Evaluation, thresholds and the policies beside them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from data_contracts.tables.history import History
from models.assessment.decision_metrics import calibration_error, decision_metrics
from models.assessment.error_metrics import nasa_score, rmse
from models.assessment.thresholds import choose_threshold, count_in_vain, peak_before
from models.experiment.plans import CostPlan
from models.outcomes.outcomes import Terms
from models.registry.registration.plots import draw_threshold
from models.training.evaluation import evaluate_failures, evaluate_remaining_life, lead_times
from models.training.out_of_fold import fit_calibration
from models.training.policies import best_interval, calendar_cost

START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
HOUR = pd.Timedelta("1h").as_unit("us")
TERMS = Terms(lead=0 * HOUR, horizon=24 * HOUR, gap=6 * HOUR, reporting_delay=0 * HOUR)


def at(hour: float) -> pd.Timestamp:
    return START + hour * HOUR


def hourly(n: int, assets: tuple[str, ...] = ("m1",)) -> pd.DataFrame:
    rows = [(asset, at(hour)) for asset in assets for hour in range(n)]
    return pd.DataFrame(rows, columns=["asset", "as_of"]).astype({"as_of": "datetime64[us, UTC]"})


def failures(*rows: tuple[str, int]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["asset", "hour"])
    times = pd.Series([at(hour) for hour in frame["hour"]], dtype="datetime64[us, UTC]")
    return pd.DataFrame(
        {
            "failure_id": [f"f{i}" for i in frame.index],
            "asset": frame["asset"],
            "event_time": times,
            "known_time": times,
        }
    )


def labelled(frame: pd.DataFrame, happened: pd.DataFrame) -> pd.DataFrame:
    ahead = [
        any(r.asset == a and t < r.event_time <= t + 24 * HOUR for r in happened.itertuples())
        for a, t in frame[["asset", "as_of"]].itertuples(index=False)
    ]
    return frame.assign(state=np.where(ahead, "positive", "negative"))


def history(happened: pd.DataFrame) -> History:
    orders = pd.DataFrame(
        columns=["work_order_id", "asset", "event_time", "known_time", "kind", "component", "finding", "prompted_by"]
    ).astype({"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"})
    nothing = orders[["asset", "event_time", "known_time"]]
    heard = pd.DataFrame({"asset": ["m1", "m2"], "event_time": at(400), "known_time": at(400)})
    return History("azure_machine", (), heard, nothing, happened, orders, nothing, {})


def test_nasa_score_is_that_of_the_challenge() -> None:
    """The sum of exp(-d/13) - 1 for early and exp(d/10) - 1 for late predictions, d = predicted - true."""
    predicted, true = np.array([90.0, 110.0, 100.0]), np.array([100.0, 100.0, 100.0])
    assert nasa_score(predicted, true) == pytest.approx(np.exp(10 / 13) - 1 + np.exp(1) - 1)
    assert rmse(predicted, true) == pytest.approx(np.sqrt(200 / 3))
    assert np.isnan(rmse(true[:0], true[:0]))


def test_remaining_life_is_scored_in_both_protocols() -> None:
    """Capped and uncapped protocols share predictions; `last` scores the last cut-off of each asset only."""
    frame = hourly(3).assign(prediction=[50.0, 100.0, 120.0], alert=False, remaining_life_h=[np.nan, 190.0, 150.0])
    last = evaluate_remaining_life(frame, cap=125 * HOUR, score_at="last").metrics
    assert (last["rmse_capped"], last["rmse_uncapped"], last["samples_scored"]) == (5.0, 30.0, 1.0)
    every = evaluate_remaining_life(frame, cap=125 * HOUR, score_at="all").metrics
    assert every["rmse_capped"] == pytest.approx(np.sqrt((25**2 + 5**2) / 2))


def test_decision_metrics_of_one_class_are_not_made_up() -> None:
    """Without failures areas are NaN, and without samples everything is."""
    metrics = decision_metrics(np.array([False, False]), np.array([0.1, 0.2]), np.array([False, True]))
    assert np.isnan(metrics["roc_auc"])
    assert np.isnan(metrics["recall"])
    assert metrics["brier"] == pytest.approx(0.025)
    assert all(np.isnan(v) for v in decision_metrics(np.zeros(0, bool), np.zeros(0), np.zeros(0, bool)).values())


def test_calibration_error_is_the_mean_gap() -> None:
    """A forecaster of 0.3 where half fail is off by 0.2."""
    assert calibration_error(np.array([True, False]), np.array([0.3, 0.3])) == pytest.approx(0.2)


def test_calibration_corrects_overconfident_scores() -> None:
    """Platt's sigmoid brings overconfident scores back to what is observed."""
    rng = np.random.default_rng(0)
    true = rng.uniform(0.02, 0.98, 20_000)
    truth = (rng.random(20_000) < true).astype(float)
    overconfident = true**3 / (true**3 + (1 - true) ** 3)
    fitted = fit_calibration(overconfident, truth)
    assert fitted is not None
    assert fitted.slope == pytest.approx(1 / 3, abs=0.03)
    assert calibration_error(truth > 0, fitted.apply(overconfident)) < 0.02
    assert fit_calibration(overconfident, np.ones(20_000)) is None


def test_no_calibration_turns_the_order_of_the_scores_round() -> None:
    """Where higher scores failed less, or scores say nothing, no sigmoid that falls is fitted."""
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.02, 0.98, 500)
    assert fit_calibration(scores, (rng.random(500) > scores).astype(float)) is None
    drawn = [fit_calibration(scores, rng.integers(0, 2, 500).astype(float)) for _ in range(20)]
    assert all(fitted is None or fitted.slope > 0 for fitted in drawn)
    assert None in drawn


def test_plant_figures_of_a_small_month() -> None:
    """One failure caught with 12 hours' warning, one missed, one false alarm: counted as a plant would."""
    happened = failures(("m1", 100), ("m2", 150))
    frame = labelled(hourly(240, ("m1", "m2")), happened)
    alerts = (frame["asset"] == "m1") & frame["as_of"].isin([at(88), at(90), at(200), at(203)])
    frame = frame.assign(prediction=alerts * 0.9 + 0.05, alert=alerts)
    evaluation = evaluate_failures(
        frame, history(happened), terms=TERMS, costs=CostPlan(10.0, 1.0), known_until=at(400), trained_on=hourly(48)
    )
    metrics = evaluation.metrics
    assert (metrics["failures_caught"], metrics["failures_total"], metrics["false_alarms"]) == (1, 2, 1)
    assert metrics["expected_cost"] == 11.0
    assert metrics["expected_cost_never"] == 20.0
    assert list(evaluation.lead_times_h) == [12.0]
    assert (metrics["precision"], metrics["recall"]) == (0.5, 2 / 48)
    assert metrics["asset_months"] == pytest.approx(2 * 239 / 24 / 30, rel=0.01)
    assert evaluation.reference is not None
    assert (evaluation.reference.missed.count, evaluation.reference.missed.of) == (1, 2)


def test_one_period_of_decisions_for_alarms_failures_and_costs() -> None:
    """Failures count from one claim after the first decision to one claim after the last that matured; costs agree."""
    happened = failures(("m1", 20), ("m1", 60), ("m1", 95), ("m1", 130))
    frame = labelled(hourly(140), happened)
    alerts = frame["as_of"].isin([at(50), at(90)])
    frame = frame.assign(prediction=alerts * 0.9, alert=alerts)
    for known_until, total in ((96, 2), (129, 2), (140, 3)):
        evaluation = evaluate_failures(
            frame,
            history(happened),
            terms=TERMS,
            costs=CostPlan(10.0, 1.0),
            known_until=at(known_until),
            trained_on=hourly(48),
        )
        metrics = evaluation.metrics
        assert (metrics["failures_caught"], metrics["failures_total"]) == (2, total)
        assert metrics["expected_cost"] == 10.0 * (total - 2) + metrics["false_alarms"]
        assert metrics["expected_cost_never"] == 10.0 * total
        assert evaluation.period is not None
        assert evaluation.period[1] == at(known_until - 24)


def test_what_is_known_later_changes_no_figure() -> None:
    """Failures known after `known_until` are not there for the evaluation."""
    happened = failures(("m1", 60), ("m1", 90))
    frame = labelled(hourly(96), happened).assign(prediction=0.2, alert=False)
    cut = happened[happened["known_time"] <= at(70)]
    one, other = (
        evaluate_failures(
            frame, history(rows), terms=TERMS, costs=CostPlan(), known_until=at(70), trained_on=hourly(48)
        ).metrics
        for rows in (happened, cut)
    )
    pd.testing.assert_series_equal(pd.Series(one), pd.Series(other))


def test_an_empty_test_gives_no_figures() -> None:
    """Without test samples every figure is NaN, and nothing is promised."""
    frame = hourly(1).iloc[:0].assign(prediction=0.0, alert=False, state="")
    evaluation = evaluate_failures(
        frame, history(failures()), terms=TERMS, costs=CostPlan(), known_until=at(1), trained_on=hourly(48)
    )
    assert evaluation.reference is None
    assert all(np.isnan(value) for value in evaluation.metrics.values())


def test_lead_times_leave_out_late_alerts() -> None:
    """An alert within the lead, or before the horizon, warns of nothing."""
    terms = replace(TERMS, lead=4 * HOUR)
    frame = hourly(100).assign(alert=False)
    for hour, expected in ((71, []), (72, [28.0]), (95, [5.0]), (96, []), (99, [])):
        frame["alert"] = frame["as_of"] == at(hour)
        assert list(lead_times(frame, failures(("m1", 100)), terms)) == expected


def test_an_alarm_that_never_ends_is_not_cheap() -> None:
    """Inspections in vain are counted again each time an alarm outlasts its claim."""
    frame = hourly(96)
    always, quiet = np.ones(96, bool), np.ones(96, bool)
    assert list(count_in_vain(frame, always, quiet, TERMS)) == [4]
    assert list(count_in_vain(frame, ~always, quiet, TERMS)) == [0]
    one = frame["as_of"].isin([at(3), at(8), at(20)]).to_numpy()
    assert list(count_in_vain(frame, one, quiet, TERMS)) == [2]
    assert list(count_in_vain(frame, one, frame["as_of"].to_numpy() != at(3), TERMS)) == [1]


def test_the_threshold_follows_the_costs() -> None:
    """Dear failures lower the threshold, dear inspections raise it."""
    rng = np.random.default_rng(4)
    assets = tuple(f"m{i}" for i in range(12))
    happened = failures(*[(asset, int(rng.integers(40, 200))) for asset in assets])
    frame = labelled(hourly(240, assets), happened)
    noise = np.repeat(rng.normal(size=12), 240) + rng.normal(size=len(frame)) / 10
    frame["probability"] = 1 / (1 + np.exp(-(1.5 * (frame["state"] == "positive") - 2.5 + noise)))
    values = [
        choose_threshold(frame, happened, terms=TERMS, missed_failure=cost, false_alarm=1.0).value
        for cost in (0.5, 5.0, 200.0)
    ]
    assert values[0] > values[1] > values[2]


def test_without_failures_the_costs_alone_decide() -> None:
    """With nothing to choose by the threshold is that of a calibrated probability."""
    frame = labelled(hourly(50), failures()).assign(probability=0.1)
    chosen = choose_threshold(frame, failures(), terms=TERMS, missed_failure=9.0, false_alarm=1.0)
    assert chosen.value == pytest.approx(0.1)
    assert chosen.curve.empty


def test_peaks_are_those_in_time() -> None:
    """For each failure the highest probability in [failure - lead - horizon, failure - lead) counts."""
    frame = hourly(100).assign(probability=np.arange(100) / 100)
    peaks = peak_before(frame, failures(("m1", 50), ("m1", 50), ("m2", 10)), replace(TERMS, lead=5 * HOUR))
    assert list(peaks["peak"]) == [0.44]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_the_curve_counts_what_it_says(seed) -> None:
    """The misses and inspections of a candidate threshold are those of its alerts, counted plainly."""
    rng = np.random.default_rng(seed)
    happened = failures(*[("m1", int(h)) for h in rng.integers(1, 96, 2)], ("m2", 50))
    frame = labelled(hourly(96, ("m1", "m2")), happened)
    frame["probability"] = rng.random(len(frame)).round(2)
    curve = choose_threshold(frame, happened, terms=TERMS, missed_failure=10.0, false_alarm=1.0).curve
    row = curve.iloc[int(rng.integers(len(curve)))]
    alert = frame["probability"] >= row["threshold"]
    events = happened[["asset", "event_time"]].drop_duplicates()
    missed = sum(
        not (
            alert
            & (frame["asset"] == e.asset)
            & (frame["as_of"] >= e.event_time - 24 * HOUR)
            & (frame["as_of"] < e.event_time)
        ).any()
        for e in events.itertuples()
    )
    assert row["missed"] == missed
    vain = count_in_vain(frame, alert.to_numpy(), (frame["state"] == "negative").to_numpy(), TERMS).sum()
    assert row["in_vain"] == vain
    assert row["cost"] == 10 * missed + vain


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_the_reason_names_what_the_curve_and_its_plot_show(seed) -> None:
    """Card and plot count the same: the cost of the threshold that was chosen, and where the least is."""
    rng = np.random.default_rng(seed)
    assets = tuple(f"m{number}" for number in range(8))
    happened = failures(*[(asset, int(rng.integers(30, 96))) for asset in assets[:6]])
    frame = labelled(hourly(96, assets), happened)
    frame["probability"] = rng.random(len(frame)).round(2) * (0.4 + 0.6 * (frame["state"] == "positive"))
    chosen = choose_threshold(frame, happened, terms=TERMS, missed_failure=8.0, false_alarm=1.0)
    own = chosen.curve[chosen.curve["threshold"] == chosen.value].iloc[0]
    least = chosen.curve["cost"].min()
    assert own["close"]
    if own["cost"] > least:
        assert f"it costs {own['cost']:,.6g} on" in chosen.reason
        assert f"the least is {least:,.6g} at {chosen.cheapest['threshold']:.3g};" in chosen.reason
    else:
        assert chosen.reason.startswith("least cost on")
    axes = Figure().subplots()
    draw_threshold(axes, chosen)
    cost, _, lowest, line = axes.get_lines()
    assert np.min(cost.get_ydata()) == lowest.get_ydata()[0] == least
    assert lowest.get_xdata()[0] == chosen.cheapest["threshold"]
    assert line.get_xdata()[0] == chosen.value


def test_the_calendar_counts_inspections() -> None:
    """Never misses all, always inspects every horizon and misses none, an interval lies between."""
    frame, happened = hourly(240), failures(("m1", 100), ("m1", 190))
    prices = {"terms": TERMS, "missed_failure": 10.0, "false_alarm": 1.0}
    never = calendar_cost(frame, happened, interval=None, **prices)
    always = calendar_cost(frame, happened, interval=24 * HOUR, **prices)
    weekly = calendar_cost(frame, happened, interval=96 * HOUR, **prices)
    assert (never.missed, never.in_vain, never.cost) == (2, 0, 20.0)
    assert (always.missed, always.in_vain, always.cost) == (0, 8, 8.0)
    assert (weekly.missed, weekly.in_vain) == (1, 2)
    assert best_interval(frame, failures(), **prices) == pd.Timedelta(days=90)
