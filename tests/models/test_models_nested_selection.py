"""Columns, calibration and threshold are each chosen on data that did not choose the others."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from data_contracts.tables.history import History
from features.extraction.extract import extract
from features.recipe.selection import most_related
from models.artifact.artifact import feature_matrix
from models.experiment.experiment import Experiment
from models.registry.registration.model_card import model_card
from models.training import column_selection
from models.training.column_selection import ColumnChoice, choose_columns, learn_recipe
from models.training.learners.validation_folds import folds
from models.training.out_of_fold import cross_calibrate, fit_calibration, predict_out_of_fold
from models.training.samples import Samples, draw_samples
from models.training.training import latest_known_time, train

pytestmark = pytest.mark.slow

Describe = Callable[..., Experiment]
START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
HOUR, DAYS = pd.Timedelta("1h"), 60
CHANNELS = tuple(f"c{number}" for number in range(6))
PLAIN = "['mean', 'maximum', 'minimum', 'standard_deviation', 'median', 'mean_abs_change', 'skewness']"
NOISE = (
    f"features.tsfresh={PLAIN}",
    "features.keep=5",
    "features.events=false",
    "features.ages=false",
    'windows.window=["24h", "96h"]',
    "windows.stride=24h",
)
BY_TIME = ("split.folds=3",)
BUDGET = ("split.folds=2", "features.tsfresh=['mean', 'skewness']", "features.keep=0", 'features.budget="0.3ms"')
BY_ASSET = ("split.kind=asset", "split.test=m2[0-3]", "split.validation=0.9", "split.folds=4")


def noise(seed: int, n_assets: int = 24) -> History:
    """Make a plant whose channels wander as they like and whose failures nothing announces."""
    rng = np.random.default_rng(seed)
    hours = np.arange(0, DAYS * 24 + 1, 6)
    telemetry, failures = [], []
    for asset in (f"m{number:02}" for number in range(n_assets)):
        wandering = np.cumsum(rng.normal(0.0, 0.25, (len(hours), len(CHANNELS))), axis=0)
        values = pd.DataFrame(wandering + rng.normal(size=wandering.shape), columns=list(CHANNELS))
        telemetry.append(values.assign(asset=asset, event_time=START + hours * HOUR))
        failed = int(rng.integers(60, 900))
        while failed < DAYS * 24:
            failures.append((f"{asset}-{failed}", asset, START + failed * HOUR))
            failed += int(rng.integers(200, 1200))
    rows = pd.concat(telemetry, ignore_index=True)
    happened = pd.DataFrame(failures, columns=["failure_id", "asset", "event_time"])
    known = rows[["asset"]].drop_duplicates(ignore_index=True).assign(event_time=START, known_time=START)
    nothing = known.iloc[:0][["asset", "event_time", "known_time"]]
    return History(
        asset_type="azure_machine",
        channels=CHANNELS,
        telemetry=rows.assign(known_time=rows["event_time"], source="physical"),
        assets=known.assign(asset_type="azure_machine", model="m1", plant="p", line="a"),
        failures=happened.assign(known_time=happened["event_time"], mode="bearing"),
        work_orders=nothing.assign(work_order_id="", kind="", component="", finding="", prompted_by=""),
        events=nothing.assign(event_id="", code=""),
        versions={},
    )


def chosen(experiment: Experiment, history: History) -> tuple[Samples, pd.DataFrame, ColumnChoice]:
    """Choose an experiment's columns and compute them for the training samples."""
    samples = draw_samples(experiment, history, latest_known_time(history))
    recipe = learn_recipe(experiment, history, samples.train)
    choice = choose_columns(experiment, history, recipe, samples)
    return samples, extract(history, samples.train[["asset", "as_of"]], choice.reduce(recipe)), choice


def area_within_folds(
    experiment: Experiment, samples: Samples, features: pd.DataFrame, by_fold: tuple[tuple[str, ...], ...]
) -> float:
    """Return the mean area under the ROC curve within the folds: between folds, base rates differ too."""
    x = [feature_matrix(features, columns) for columns in by_fold]
    predicted = predict_out_of_fold(experiment, samples.train, x, samples.target)
    probability = samples.train.merge(predicted, on=["asset", "as_of"], how="left")["probability"].to_numpy()
    areas = [
        roc_auc_score(samples.target[predict], probability[predict])
        for _, predict in folds(experiment, samples.train, experiment.purge)
        if np.unique(samples.target[predict]).size == 2
    ]
    return float(np.mean(areas))


@pytest.mark.verify
@pytest.mark.parametrize("split", [BY_TIME, BY_ASSET])
def test_columns_of_pure_noise_predict_nothing_out_of_fold(describe: Describe, split: tuple[str, ...]) -> None:
    """Where nothing announces failures the area is one half; columns chosen by all labels would claim more."""
    nested, selected_before = [], []
    for seed in range(30):
        experiment = describe(*NOISE, *split, f"seed={seed}")
        samples, features, choice = chosen(experiment, noise(seed))
        nested.append(area_within_folds(experiment, samples, features, choice.by_fold))
        whole = (choice.columns,) * len(choice.by_fold)
        selected_before.append(area_within_folds(experiment, samples, features, whole))
    error = float(np.std(nested) / np.sqrt(len(nested)))
    assert error < 0.02
    assert abs(np.mean(nested) - 0.5) < 3 * error
    assert np.mean(selected_before) > 0.5 + 3 * error


