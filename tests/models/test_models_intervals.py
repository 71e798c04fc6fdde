"""Intervals of predicted numbers: trained, stored, and the same wherever the model is applied."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.tables.history import History
from models.artifact.artifact import Artifact
from models.artifact.model_json import JSON_FILE
from models.artifact.scoring import score
from models.experiment.experiment import Experiment
from models.labels.observation_gaps import followed_hours, no_spans
from models.training.samples import draw_samples
from models.training.training import Trained, coverage_of_stages, train

Describe = Callable[..., Experiment]
HOUR = pd.Timedelta("1h")
TRAINED = {f"m0{number}" for number in range(6)}
LIFE = (
    "target=remaining_life",
    "label.cap=120h",
    "split.kind=asset",
    "split.test=m0[67]",
    "evaluation.interval_level=0.8",
)


def at(day: float) -> pd.Timestamp:
    return pd.Timestamp("2026-01-01T00:00Z").as_unit("us") + day * pd.Timedelta("1D")


@pytest.fixture(scope="module")
def life(plant: History, describe: Describe) -> Trained:
    return train(describe(*LIFE), plant)


def test_training_fits_intervals_and_measures_them(life: Trained) -> None:
    """Figures of coverage and width stand beside those of a constant width, and of each stage."""
    metrics, table = life.evaluation.metrics, life.artifact.intervals
    assert table is not None
    assert (table.level, table.lowest, table.highest) == (0.8, 0.0, 120.0)
    assert metrics["interval_level"] == 0.8
    assert 0.5 <= metrics["interval_coverage"] <= 1.0
    assert metrics["interval_coverage_low"] < metrics["interval_coverage"] <= metrics["interval_coverage_high"]
    assert 0.0 < metrics["interval_width"] < 120.0
    assert 0.0 < metrics["interval_width_constant"] <= 120.0
    stages = coverage_of_stages(life)
    assert len(stages) == len(table.stages)
    assert np.mean([stage.coverage for stage in stages]) == pytest.approx(metrics["interval_coverage"])


def test_scoring_gives_the_intervals_of_the_evaluation(life: Trained, plant: History) -> None:
    """Batches have the same bits as training, row by row and together."""
    predictions = life.evaluation.predictions
    scored = score(life.artifact, plant, predictions)
    for column in ("interval_low", "interval_high"):
        np.testing.assert_array_equal(scored[column], predictions[column])
    alone = score(life.artifact, plant, predictions.iloc[[7]])
    assert alone["interval_high"].iloc[0] == predictions["interval_high"].iloc[7]
    assert (scored["interval_low"] <= scored["remaining_life_h"]).all()
    assert (scored["remaining_life_h"] <= scored["interval_high"]).all()


def test_an_artifact_keeps_its_intervals(life: Trained, tmp_path: Path) -> None:
    """They are part of what is saved and of its digest."""
    loaded = Artifact.load(life.artifact.save(tmp_path / "model"))
    assert loaded.intervals == life.artifact.intervals
    assert loaded.digest == life.artifact.digest
    assert replace(life.artifact, intervals=None).digest != life.artifact.digest


def test_an_artifact_from_before_has_no_intervals(life: Trained, tmp_path: Path) -> None:
    """It predicts as ever, and its intervals are null."""
    folder = life.artifact.save(tmp_path / "model")
    content = json.loads((folder / JSON_FILE).read_text())
    del content["intervals"]
    (folder / JSON_FILE).write_text(json.dumps(content))
    loaded = Artifact.load(folder)
    assert loaded.intervals is None
    assert np.isnan(loaded.predict_intervals(np.array([10.0, 20.0]))).all()


def test_without_a_level_there_are_no_intervals(plant: History, describe: Describe, life: Trained) -> None:
    """The model is the same but for them."""
    without = train(describe(*LIFE, "evaluation.interval_level=0"), plant)
    assert without.artifact.intervals is None
    assert without.artifact.digest == replace(life.artifact, intervals=None).digest
    assert "interval_low" not in without.evaluation.predictions
    assert not [name for name in without.evaluation.metrics if name.startswith("interval")]


def test_an_experiment_with_the_default_level_is_recorded_as_before(describe: Describe) -> None:
    """Models record their experiment: the default adds no key, beside other keys of the section neither."""
    assert "evaluation" not in describe().to_dict()
    assert describe("evaluation.top=3").to_dict()["evaluation"].keys() == {"top", "rule_alarms", "false_positive_rate"}
    changed = describe("evaluation.interval_level=0")
    assert Experiment.from_json(changed.to_json()) == changed


def test_the_test_assets_do_not_shape_the_intervals(plant: History, describe: Describe, life: Trained) -> None:
    """No look-ahead: other failures of the assets held out change no bit of the model."""
    tested = ~plant.failures["asset"].isin(TRAINED)
    moved = plant.failures.assign(
        event_time=plant.failures["event_time"].where(~tested, plant.failures["event_time"] + HOUR)
    )
    again = train(describe(*LIFE), replace(plant, failures=moved))
    assert again.artifact.intervals == life.artifact.intervals
    assert again.evaluation.metrics["rmse_capped"] != life.evaluation.metrics["rmse_capped"]


def test_lives_that_are_not_over_are_followed_as_far_as_they_were(plant: History, describe: Describe) -> None:
    """A cut-off whose life is not over within the cap is no sample to learn from, but counts for the intervals."""
    experiment = describe(*LIFE)
    samples = draw_samples(experiment, plant.as_of(at(40)), at(40))
    assert len(samples.censored)
    assert ((samples.censored["followed_h"] >= 0.0) & (samples.censored["followed_h"] < 120.0)).all()
    assert set(samples.censored["asset"]) <= TRAINED
    ends = samples.censored["as_of"] + pd.to_timedelta(samples.censored["followed_h"], unit="h")
    assert (ends <= at(40)).all()
    assert len(samples.all_cut_offs) == len(samples.train) + len(samples.test) + len(samples.censored)
    assert draw_samples(describe(), plant.as_of(at(40)), at(40)).censored.empty


def test_an_asset_is_followed_to_its_next_gap_or_successor() -> None:
    """Whichever comes first: a gap, another machine in its place, or the present."""
    cut_offs = pd.DataFrame({"asset": ["a", "b", "c", "a"], "as_of": [at(0), at(0), at(0), at(3)]})
    spans = pd.DataFrame({"asset": ["a"], "begins": [at(2)], "ends": [at(2.5)]})
    replaced = pd.DataFrame({"asset": ["b"], "event_time": [at(1)]})
    hours = followed_hours(cut_offs, spans, replaced, known_until=at(4))
    assert hours.tolist() == [48.0, 24.0, 96.0, 24.0]
    assert followed_hours(cut_offs, no_spans(), replaced.head(0), known_until=at(4)).tolist() == [
        96.0,
        96.0,
        96.0,
        24.0,
    ]


def test_a_failure_has_a_probability_and_no_interval(plant: History, describe: Describe) -> None:
    """Predictions of failures keep their columns."""
    trained = train(describe(), plant)
    assert trained.artifact.intervals is None
    assert {"asset", "as_of", "state", "prediction", "alert"} == set(trained.evaluation.predictions)
    assert score(trained.artifact, plant, trained.evaluation.predictions.head())["interval_low"].isna().all()


def test_cross_validation_holds_each_fold_against_its_own_intervals(plant: History, describe: Describe) -> None:
    """An asset's intervals are of a model, and of residuals, that had not seen it."""
    crossed = train(describe(*LIFE, "split.kind=cross", "split.test_folds=4"), plant)
    frame = crossed.evaluation.predictions
    halves = (frame["interval_high"] - frame["prediction"])[frame["prediction"].between(40, 60)]
    assert len(set(halves.groupby(frame["asset"]).median())) > 1
    assert 0.5 <= crossed.evaluation.metrics["interval_coverage"] <= 1.0


def test_a_condition_has_intervals_in_its_unit(plant: History, describe: Describe) -> None:
    """Without limits, since nothing says which values are possible."""
    condition = ("target=condition", "label.condition=vibration", "split.kind=asset", "split.test=m0[67]")
    trained = train(describe(*condition, "evaluation.interval_level=0.8"), plant)
    table = trained.artifact.intervals
    assert table is not None
    assert (table.lowest, table.highest) == (None, None)
    assert 0.6 <= trained.evaluation.metrics["interval_coverage"] <= 1.0
