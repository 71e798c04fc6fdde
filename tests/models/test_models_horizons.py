"""Several horizons from one model: never falling, the same bits each time, learned from all that is known."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from features.recipe.feature_set import FeatureSet
from features.recipe.recipe import Recipe
from models.artifact.artifact import Artifact, ContractReference
from models.artifact.scoring import score_in_detail
from models.estimators import estimators
from models.estimators.calibration import Calibration
from models.estimators.hazards import person_periods
from models.estimators.stored_estimators import store_estimator
from models.experiment.experiment import Experiment
from models.labels.labels import LabelState
from models.training.samples import draw_samples
from models.training.training import Trained, latest_known_time, train

pytestmark = pytest.mark.slow

Describe = Callable[..., Experiment]
SEVERAL = 'label.horizons=["24h", "48h", "96h"]'
HORIZONS = tuple(map(pd.Timedelta, ("24h", "48h", "96h")))
LEARNERS: Mapping[str, Mapping[str, Any]] = {
    "lightgbm": {"n_estimators": 15},
    "logistic": {},
    "random_forest": {"n_estimators": 10},
    "extremely_randomized_trees": {"n_estimators": 10},
    "hist_gradient_boosting": {"max_iter": 10},
}
RECIPE = Recipe(
    asset_type="azure_machine",
    channels=("volt", "vibration"),
    windows=(pd.Timedelta("24h"),),
    feature_set=FeatureSet.from_names(["mean", "quantile__q_0.1"]),
)
RECIPE = RECIPE.reduce(RECIPE.output)


def artifact(kind: str, calibrations: tuple[Calibration | None, ...] = (), decision: int = 1) -> Artifact:
    """Fit a learner to hazards of noise: here it is not about how good they are."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)) * [1.0, 1e-9, 1e9, 1.0]
    x[rng.random(x.shape) < 0.1] = np.nan
    labels = (rng.random((300, 3)) < 0.3).astype(float)
    labels[:, 1:][labels[:, :-1] > 0] = np.nan
    labels[200:, 2] = np.nan
    model = estimators.fit(estimators.make(kind, "failure", LEARNERS[kind], 0), *person_periods(x, labels))
    return Artifact(
        target="failure",
        estimator=kind,
        recipe=RECIPE,
        lead=pd.Timedelta(0),
        horizon=HORIZONS[decision],
        cap=None,
        threshold=0.5,
        calibration=None,
        contract=ContractReference("none", "", ""),
        stored=store_estimator(kind, model),
        horizons=HORIZONS,
        calibrations=calibrations,
    )


CALIBRATED = (Calibration(3.0, -2.0), None, Calibration(0.1, 4.0))
MODELS = {(kind, fitted): artifact(kind, fitted) for kind in LEARNERS for fitted in ((), CALIBRATED)}
value = st.one_of(
    st.floats(allow_nan=True, allow_infinity=False),
    st.sampled_from([0.0, 1e308, -1e308, 5e-324, 3.5e38, -3.5e38]),
    st.floats(-3, 3),
)


@pytest.mark.parametrize("calibrated", [(), CALIBRATED], ids=["raw", "calibrated"])
@pytest.mark.parametrize("kind", LEARNERS)
@settings(max_examples=10, deadline=None)
@given(rows=st.lists(st.lists(value, min_size=4, max_size=4), min_size=1, max_size=20))
def test_horizons_never_fall(kind: str, calibrated: tuple[Calibration | None, ...], rows: list[list[float]]) -> None:
    """Whatever the learner and the row, extreme or missing, a longer horizon is never less probable."""
    model = MODELS[kind, calibrated]
    features = pd.DataFrame(rows, columns=list(model.columns))
    probabilities = model.predict_horizons(features)
    assert probabilities.shape == (len(rows), 3)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert (np.diff(probabilities, axis=1) >= 0).all()
    assert np.array_equal(probabilities[:, 1], model.predict(features))
    alone = np.vstack([model.predict_horizons(features.iloc[[i]]) for i in range(min(len(rows), 2))])
    assert np.array_equal(alone, probabilities[:2])


