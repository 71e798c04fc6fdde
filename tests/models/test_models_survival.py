"""Random survival forests: horizons that never fall, lives that are cut off count, stored without pickle."""

import builtins
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import ModelError, UsageError
from data_contracts.tables.history import History
from models.artifact.artifact import Artifact
from models.estimators import estimators
from models.estimators.hazards import failed_by, predict_hazards
from models.estimators.stored_estimators import open_estimator, store_estimator
from models.estimators.survival.survival_forest import FittedSurvivalForest
from models.experiment.experiment import Experiment
from models.refitting.refit import Judged, refit
from models.training.samples import draw_samples
from models.training.training import latest_known_time, train
from tests.models.conftest import DAY, START

pytest.importorskip("sksurv", reason="scikit-survival is of the extra forewarn[survival]")

KIND, ENDS = "random_survival_forest", [24.0, 72.0, 168.0]
SMALL = {"n_estimators": 12, "min_samples_leaf": 8}
Describe = Callable[..., Experiment]


def samples(seed: int = 0, n: int = 400) -> tuple[Any, Any]:
    """Draw lives that are shorter the larger the first column is; a third is cut off."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    x[rng.random(x.shape) < 0.1] = np.nan
    hours = rng.exponential(100.0 * np.exp(-np.nan_to_num(x[:, 0])))
    followed = rng.uniform(20.0, 400.0, n)
    return x, np.column_stack([np.minimum(hours, followed), hours <= followed])


def fitted(target: Any = "failure", lives: Any = None, **params: Any) -> FittedSurvivalForest:
    x, y = samples()
    model = estimators.make(KIND, target, {**SMALL, **params}, 3)
    fit: FittedSurvivalForest = estimators.fit(
        model.ending(ENDS if target == "failure" else [200.0]), x, y if lives is None else lives
    )
    return fit


MODELS = {"failure": fitted(), "mean": fitted("remaining_life"), "median": fitted("remaining_life", life="median")}
value = st.one_of(st.floats(allow_nan=True, allow_infinity=False), st.sampled_from([0.0, 1e308, -3.5e38]))


@settings(max_examples=15)
@given(st.lists(st.lists(value, min_size=4, max_size=4), min_size=1, max_size=4))
def test_horizons_never_fall_and_rows_do_not_matter(rows: list[list[float]]) -> None:
    """By each horizon a failure is at least as likely as by the one before; a row alone has the bits of many."""
    x = np.array(rows)
    probabilities = failed_by(predict_hazards(MODELS["failure"], x, len(ENDS)))
    assert ((probabilities >= 0.0) & (probabilities <= 1.0)).all()
    assert (np.diff(probabilities, axis=1) >= 0.0).all()
    assert np.allclose(probabilities, 1.0 - MODELS["failure"].trees.survival(x))
    alone = [failed_by(predict_hazards(MODELS["failure"], x[[row]], len(ENDS)))[0] for row in range(len(x))]
    assert np.array_equal(np.array(alone), probabilities)
    for name in ("mean", "median"):
        life = estimators.predict(MODELS[name], x)
        assert ((life >= 0.0) & (life <= 200.0)).all()
        assert np.array_equal([estimators.predict(MODELS[name], x[[row]])[0] for row in range(len(x))], life)


def test_the_arrays_predict_what_scikit_survival_predicts() -> None:
    """Our walk through the trees gives the survival functions of the library that grew them, also where values miss."""
    x, y = samples()
    model = estimators.make(KIND, "failure", SMALL, 3).ending(ENDS)
    ours = model.fit(x, y).trees.survival(samples(1)[0])
    theirs = np.array(
        [[function(end) for end in ENDS] for function in model._forest.predict_survival_function(samples(1)[0])]
    )
    assert np.allclose(ours, theirs, rtol=0.0, atol=1e-12)


def test_the_ranking_is_that_of_the_lives() -> None:
    """Those with short lives get high probabilities and few hours."""
    x = samples(1)[0]
    high, low = np.nan_to_num(x[:, 0]) > 1.0, np.nan_to_num(x[:, 0]) < -1.0
    risk = failed_by(predict_hazards(MODELS["failure"], x, 3))
    assert (risk[high].mean(axis=0) > risk[low].mean(axis=0) + 0.2).all()
    for name in ("mean", "median"):
        hours = estimators.predict(MODELS[name], x)
        assert hours[high].mean() + 30.0 < hours[low].mean()


def test_what_was_cut_off_changes_the_fit() -> None:
    """A life that is cut off is information: the longer it was followed, the lower the risk of its like."""
    x, y = samples()
    many = np.vstack([x, x[:100]])
    risk = {}
    for hours in (30.0, 160.0):
        lives = np.vstack([y, np.column_stack([np.full(100, hours), np.zeros(100)])])
        model = estimators.fit(estimators.make(KIND, "failure", SMALL, 3).ending(ENDS), many, lives)
        risk[hours] = failed_by(predict_hazards(model, x[:100], 3))
    assert risk[160.0][:, 2].mean() < risk[30.0][:, 2].mean() - 0.02
    without = failed_by(predict_hazards(MODELS["failure"], x[:100], 3))
    assert not np.array_equal(risk[30.0], without)


def test_what_happens_after_the_last_horizon_does_not_count() -> None:
    """Of lives that outlive the last horizon it is the same whether they ended later or were cut off."""
    y = samples()[1]
    beyond = y[:, 0] > ENDS[-1]
    other = y.copy()
    other[beyond] = [999.0, 1.0]
    assert beyond.any()
    assert fitted(lives=other).to_bytes() == MODELS["failure"].to_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_a_damaged_forest_is_refused(name: str) -> None:
    """Trees whose walk would leave them or never end are refused when they are opened, and so is what is no JSON."""
    target: Any = "failure" if name == "failure" else "remaining_life"
    stored = store_estimator(KIND, MODELS[name])
    assert store_estimator(KIND, open_estimator(KIND, target, stored)) == stored
    with pytest.raises(ModelError, match="survival forest"):
        open_estimator(KIND, target, b"{")
    with pytest.raises(ModelError, match="survival"):
        open_estimator(KIND, target, json.dumps({"life": None, "trees": "{}"}).encode())
    trees = MODELS[name].trees
    for change in (
        {"left": np.zeros_like(trees.left)},
        {"right": trees.right + len(trees.right)},
        {"roots": trees.roots - 1},
        {"curves": trees.curves[:1]},
    ):
        damaged = FittedSurvivalForest(replace(trees, **change), MODELS[name].life)
        with pytest.raises(ModelError, match="Register it again"):
            open_estimator(KIND, target, damaged.to_bytes())


@pytest.mark.parametrize(
    ("params", "message"), [({"trees": 3}, "trees"), ({"life": "mode"}, "median"), ({"times": 1}, "whole number")]
)
def test_wrong_parameters_are_refused(params: Any, message: str) -> None:
    """A parameter nobody knows, or a value it cannot have, is a usage error."""
    with pytest.raises(UsageError, match=message):
        estimators.make(KIND, "failure", params, 0)


def test_without_its_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without scikit-survival training says which extra brings it; a stored model predicts all the same."""
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("sksurv"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    stored = MODELS["failure"].to_bytes()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"forewarn\[survival\]"):
        estimators.make(KIND, "failure", {}, 0)
    x = samples(1)[0]
    assert np.array_equal(open_estimator(KIND, "failure", stored).predict(x), MODELS["failure"].predict(x))


