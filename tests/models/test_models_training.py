"""Training: the same again bit for bit, blind to what is known later, and to the order of rows."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import ModelError, UsageError
from data_contracts.tables.history import History
from models.artifact.scoring import score
from models.experiment.experiment import Experiment
from models.labels.labels import LabelState
from models.registry.registration.model_card import model_card
from models.training.samples import draw_samples
from models.training.training import Trained, latest_known_time, train

pytestmark = pytest.mark.slow

DAY = pd.Timedelta("1D")
START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
Describe = Callable[..., Experiment]


@pytest.fixture(scope="module")
def trained(plant: History, describe: Describe) -> Trained:
    return train(describe(), plant)


@pytest.mark.ml_test("Infra 2")
def test_it_foresees_failures_that_announce_themselves(trained: Trained) -> None:
    """On a plant whose vibration rises before each failure nearly all are caught, cheaper than any simple policy."""
    metrics = trained.evaluation.metrics
    assert metrics["failures_total"] >= 8
    assert metrics["failures_caught"] >= 0.8 * metrics["failures_total"]
    assert metrics["roc_auc"] > 0.9
    assert metrics["expected_cost"] < metrics["expected_cost_never"]
    assert metrics["expected_cost"] < metrics["expected_cost_always"]
    assert trained.evaluation.reference is not None
    assert trained.evaluation.reference.missed.of > 0


@pytest.mark.ml_test("Infra 1")
def test_training_again_gives_the_same_bits(trained: Trained, plant: History, describe: Describe) -> None:
    """The same experiment and history give the same model and predictions; the order of rows does not matter."""
    frames = ("telemetry", "assets", "failures", "work_orders", "events")
    mixed = replace(plant, **{name: getattr(plant, name).sample(frac=1, random_state=5) for name in frames})
    again = train(describe(), mixed)
    assert again.artifact.digest == trained.artifact.digest
    assert again.predictions_digest == trained.predictions_digest


@pytest.mark.parametrize("day", [45.0, 52.3])
@pytest.mark.ml_test("Data 4")
def test_nothing_known_later_changes_a_model(plant: History, describe: Describe, day: float) -> None:
    """Training as of a time, and training when everything known later has been deleted, give the same."""
    time = START + day * DAY
    backdated = train(describe(), plant, known_until=time)
    blind = train(describe(), plant.as_of(time), known_until=time)
    assert backdated.artifact.digest == blind.artifact.digest
    pd.testing.assert_frame_equal(backdated.evaluation.predictions, blind.evaluation.predictions)
    assert backdated.trained_until < pd.Timestamp("2026-02-08", tz="UTC")


def test_a_report_of_the_test_period_teaches_nothing(plant: History, describe: Describe) -> None:
    """Labels to learn from are those that could be known when the test began, whatever was reported since."""
    late = plant.failures.iloc[[0]].assign(
        failure_id="late", asset="m00", event_time=START + 30 * DAY, known_time=START + 50 * DAY
    )
    corrected = replace(plant, failures=pd.concat([plant.failures, late], ignore_index=True))
    known_until = latest_known_time(plant)
    samples = [draw_samples(describe(), history, known_until).train for history in (plant, corrected)]
    pd.testing.assert_frame_equal(samples[0], samples[1])


def test_the_test_period_teaches_nothing(trained: Trained, plant: History, describe: Describe) -> None:
    """A model trained when the test period began is the same as one trained long after."""
    begin = describe().split.test_start
    assert begin is not None
    assert train(describe(), plant, known_until=begin).artifact.digest == trained.artifact.digest


def test_immature_samples_are_not_learned_from(plant: History, describe: Describe) -> None:
    """Training samples have closed horizons, reporting delay included, and none stands at a failure."""
    experiment = describe("split.test_start=2026-02-10")
    samples = draw_samples(experiment, plant, latest_known_time(plant))
    assert (samples.train["as_of"] + pd.Timedelta("54h") <= experiment.split.test_start).all()
    assert set(samples.train["state"]) == {"positive", "negative"}
    down = samples.train.merge(plant.failures, left_on=["asset", "as_of"], right_on=["asset", "event_time"])
    assert down.empty
    last = samples.test[samples.test["as_of"] > samples.test["as_of"].max() - pd.Timedelta("48h")]
    assert not (last["state"] == LabelState.NEGATIVE).any()


@pytest.mark.ml_test("Monitor 3")
def test_scoring_gives_what_training_gave(trained: Trained, plant: History) -> None:
    """Scoring the test cut-offs, all or one, gives the predictions of the evaluation, bit for bit."""
    expected = trained.evaluation.predictions
    scored = score(trained.artifact, plant, expected[["asset", "as_of"]])
    assert np.array_equal(scored["probability"], expected["prediction"])
    assert list(scored["alert"]) == list(expected["alert"])
    assert scored["remaining_life_h"].isna().all()
    row = expected.iloc[[137]]
    alone = score(trained.artifact, plant.as_of(row["as_of"].iloc[0]), row[["asset", "as_of"]])
    assert alone["probability"].iloc[0] == row["prediction"].iloc[0]
    assert score(trained.artifact, plant, expected.iloc[:0][["asset", "as_of"]]).empty


@pytest.mark.parametrize(
    "overrides",
    [
        ["estimator.kind=logistic", "estimator.params={}", "estimator.calibration=sigmoid"],
        ["estimator.kind=hist_gradient_boosting", "estimator.params={max_iter=10}", "features.keep=4"],
        ["estimator.kind=random_forest", "estimator.params={n_estimators=10}", "features.keep=3", "label.lead=6h"],
    ],
)
@pytest.mark.ml_test("Infra 2")
def test_every_learner_is_trained(plant: History, describe: Describe, overrides: list[str]) -> None:
    """Every learner trains, keeps as many columns as it should, and is better than chance."""
    experiment = describe(*overrides)
    trained = train(experiment, plant)
    assert trained.evaluation.metrics["roc_auc"] > 0.8
    context = set(trained.artifact.recipe.context.columns)
    assert len([column for column in trained.artifact.columns if column not in context]) <= (
        experiment.features.keep or 99
    )
    assert (trained.artifact.calibration is not None) == (experiment.estimator.calibration == "sigmoid")
    assert trained.artifact.lead == experiment.label.lead


def test_a_calibration_that_would_turn_the_ranking_round_is_left_out(plant: History, describe: Describe) -> None:
    """Where what precedes failures has turned since validation began, the scores stay as they are; the card says so."""
    since = plant.telemetry["event_time"] >= START + 18 * DAY
    vibration = plant.telemetry["vibration"]
    turned = replace(plant, telemetry=plant.telemetry.assign(vibration=vibration.where(~since, 80 - vibration)))
    overrides = ["estimator.kind=logistic", "estimator.params={}", "split.folds=1", "estimator.calibration=sigmoid"]
    trained = train(describe(*overrides), turned)
    assert trained.artifact.calibration is None
    assert trained.evaluation.metrics["roc_auc"] > 0.8
    assert "not calibrated" in model_card(trained, defaultdict(str))


def test_some_features_stay_whatever_they_are_worth(plant: History, describe: Describe) -> None:
    """What `always` names stays in every channel beside those kept, and so does the asset's context."""
    few = ["features.tsfresh=['mean', 'maximum', 'median', 'length', 'mean_change']", "features.keep=1"]
    free = train(describe(*few), plant).artifact
    bound = train(describe(*few, "features.always=['mean_change']"), plant).artifact
    always = {f"{channel}__mean_change" for channel in free.recipe.channels}
    assert always <= set(bound.columns)
    assert not always <= set(free.columns)
    context = set(free.recipe.context.columns)
    assert context & set(free.columns) == context & set(bound.columns) != set()