@pytest.mark.parametrize("decision", [0, 1, 2])
def test_the_decision_is_one_of_the_horizons(decision: int) -> None:
    """Whichever horizon alarms are decided by, `predict` gives its column, bit for bit; also after storing."""
    model = artifact("lightgbm", CALIBRATED, decision)
    features = pd.DataFrame(np.random.default_rng(1).normal(size=(50, 4)), columns=list(model.columns))
    assert np.array_equal(model.predict(features), model.predict_horizons(features)[:, decision])
    assert model.predict_horizons(features.iloc[:0]).shape == (0, 3)


def test_an_artifact_keeps_its_horizons(tmp_path: Path) -> None:
    """Horizons, calibrations and reference ranges survive storing."""
    ranges = ((0.0, 0.5, 1.0), None, (1.0, 2.0, 3.0), (0.0, 0.0, 0.0))
    made = replace(artifact("lightgbm", CALIBRATED), reference_ranges=ranges)
    loaded = Artifact.load(made.save(tmp_path / "model"))
    assert loaded == made
    assert loaded.digest == made.digest
    assert loaded.horizons == HORIZONS
    assert replace(made, calibrations=()).digest != made.digest


def test_an_artifact_of_old_stays_what_it_was(tmp_path: Path) -> None:
    """What was stored before there were horizons has the digest it had, and tells its one horizon."""
    recipe = replace(
        RECIPE,
        feature_set=FeatureSet.from_names(["mean", "quantile__q_0.1", 'linear_trend__attr_"slope"']),
        columns=None,
    )
    old = Artifact(
        target="failure",
        estimator="lightgbm",
        recipe=recipe.reduce(recipe.output),
        lead=pd.Timedelta(0),
        horizon=pd.Timedelta("24h"),
        cap=None,
        threshold=0.25,
        calibration=Calibration(1.5, -0.5),
        contract=ContractReference("telemetry_azure_machine", "1.0.0", "abc"),
        stored=b"trees",
    )
    assert old.digest == "29a5b50d886556c98ba4765fe6955670394984eb98b925ade5855716c2e6c5b6"
    content = json.loads((old.save(tmp_path / "model") / "model.json").read_text())
    assert not {"horizons", "calibrations", "usual"} & set(content)
    assert old.horizons == (pd.Timedelta("24h"),)
    assert replace(old, target="remaining_life", horizons=()).horizons == ()


@pytest.fixture(scope="module")
def trained(plant: History, describe: Describe) -> Trained:
    return train(describe(SEVERAL, "estimator.calibration=sigmoid"), plant)


def test_each_horizon_is_evaluated(trained: Trained, plant: History, describe: Describe) -> None:
    """Every horizon has its figures, good ones where failures announce themselves; alarms are as of one."""
    metrics = trained.evaluation.metrics
    for horizon in ("24h", "48h", "96h"):
        assert {f"{name}_{horizon}" for name in ("roc_auc", "brier", "calibration_error")} <= set(metrics)
    assert metrics["roc_auc_24h"] > 0.9
    assert metrics["roc_auc_48h"] > 0.9
    assert metrics["brier_24h"] < metrics["brier_96h"]
    single = train(describe(), plant).evaluation.metrics
    assert metrics["roc_auc"] > single["roc_auc"] - 0.05
    assert set(metrics) - set(single) == {name for name in metrics if name.endswith("h") and name[-3:-1].isdigit()}
    assert trained.artifact.horizon == pd.Timedelta("48h")
    assert trained.artifact.horizons == HORIZONS
    assert len(trained.artifact.calibrations) == 3
    assert all(fitted is None or fitted.slope > 0 for fitted in trained.artifact.calibrations)


def test_horizons_are_scored_as_in_training(trained: Trained, plant: History) -> None:
    """Scoring gives the evaluation's predictions at the decision's horizon, and probabilities that climb."""
    expected = trained.evaluation.predictions
    scored = score_in_detail(trained.artifact, plant, expected[["asset", "as_of"]])
    assert np.array_equal(scored.frame["probability"], expected["prediction"])
    assert np.array_equal(scored.probabilities[:, 1], expected["prediction"])
    assert (np.diff(scored.probabilities, axis=1) >= 0).all()
    assert list(scored.features.index.get_level_values("asset")) == list(expected["asset"])