FOREST = (f"estimator.kind={KIND}", "estimator.params={n_estimators = 8}", "features.events=false")
SEVERAL = 'label.horizons=["24h", "48h", "96h"]'


@pytest.mark.slow
def test_a_forest_learns_from_cut_offs_without_an_outcome(plant: History, describe: Describe) -> None:
    """It also learns from samples followed for a part of the horizon, by what was known when the test began."""
    experiment = describe(SEVERAL, *FOREST)
    begin = experiment.split.test_start
    assert begin is not None
    drawn = draw_samples(experiment, plant, latest_known_time(plant))
    labelled = draw_samples(describe(SEVERAL), plant, latest_known_time(plant))
    pd.testing.assert_frame_equal(drawn.train, labelled.train)
    assert drawn.lives is not None
    assert len(drawn.lives) == len(drawn.learned) > len(labelled.train)
    ends = drawn.learned["as_of"] + pd.to_timedelta(drawn.lives[:, 0], unit="h")
    assert (ends <= begin).all()
    positive = drawn.train["target"].to_numpy() > 0
    within = (drawn.lives[:, 1] > 0) & (drawn.lives[:, 0] <= 48.0 + 1e-6)
    assert np.array_equal(within[: len(positive)], positive)
    # Nothing that becomes known after the test begins changes a life.
    earlier = draw_samples(experiment, plant.as_of(begin), begin, check_test=False)
    assert np.allclose(earlier.lives, drawn.lives)