@pytest.mark.parametrize("split", [BY_TIME, BY_ASSET, BUDGET])
def test_the_labels_of_a_fold_choose_none_of_its_columns(describe: Describe, split: tuple[str, ...]) -> None:
    """Whatever the labels that a fold is to predict, it takes the same columns; its own labels do decide them."""
    experiment, history = describe(*NOISE, *split), noise(0)
    samples = draw_samples(experiment, history, latest_known_time(history))
    recipe = learn_recipe(experiment, history, samples.train)
    masks = list(folds(experiment, samples.train, experiment.purge))
    before = choose_columns(experiment, history, recipe, samples).by_fold
    assert len(before) == len(masks)
    assert len(set(before)) > 1
    for number, (learn, predict) in enumerate(masks):
        assert not (learn & predict).any()
        target = samples.target.copy()
        target[~learn] = 1.0 - target[~learn]
        turned = replace(samples, train=samples.train.assign(target=target))
        assert choose_columns(experiment, history, recipe, turned).by_fold[number] == before[number]


def test_the_threshold_is_chosen_on_predictions_by_the_columns_of_each_fold(
    describe: Describe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training predicts each fold by the columns it chose, not by the model's."""
    experiment, history = describe(*NOISE), noise(3)
    samples, features, choice = chosen(experiment, history)
    x = [feature_matrix(features, columns) for columns in choice.by_fold]
    expected = predict_out_of_fold(experiment, samples.train, x, samples.target)["probability"].to_numpy()
    seen = []
    from models.training import fitting

    def spy(predictions: pd.DataFrame, *args: object, **options: object) -> object:
        seen.append(predictions["probability"].to_numpy())
        return choose_threshold(predictions, *args, **options)

    choose_threshold = fitting.choose_threshold
    monkeypatch.setattr(fitting, "choose_threshold", spy)
    trained = train(experiment, history)
    assert np.array_equal(seen[0], expected)
    assert set(trained.artifact.columns) <= set(choice.columns)


def test_where_no_column_helps_the_most_related_are_taken_and_it_is_said(
    describe: Describe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of columns none of which helps, those are taken whose ranks go most with the target's, not the first ones."""

    def helps_nothing(_: object, __: object, columns: tuple[str, ...], ___: object) -> "pd.Series[float]":
        return pd.Series(-1.0, index=list(columns))

    monkeypatch.setattr(column_selection, "permutation_importance", helps_nothing)
    experiment, history = describe(*NOISE), noise(1)
    samples, _, choice = chosen(experiment, history)
    recipe = learn_recipe(experiment, history, samples.train)
    features = extract(history, samples.train[["asset", "as_of"]], recipe)
    assert choice.columns == most_related(features, samples.target, 5)
    assert choice.columns != tuple(recipe.output[:5])
    assert choice.reason is not None
    assert "none of 84 columns helps" in choice.reason
    assert "the 5 most related to the target by rank correlation" in choice.reason
    trained = train(experiment, history)
    assert trained.columns_reason == choice.reason
    assert choice.reason in model_card(trained, dict.fromkeys(_TAGS, ""))
    bound = choose_columns(describe(*NOISE, "features.always=['mean']"), history, recipe, samples)
    assert {column.partition("__")[2] for column in bound.columns} == {"mean"}
    assert bound.reason is not None
    assert "most related" not in bound.reason


_TAGS = ("data_version", "contract", "feature_set_hash", "code_revision", "seed")


def test_all_columns_stay_where_nothing_limits_them(describe: Describe) -> None:
    """Without `features.keep` labels choose no column, so no fold has its own."""
    _, _, choice = chosen(describe(*NOISE, "features.keep=0"), noise(0))
    assert choice.by_fold == ()
    assert choice.reason is None
    assert len(choice.columns) == 84


def test_events_may_be_counted_only(plant: History, describe: Describe) -> None:
    """With "counts" nothing says how long ago an event was; all else is as with true."""
    samples = draw_samples(describe(), plant, latest_known_time(plant)).train
    timed, counted = (
        learn_recipe(describe(f"features.events={events}"), plant, samples).output for events in ("true", "counts")
    )
    since = {column for column in timed if column.startswith("events__hours_since")}
    assert since
    assert list(counted) == [column for column in timed if column not in since]


def test_scores_are_calibrated_by_the_labels_of_other_assets() -> None:
    """An asset's own labels change nothing about its calibrated scores; those of others do."""
    rng = np.random.default_rng(0)
    asset = np.repeat([f"m{number}" for number in range(12)], 60)
    probability = rng.uniform(0.02, 0.98, len(asset))
    y = (rng.random(len(asset)) < probability**2).astype(float)
    own = asset == "m3"
    calibrated = cross_calibrate(probability, y, asset, seed=0)
    # The failures of an asset decide with which others it is dealt, so that these must keep theirs.
    turned = np.where(own, np.where(np.arange(len(asset)) % 7 == 0, 1.0, 0.0), y)
    assert np.array_equal(cross_calibrate(probability, turned, asset, seed=0)[own], calibrated[own])
    assert not np.array_equal(cross_calibrate(probability, turned, asset, seed=0)[~own], calibrated[~own])
    overall = fit_calibration(probability, y)
    assert overall is not None
    assert np.abs(calibrated - overall.apply(probability)).max() < 0.1
    alone = np.full(len(asset), "m0")
    assert np.array_equal(cross_calibrate(probability, y, alone, seed=0), overall.apply(probability))
