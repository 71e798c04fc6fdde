"""A measured condition as what is predicted: its value, or when it crosses a threshold."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from data_contracts.records.records import open_records
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from models.assessment.first_champion import judge_first
from models.experiment.experiment import Experiment
from models.labels.condition import PredictedCondition, Threshold, already_beyond, condition_values, crossings
from models.registry.promotion import promote
from models.registry.registration.model_card import model_card
from models.registry.registration.run_record import version_tags
from models.registry.registry import Registry
from models.registry.revision import Revision
from models.training.training import train

Describe = Callable[..., Experiment]
START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
HOUR = pd.Timedelta("1h").as_unit("us")
VALUE = ("target=condition", "label={condition='wear'}", "features.ages=false", "features.events=false")
CROSSING = ("label={horizon='48h', condition='wear', threshold=150}", "features.ages=false")


def readings(seed: int, n: int = 40) -> pd.DataFrame:
    """Draw readings of two tools, some null, some known late, some corrected."""
    rng = np.random.default_rng(seed)
    hours = rng.integers(0, 30, n)
    frame = pd.DataFrame({"asset": rng.choice(["t1", "t2"], n), "event_time": START + hours * HOUR})
    value = np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 10, n).astype(float))
    return frame.assign(
        known_time=frame["event_time"] + rng.integers(0, 5, n) * HOUR, source="physical", wear=value
    ).drop_duplicates(["asset", "event_time", "known_time"])


def latest(frame: pd.DataFrame, asset: str, until: pd.Timestamp) -> dict[pd.Timestamp, float]:
    """Return the values of an asset by time, each as known last by `until`."""
    own = frame[(frame["asset"] == asset) & (frame["known_time"] <= until)].sort_values(["event_time", "known_time"])
    last = own.drop_duplicates("event_time", keep="last")
    return {t: v for t, v in zip(last["event_time"], last["wear"], strict=True) if not np.isnan(v)}


@given(st.integers(0, 10_000), st.integers(0, 6), st.integers(1, 5), st.integers(5, 40))
@settings(max_examples=60, deadline=None)
def test_a_value_is_the_last_of_the_stride(seed: int, ahead: int, reach: int, until: int) -> None:
    """As an obvious loop finds it; what is known later changes nothing."""
    frame = readings(seed)
    cut_offs = pd.DataFrame(
        [(a, START + h * HOUR) for a in ("t2", "t1") for h in range(0, 30, 3)], columns=["asset", "as_of"]
    )
    known_until = START + until * HOUR
    options = {"ahead": ahead * HOUR, "reach": reach * HOUR, "known_until": known_until}
    values = condition_values(cut_offs, frame, "wear", **options)
    for (asset, as_of), value in zip(cut_offs.itertuples(index=False, name=None), values, strict=True):
        at = as_of + ahead * HOUR
        inside = {t: v for t, v in latest(frame, asset, known_until).items() if at - reach * HOUR < t <= at}
        expected = inside[max(inside)] if inside and at <= known_until else np.nan
        assert value == expected or (np.isnan(value) and np.isnan(expected))
    known = frame[frame["known_time"] <= known_until]
    pd.testing.assert_series_equal(values, condition_values(cut_offs, known, "wear", **options))


@given(st.integers(0, 10_000), st.sampled_from(["above", "below"]), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_a_crossing_is_a_reading_beyond_after_none_or_one_that_was_not(
    seed: int, direction: str, threshold: int
) -> None:
    """As an obvious loop finds it; a cut-off after it is beyond until a reading is not."""
    frame = readings(seed)
    found = crossings(frame, "wear", threshold=threshold, direction=direction)  # type: ignore[arg-type]
    cut_offs = pd.DataFrame(
        [(a, START + h * HOUR) for a in ("t1", "t2") for h in range(-1, 31)], columns=["asset", "as_of"]
    )
    beyond = already_beyond(cut_offs, frame, "wear", threshold=threshold, direction=direction)  # type: ignore[arg-type]
    expected, states = [], {}
    for asset in ("t1", "t2"):
        was = False
        for time, value in sorted(latest(frame, asset, pd.Timestamp.max.tz_localize("UTC")).items()):
            now = value > threshold if direction == "above" else value < threshold
            expected += [(asset, time)] if now and not was else []
            was = states[asset, time] = now
    assert sorted(found[["asset", "event_time"]].itertuples(index=False, name=None)) == sorted(expected)
    assert found["failure_id"].is_unique
    for (asset, as_of), is_beyond in zip(cut_offs.itertuples(index=False, name=None), beyond, strict=True):
        past = [time for own, time in states if own == asset and time <= as_of]
        assert is_beyond == (states[asset, max(past)] if past else False)


@pytest.fixture(scope="module")
def worn(plant: History) -> History:
    """Add a wear that grows by the hour from failure to failure, and a force that follows it with noise."""
    rng = np.random.default_rng(2)
    rows = plant.telemetry.sort_values(["asset", "event_time"], ignore_index=True)
    failed = plant.failures[["asset", "event_time"]].assign(failed_at=plant.failures["event_time"])
    times = rows.sort_values("event_time")
    last = pd.merge_asof(times, failed.sort_values("event_time"), on="event_time", by="asset")
    hours = (last["event_time"] - last["failed_at"].fillna(START)) / pd.Timedelta("1h")
    return replace(
        plant,
        channels=(*plant.channels, "force", "wear"),
        telemetry=last.drop(columns="failed_at").assign(wear=hours, force=100 + hours + rng.normal(0, 15, len(hours))),
    )


def test_the_value_is_predicted_without_being_a_feature(worn: History, describe: Describe) -> None:
    """The model sees the other channels alone; its figures are in the condition's unit, with what the mean would do."""
    trained = train(describe(*VALUE), worn)
    assert not [column for column in trained.artifact.columns if column.startswith("wear")]
    assert any(column.startswith("force") for column in trained.artifact.columns)
    metrics = trained.evaluation.metrics
    assert metrics["rmse_low"] < metrics["rmse"] < metrics["rmse_high"]
    assert metrics["rmse"] < 0.5 * metrics["rmse_mean"]
    assert metrics["r2"] > 0.7
    assert judge_first(metrics).accepted
    predicted = trained.evaluation.predictions
    assert not predicted["alert"].any()
    assert predicted["prediction"].max() > 150  # neither cut off as a probability nor as a life