def test_an_unknown_feature_in_always_is_refused(plant: History, describe: Describe) -> None:
    """A name in `always` that the features do not hold is wrong usage, with the nearest name."""
    with pytest.raises(UsageError, match="minimum"):
        train(describe("features.tsfresh=['mean', 'minimum']", "features.always=['minimun']"), plant)


def test_remaining_life_is_trained_by_asset(plant: History, describe: Describe) -> None:
    """Remaining life learns from some assets and is tested on others, with both protocols."""
    experiment = describe(
        "target=remaining_life", "label.cap=120h", "split.kind=asset", "split.test=m0[67]", "features.keep=5"
    )
    trained = train(experiment, plant)
    metrics = trained.evaluation.metrics
    assert 0 < metrics["rmse_capped"] <= metrics["rmse_uncapped"]
    assert set(trained.evaluation.predictions["asset"]) == {"m06", "m07"}
    assert trained.evaluation.predictions["prediction"].between(0, 120).all()
    assert trained.artifact.threshold == 48
    answer = score(trained.artifact, plant, trained.evaluation.predictions[["asset", "as_of"]])
    assert np.array_equal(answer["remaining_life_h"], trained.evaluation.predictions["prediction"])


def test_progress_is_reported(plant: History, describe: Describe) -> None:
    """Training says how far it is, from nothing to all steps."""
    reports: list[tuple[str, int, int]] = []
    train(describe(), plant, progress=lambda what, done, total: reports.append((what, done, total)))
    steps = [(done, total) for what, done, total in reports if what.startswith("train")]
    assert steps[0] == (0, 6)
    assert steps[-1] == (6, 6)


def test_nothing_to_learn_from_is_an_error(plant: History, describe: Describe) -> None:
    """No telemetry, no sample, or no failure before the test: a clear error, not a model."""
    with pytest.raises(ModelError, match="no training sample"):
        train(describe("split.test_start=2026-01-02"), plant)
    with pytest.raises(ModelError, match="none fails within the horizon"):
        train(describe(), replace(plant, failures=plant.failures.iloc[:0]))
    with pytest.raises(ModelError, match="no cut-off"):
        train(describe(), replace(plant, telemetry=plant.telemetry.iloc[:0]))
    nothing = {
        name: getattr(plant, name).iloc[:0] for name in ("telemetry", "assets", "failures", "work_orders", "events")
    }
    with pytest.raises(ModelError, match="nothing is known"):
        train(describe(), replace(plant, **nothing))
    with pytest.raises(UsageError, match="vibratoin"):
        train(describe('features.channels=["vibratoin"]'), plant)
