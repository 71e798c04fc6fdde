"""Target anomaly: learned from healthy operation, judged like every alarm."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from data_contracts.errors import ModelError, UsageError
from data_contracts.tables.history import History
from models.anomalies.sentences import learned_from
from models.artifact.artifact import Artifact
from models.artifact.explanations.drivers import drivers
from models.artifact.scoring import score, score_in_detail
from models.assessment.anomaly.run_ups import course
from models.assessment.anomaly.thresholds import limit_at_rate
from models.assessment.first_champion import judge_first
from models.assessment.thresholds import ChosenThreshold
from models.experiment.experiment import Experiment
from models.outcomes.outcomes import Terms
from models.registry.registration.model_card import model_card
from models.registry.registration.run_record import version_tags
from models.registry.revision import Revision
from models.training.training import train

Describe = Callable[..., Experiment]
START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
HOUR, DAY = pd.Timedelta("1h").as_unit("us"), pd.Timedelta("1D").as_unit("us")
ANOMALY = ("target=anomaly", "estimator={kind='mahalanobis'}", "alarms.per_asset_month=1")


def without_failures(plant: History) -> History:
    """Return the plant as one that has never seen a failure reported."""
    return replace(plant, failures=plant.failures[:0], work_orders=plant.work_orders[:0])


def test_alarms_announce_failures_once_known_ones_are_left_out(plant: History, describe: Describe) -> None:
    """Learned from what no known failure followed, it announces most later failures at the declared rate."""
    metrics = train(describe(*ANOMALY), plant).evaluation.metrics
    assert metrics["failures_caught"] >= 0.8 * metrics["failures_total"] > 0
    assert metrics["false_alarms_per_asset_month"] <= 1.0
    assert 0 <= metrics["false_alarm_rate"] < 0.1
    assert metrics["care_coverage"] > 0.5
    assert np.isnan(metrics["care_score"])  # every asset of the test failed: none shows what healthy running looks like
    assert "brier" not in metrics


def test_failures_that_nobody_reported_cost_alarms_and_not_the_rate(plant: History, describe: Describe) -> None:
    """A fifth of the span precedes failures that nobody reported: it is said, few are announced, and the rate holds."""
    reported = plant.failures["event_time"] >= pd.Timestamp("2026-02-10", tz="UTC")
    trained = train(
        describe(*ANOMALY), replace(plant, failures=plant.failures[reported], work_orders=plant.work_orders[:0])
    )
    assert trained.columns_reason is not None
    assert "unlike the rest" in trained.columns_reason
    assert trained.evaluation.metrics["failures_caught"] > 0
    assert trained.evaluation.metrics["false_alarms_per_asset_month"] <= 1.0


def test_a_plant_without_failures_gets_a_model_too(plant: History, describe: Describe) -> None:
    """There is nothing to catch, and the false alarms decide on the first champion."""
    noise = np.random.default_rng(5).normal(40.0, 1.0, len(plant.telemetry))
    calm = plant.telemetry.assign(vibration=noise)
    trained = train(describe(*ANOMALY), without_failures(replace(plant, telemetry=calm)))
    assert trained.evaluation.metrics["failures_total"] == 0
    assert judge_first(trained.evaluation.metrics).accepted
    assert "not more than the 1 per asset-month" in judge_first(trained.evaluation.metrics).reason
    assert "how unusual its telemetry is" in model_card(trained, version_tags(trained, Revision("abc", "0123")))


def test_more_false_alarms_than_declared_make_no_champion() -> None:
    """Chance explains a few alarms too many, and not many."""
    figures = {"declared_false_alarms_per_asset_month": 0.5, "asset_months": 10.0}
    few = judge_first({**figures, "false_alarms": 6.0, "false_alarms_by_chance": 0.38})
    many = judge_first({**figures, "false_alarms": 40.0, "false_alarms_by_chance": 1e-20})
    assert few.accepted
    assert not many.accepted
    assert "40 false alarms in 10 asset-months" in many.reason


def test_an_alert_names_the_channel_in_words(plant: History, describe: Describe, tmp_path) -> None:
    """A stored model scores the same, and its drivers name the channel that left the usual."""
    trained = train(describe(*ANOMALY), plant)
    artifact = Artifact.load(trained.artifact.save(tmp_path / "a"))
    assert artifact.digest == trained.artifact.digest
    assert (tmp_path / "a" / "detector.json").is_file()
    # The hours before a failure, at which vibration is raised.
    failure = plant.failures.sort_values("event_time").iloc[-1]
    cut_offs = pd.DataFrame({"asset": [failure["asset"]], "as_of": [failure["event_time"] - 2 * HOUR]})
    details = score_in_detail(artifact, plant, cut_offs)
    row = details.frame.iloc[0]
    assert row["alert"]
    assert row["anomaly_score"] >= row["threshold"] == trained.artifact.threshold
    assert np.isnan(row["probability"])
    assert np.isnan(row["remaining_life_h"])
    first = drivers(artifact, details.features)[0][0]
    assert first.channel == "vibration"
    assert first.raises
    assert "than usual" in first.words


def test_nothing_known_later_changes_a_score(plant: History, describe: Describe) -> None:
    """Telemetry after the cut-off changes neither the model of the time before the test nor a score."""
    trained = train(describe(*ANOMALY), plant)
    cut_off = pd.Timestamp("2026-02-20T00:00Z").as_unit("us")
    cut_offs = pd.DataFrame({"asset": plant.assets["asset"], "as_of": cut_off})
    earlier = replace(plant, telemetry=plant.telemetry[plant.telemetry["known_time"] <= cut_off])
    pd.testing.assert_frame_equal(score(trained.artifact, plant, cut_offs), score(trained.artifact, earlier, cut_offs))
    changed = plant.telemetry.copy()
    late = changed["event_time"] >= pd.Timestamp("2026-02-10", tz="UTC")
    changed.loc[late, "vibration"] *= 3
    again = train(describe(*ANOMALY), replace(plant, telemetry=changed))
    assert again.artifact.digest == trained.artifact.digest


def test_the_healthy_span_may_be_declared(plant: History, describe: Describe) -> None:
    """From, until, and the first weeks of each asset: fewer samples, none outside."""
    whole = train(describe(*ANOMALY), plant)
    declared = "label={horizon='48h', healthy_from='2026-01-05', healthy_until='2026-01-25'}"
    part = train(describe(*ANOMALY, declared), plant)
    first = train(describe(*ANOMALY, "label={horizon='48h', healthy_for='14d'}"), plant)
    assert part.n_train < whole.n_train
    assert first.n_train <= 8 * 14 * 4
    assert part.trained_until < pd.Timestamp("2026-01-25", tz="UTC")
    assert first.trained_until <= START + 15 * DAY


def test_samples_before_a_known_failure_are_not_learned_from(plant: History, describe: Describe) -> None:
    """What a known failure followed within the horizon is not healthy."""
    with_failures = train(describe(*ANOMALY), plant)
    assert with_failures.n_train < train(describe(*ANOMALY), without_failures(plant)).n_train


def test_a_constant_channel_is_left_out_and_named(plant: History, describe: Describe) -> None:
    """Nothing can be said of a channel that never moved; so it says so."""
    constant = replace(plant, telemetry=plant.telemetry.assign(volt=170.0))
    trained = train(describe(*ANOMALY), constant)
    assert trained.columns_reason is not None
    assert "left out as constant" in trained.columns_reason
    assert "volt" in trained.columns_reason


def test_a_healthy_span_that_is_not_healthy_says_so(plant: History, describe: Describe) -> None:
    """More than a quarter of the span unlike the rest: the sentence names the keys to look at."""
    spoiled = plant.telemetry.copy()
    spoiled.loc[spoiled["event_time"] < START + 14 * DAY, "vibration"] += 60.0
    trained = train(describe(*ANOMALY), without_failures(replace(plant, telemetry=spoiled)))
    sentences = learned_from(trained.artifact.model, trained.artifact.columns)
    assert any("not what it is said to be" in line for line in sentences) or any(
        "drifting" in line for line in sentences
    )


def test_a_short_healthy_span_is_a_clear_error(plant: History, describe: Describe) -> None:
    """A day is nothing to learn from: what is missing is said."""
    with pytest.raises(ModelError, match="healthy span"):
        train(describe(*ANOMALY, "label={horizon='48h', healthy_for='12h'}"), plant)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("estimator={kind='lightgbm'}",), "mahalanobis"),
        (("features.keep=3",), "features.keep"),
        (('features.budget="1ms"',), "features.budget"),
        (("label={}",), "label.horizon"),
        (("split={kind='cross'}",), "split.kind"),
        (("label={horizon='48h', healthy_from='2026-02-01', healthy_until='2026-01-01'}",), "healthy_until"),
    ],
)
def test_what_makes_no_sense_for_anomalies_is_refused(describe: Describe, overrides, words) -> None:
    """Each with the key that is wrong."""
    with pytest.raises(UsageError, match=words):
        describe(*ANOMALY, *overrides)


def test_other_targets_have_no_healthy_span(describe: Describe) -> None:
    """Keys of anomalies beside another target are refused, and leave its digest alone where they are not given."""
    with pytest.raises(UsageError, match="per_asset_month"):
        describe("alarms.per_asset_month=1")
    with pytest.raises(UsageError, match="healthy"):
        describe("label={horizon='48h', healthy_for='14d'}")
    assert "healthy" not in describe().to_json()
    assert "per_asset_month" not in describe().to_json()


def test_the_limit_keeps_to_the_declared_rate_on_what_was_held_out() -> None:
    """As many episodes as declared, counted; and a higher limit for a lower rate."""
    rng = np.random.default_rng(0)
    as_of = START + np.arange(0, 90 * 24, 6) * HOUR
    train_rows = pd.concat([pd.DataFrame({"asset": f"m{n}", "as_of": as_of}) for n in range(10)], ignore_index=True)
    unusual = rng.normal(size=len(train_rows))
    terms = Terms(pd.Timedelta(0), 48 * HOUR, 24 * HOUR, pd.Timedelta(0), 48 * HOUR)
    limits = [
        limit_at_rate(train_rows, unusual, per_asset_month=rate, terms=terms, window=24 * HOUR)
        for rate in (2.0, 0.5, 0.05)
    ]
    values = [limit.value for limit in limits]
    assert values == sorted(values)
    assert "held out raise at most 2 alarms" in limits[0].reason
    assert "too short to count" in limits[2].reason
    assert values[2] < 1.0


def fleet_scores(seed: int, *, run_ups: bool = False, backwards: bool = False) -> tuple[pd.DataFrame, np.ndarray]:
    """Three months of 30 machines: noise with passing disturbances, and perhaps two run-ups each."""
    rng = np.random.default_rng(seed)
    as_of = START + np.arange(0, 90 * 24, 12) * HOUR
    unusual = rng.normal(0.0, 0.25, size=(30, len(as_of)))
    for own in unusual:
        for begin in rng.integers(4, len(as_of) - 4, size=2):
            own[begin : begin + 3] += rng.uniform(0.5, 2.0)
        if run_ups:
            for end in rng.integers(20, len(as_of) - 10, size=2):
                rise = np.linspace(0.0, 2.5, 10)
                own[end - 10 : end] += rise[::-1] if backwards else rise
    rows = pd.concat([pd.DataFrame({"asset": f"m{n:02}", "as_of": as_of}) for n in range(30)], ignore_index=True)
    return rows, unusual.ravel()


def limit_of(rows: pd.DataFrame, unusual: np.ndarray) -> ChosenThreshold:
    """Choose the limit for one alarm in two asset-months, of windows of 24 hours."""
    terms = Terms(pd.Timedelta(0), 168 * HOUR, 24 * HOUR, pd.Timedelta(0), 24 * HOUR)
    return limit_at_rate(rows, unusual, per_asset_month=0.5, terms=terms, window=24 * HOUR)


def test_run_ups_that_nobody_reported_leave_the_limit_where_it_was() -> None:
    """What rises and ends at once is not counted; the same reversed in time is, and raises the limit."""
    clean, spoiled, reverse = (
        limit_of(*fleet_scores(1, run_ups=run_ups, backwards=backwards))
        for run_ups, backwards in ((False, False), (True, False), (True, True))
    )
    assert "not counted" not in clean.reason
    assert "rose slowly and ended at once" in spoiled.reason
    assert "not counted" not in reverse.reason
    low, middle, high = logit([clean.value, spoiled.value, reverse.value])
    assert middle - low < 0.5 * (high - low)


def test_time_near_the_ends_of_a_span_is_not_counted() -> None:
    """A new asset's first window is incomplete, and after the last nothing says how it went on."""
    rows, unusual = fleet_scores(2)
    late = unusual.reshape(30, -1).copy()
    late[:, [0, 1, -2, -1]] += 9.0
    assert limit_of(rows, late.ravel()).value == pytest.approx(limit_of(rows, unusual).value, abs=0.02)