def test_horizons_are_trained_the_same_again(trained: Trained, plant: History, describe: Describe) -> None:
    """The same again, with rows in another order and blind to what is known later, gives the same model."""
    frames = ("telemetry", "assets", "failures", "work_orders", "events")
    mixed = replace(plant, **{name: getattr(plant, name).sample(frac=1, random_state=5) for name in frames})
    experiment = describe(SEVERAL, "estimator.calibration=sigmoid")
    assert train(experiment, mixed).artifact.digest == trained.artifact.digest
    begin = experiment.split.test_start
    assert begin is not None
    assert train(experiment, plant, known_until=begin).artifact.digest == trained.artifact.digest


def test_outcomes_known_in_part_are_learned_from(plant: History, describe: Describe) -> None:
    """Cut-offs too late for the decision's horizon count in the intervals that closed before the test began."""
    experiment = describe(SEVERAL)
    begin = experiment.split.test_start
    assert begin is not None
    samples = draw_samples(experiment, plant, latest_known_time(plant))
    single = draw_samples(describe(), plant, latest_known_time(plant))
    pd.testing.assert_frame_equal(samples.train, single.train)
    pd.testing.assert_frame_equal(samples.test, single.test)
    assert samples.intervals is not None
    late = samples.partly["as_of"] > samples.train["as_of"].max()
    assert late.any()
    closed = [samples.learned["as_of"] + horizon + pd.Timedelta("6h") <= begin for horizon in HORIZONS]
    known = ~np.isnan(samples.intervals)
    assert not (known & ~np.column_stack(closed)).any()
    assert known[len(samples.train) :].any(axis=1).all()
    positive = (samples.train["state"] == LabelState.POSITIVE).to_numpy()
    assert np.array_equal((samples.intervals[: len(positive), :2] == 1.0).any(axis=1), positive)


@pytest.mark.parametrize("kind", LEARNERS)
def test_every_learner_learns_hazards(plant: History, describe: Describe, kind: str) -> None:
    """Every learner is better than chance at every horizon, also split by asset."""
    params = ", ".join(f"{name} = {value}" for name, value in LEARNERS[kind].items())
    learner = (f"estimator.kind={kind}", f"estimator.params={{{params}}}", "features.events=false")
    several = train(describe(SEVERAL, *learner, "split.kind=asset", "split.test=m0[67]", "label.lead=6h"), plant)
    assert several.evaluation.metrics["roc_auc_24h"] > 0.8
    assert several.evaluation.metrics["roc_auc_48h"] > 0.8
    assert several.artifact.estimator == kind


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (['label.horizons=["24h", "96h"]'], "label.horizon among them"),
        (['label.horizons=["48h", "24h"]'], "ascending"),
        (['label.horizons=["48h", "48h"]'], "ascending"),
        (['label.horizons=["0h", "48h"]'], "ascending"),
        (["label.horizons=[]"], "label.horizon among them"),
        (["label.horizons=[24, 48]"], "a duration such as"),
        ([SEVERAL, "target=remaining_life"], "none for remaining life"),
    ],
)
def test_horizons_that_make_no_sense_are_refused(describe: Describe, overrides: list[str], message: str) -> None:
    """Horizons climb from above zero and hold the one that alarms are decided by; the error says so."""
    with pytest.raises(UsageError, match=r"label\.horizons") as refused:
        describe(*overrides)
    assert message in str(refused.value)


def test_one_horizon_in_a_list_is_that_horizon(plant: History, describe: Describe) -> None:
    """A list of the one horizon trains the model that the horizon alone trains, bit for bit."""
    one = train(describe('label.horizons=["48h"]'), plant)
    assert one.artifact.digest == train(describe(), plant).artifact.digest
    assert "horizons" not in describe().to_dict()["label"]


def test_the_trees_of_several_horizons_pass_their_trial(tmp_path: Path) -> None:
    """Trees that also split on the interval are tried with its columns, and opened."""
    model = MODELS["lightgbm", ()]
    assert Artifact.load(model.save(tmp_path / "model"), trial=True).digest == model.digest