def test_the_value_at_the_cut_off_is_in_no_feature_by_any_way(worn: History, describe: Describe) -> None:
    """Other measurements of the test assets change the truth and not one prediction: nothing leaks."""
    split = "split={kind='asset', test=['m00', 'm01']}"
    changed = worn.telemetry.assign(
        wear=worn.telemetry["wear"].where(~worn.telemetry["asset"].isin(["m00", "m01"]), 7.0)
    )
    one, other = (train(describe(*VALUE, split), history) for history in (worn, replace(worn, telemetry=changed)))
    assert one.predictions_digest == other.predictions_digest
    assert one.evaluation.metrics["rmse"] != other.evaluation.metrics["rmse"]


def test_the_value_ahead_may_use_its_past(worn: History, describe: Describe) -> None:
    """With a horizon and by name the condition is a feature; a value beyond what is known is unknown."""
    channels = "features.channels=['wear']"
    trained = train(describe(VALUE[0], "label={condition='wear', horizon='24h'}", channels, *VALUE[2:]), worn)
    assert trained.evaluation.metrics["rmse"] < trained.evaluation.metrics["rmse_mean"]
    last = trained.evaluation.predictions.loc[lambda frame: frame["as_of"] > trained.known_until - 24 * HOUR]
    assert len(last)
    assert last["condition"].isna().all()
    with pytest.raises(UsageError, match="value at the cut-off is predicted"):
        describe(*VALUE, channels)


def test_a_crossing_counts_as_a_failure(worn: History, describe: Describe) -> None:
    """Labels, figures and threshold are by the crossings; what is worn already is no sample; the card says so."""
    trained = train(describe(*CROSSING), worn)
    crossed = crossings(worn.telemetry, "wear", threshold=150, direction="above")
    metrics = trained.evaluation.metrics
    assert metrics["failures_total"] == pytest.approx(
        (crossed["event_time"] > pd.Timestamp("2026-02-10", tz="UTC")).sum(), abs=3
    )
    assert metrics["failures_total"] != len(worn.failures)
    assert metrics["roc_auc_within_assets"] > 0.8
    cut_offs = trained.evaluation.predictions[["asset", "as_of"]]
    assert not already_beyond(cut_offs, worn.telemetry, "wear", threshold=150, direction="above").any()
    assert not [column for column in trained.artifact.columns if column.startswith("wear")]
    card = model_card(trained, version_tags(trained, Revision("abc", "0123")))
    assert "the probability of the time when `wear` is above 150 within 48h" in card
    life = train(describe("target=remaining_life", "label={cap='72h', condition='wear', threshold=150}"), worn)
    assert life.evaluation.metrics["rmse_capped"] < life.evaluation.metrics["rmse_mean"]