@pytest.mark.parametrize("window", [6 * HOUR, 24 * HOUR])
def test_before_and_after_are_of_the_asset_itself_and_share_no_reading(window) -> None:
    """Means by brute force, over gaps and several assets."""
    rng = np.random.default_rng(3)
    asset = np.repeat([0, 1, 2], [40, 1, 30])
    hours = np.concatenate([np.sort(rng.choice(400, 40, replace=False)), [5], np.arange(0, 360, 12)])
    as_of = np.datetime64("2026-01-01", "us") + hours * np.timedelta64(1, "h")
    score = rng.normal(size=len(asset))
    found = course(asset, as_of, score, window.to_timedelta64())
    for i in range(len(asset)):
        own = asset == asset[i]
        near = max(window.to_timedelta64(), np.median(np.diff(as_of[own]))) if own.sum() > 1 else np.timedelta64(1, "D")
        for side, sign in ((found.before, -1), (found.after, 1)):
            away = sign * (as_of - as_of[i])
            wanted = score[own & (away >= near) & (away <= 1.5 * near)]
            assert side[i] == pytest.approx(wanted.mean() if len(wanted) else np.nan, nan_ok=True)


@pytest.mark.verify
def test_a_fresh_year_of_a_healthy_fleet_alarms_about_as_often_as_declared() -> None:
    """What passes is no run-up: with nothing to subtract, the declared rate holds on data that was not seen."""
    terms = Terms(pd.Timedelta(0), 168 * HOUR, 24 * HOUR, pd.Timedelta(0), 24 * HOUR)
    rates = []
    for seed in range(60):
        limit = logit(limit_of(*fleet_scores(seed)).value) / np.log(9.0) + 1.0
        rows, unusual = fleet_scores(1000 + seed)
        codes, as_of = pd.factorize(rows["asset"])[0], rows["as_of"].dt.tz_localize(None).to_numpy()
        fresh = course(codes, as_of, unusual, np.timedelta64(24, "h"))
        rates.append(fresh.count(limit, terms).raised / (fresh.watched / np.timedelta64(30, "D")))
    assert np.mean(rates) == pytest.approx(0.5, abs=0.06)