@pytest.mark.slow
def test_a_trained_forest_is_stored_and_predicts_the_same(plant: History, describe: Describe, tmp_path: Path) -> None:
    """Trained twice it is the same bit for bit, stored as JSON, and better than chance at every horizon."""
    trained = train(describe(SEVERAL, *FOREST), plant)
    assert train(describe(SEVERAL, *FOREST), plant).artifact.digest == trained.artifact.digest
    assert trained.evaluation.metrics["roc_auc_24h"] > 0.8
    assert trained.evaluation.metrics["roc_auc_48h"] > 0.75
    assert 0.0 < float(trained.artifact.threshold or 0.0) < 1.0
    folder = trained.artifact.save(tmp_path / "model")
    assert {file.name for file in folder.iterdir()} == {"model.json", "survival.json"}
    assert trained.golden is not None
    features = trained.golden.features
    expected = trained.artifact.predict_horizons(features)
    assert np.array_equal(Artifact.load(folder, trial=True).predict_horizons(features), expected)
    assert np.array_equal(trained.artifact.predict(features), expected[:, 1])
    single = train(describe(*FOREST, "split.kind=asset", "split.test=m0[67]", "features.keep=3"), plant)
    assert single.evaluation.metrics["roc_auc"] > 0.75
    with pytest.raises(UsageError, match=r"estimator\.calibration"):
        train(describe(*FOREST, "estimator.calibration=sigmoid"), plant)


@pytest.mark.slow
def test_a_remaining_life_is_learned_from_lives(plant: History, describe: Describe) -> None:
    """Hours stay within the cap, assets that did not fail are learned from, and intervals are made of both."""
    life = ("target=remaining_life", "label.cap=120h", "split.kind=asset", "split.test=m0[67]", *FOREST)
    trained = train(describe(*life), plant)
    drawn = draw_samples(describe(*life), plant, latest_known_time(plant))
    assert len(drawn.censored)
    assert drawn.lives is not None
    assert len(drawn.lives) == len(drawn.train) + len(drawn.censored)
    predicted = trained.evaluation.predictions["prediction"]
    assert predicted.between(0.0, 120.0).all()
    assert trained.artifact.intervals is not None
    assert trained.evaluation.metrics["rmse_capped"] < 0.9 * trained.evaluation.metrics["rmse_mean"]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["target=failure", "target=remaining_life"])
def test_a_forest_is_refitted_to_what_is_known(plant: History, describe: Describe, target: str) -> None:
    """A refit learns from the lives known by then, and from nothing known later."""
    now = START + 55 * DAY
    experiment = describe(target, *FOREST, "features.ages=false", "label.cap=120h")
    trained = train(experiment, plant, known_until=now)
    judged = Judged(1, trained.artifact, experiment, trained.trained_until, trained.evaluation.reference)
    again = refit(judged, plant, known_until=now).trained
    assert again.trained_until > trained.trained_until
    assert again.artifact.stored != trained.artifact.stored
    assert refit(judged, plant.as_of(now), known_until=now).trained.artifact.digest == again.artifact.digest