def test_crossing_is_cross_validated(worn: History, describe: Describe) -> None:
    """Leave-assets-out works for values and crossings alike."""
    cross = "split={kind='cross', test_folds=4}"
    value = train(describe(*VALUE, cross), worn).evaluation
    assert value.metrics["rmse"] < 0.5 * value.metrics["rmse_mean"]
    assert set(value.predictions["asset"]) == set(worn.assets["asset"])
    assert train(describe(*CROSSING, cross), worn).evaluation.metrics["failures_total"] > 10


def test_a_value_is_registered_and_promoted(worn: History, describe: Describe, workspace: Workspace) -> None:
    """It is about its condition, which it keeps with its unit, and can be a champion as any other."""
    trained = train(describe(*VALUE), worn)
    registry = Registry(workspace)
    version = registry.register(trained, revision=Revision("abc", "0123"))
    loaded = registry.load("small-plant", version).artifact
    assert loaded.target == "condition"
    assert loaded.about == loaded.condition == PredictedCondition("wear")
    assert registry.metrics("small-plant", version)["rmse"] == pytest.approx(trained.evaluation.metrics["rmse"])
    card = model_card(trained, version_tags(trained, Revision("abc", "0123")))
    assert "it predicts `wear` at the cut-off" in card
    assert "`wear` is no feature" in card
    engine = open_records(workspace.records_url)
    reasons = {"actor": "a", "reason": "r", "evidence": {}, "now": START}
    promote(registry, engine, "small-plant", expected_champion=None, to_version=version, **reasons)
    assert registry.champion("small-plant") == version


def test_a_model_from_before_is_about_its_experiment_s_condition(
    worn: History, describe: Describe, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its artifact does not say it, its experiment does; its digest stays what was registered."""
    monkeypatch.setattr("models.training.fitting.predicted_condition", lambda *_: None)
    trained = train(describe(*CROSSING), worn)
    assert "condition" not in trained.artifact._json()
    registry = Registry(workspace)
    version = registry.register(trained, revision=Revision("abc", "0123"))
    loaded = registry.load("small-plant", version).artifact
    assert loaded.condition is None
    assert loaded.about is not None
    assert loaded.about.rule == Threshold("wear", 150.0, "above")
    assert loaded.digest == trained.artifact.digest


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("target=condition",), "label.condition is missing"),
        (("target=condition", "label={condition='wear', threshold=3}"), "label.threshold is given"),
        (("label={horizon='48h', condition='wear'}",), "label.threshold is missing"),
        (("label={horizon='48h', threshold=3}",), "label.condition is missing"),
        ((*CROSSING, "features.operating_channels=['wear']"), "names the condition 'wear'"),
    ],
)
def test_what_does_not_fit_is_refused(describe: Describe, overrides: tuple[str, ...], words: str) -> None:
    """Each key needs the others that give it a meaning."""
    with pytest.raises(UsageError, match=words):
        describe(*overrides)


def test_a_condition_that_is_no_channel_is_named(plant: History, describe: Describe) -> None:
    """With the one that was meant."""
    for overrides in (
        ("target=condition", "label={condition='vibratoin'}"),
        (CROSSING[0].replace("wear", "vibratoin"),),
    ):
        with pytest.raises(UsageError, match="Did you mean 'vibration'"):
            train(describe(*overrides), plant)


def test_an_experiment_without_a_condition_is_recorded_as_before(describe: Describe) -> None:
    """Models record their experiment: new keys without a value are not written."""
    assert set(describe().to_dict()["label"]) == {"horizon", "lead", "down_after_failure"}
    written = describe(*VALUE)
    assert Experiment.from_json(written.to_json()) == written
