"""`FailureClassifier` and `RemainingLifeRegressor`: forewarn's learners with scikit-learn's interface."""

import doctest
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import check_estimator

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from forewarn.sklearn import FailureClassifier, RemainingLifeRegressor, TelemetryFeatures
from models.estimators import estimators
from models.experiment.experiment import Experiment
from models.training.fitting import fit_model
from models.training.samples import draw_samples
from models.training.training import latest_known_time

# Fewer trees: the checks are about manners, not about figures.
QUICK = {
    "lightgbm": {"n_estimators": 50},
    "random_forest": {"n_estimators": 10},
    "extremely_randomized_trees": {"n_estimators": 10},
    "hist_gradient_boosting": {"max_iter": 20},
}
#: The checks of scikit-learn that a learner does not pass, and why. None: a new one has to be written here, and in the
#: page, with its reason.
EXPECTED_FAILED_CHECKS: dict[str, dict[str, str]] = {"FailureClassifier": {}, "RemainingLifeRegressor": {}}
SKIPPED = {"check_array_api_input": "runs only where SCIPY_ARRAY_API is set"}


def statuses(learner: Any) -> dict[str, set[str]]:
    """Run all of scikit-learn's checks: the names of those that passed, were skipped, or failed."""
    expected = EXPECTED_FAILED_CHECKS[type(learner).__name__]
    results = check_estimator(learner, expected_failed_checks=expected, on_fail=None, on_skip=None)
    names: dict[str, set[str]] = {"passed": set(), "skipped": set(), "xfail": set(), "failed": set()}
    for result in results:
        names[result["status"]].add(result["check_name"])
    return names


@pytest.mark.filterwarnings("ignore")  # the checks provoke warnings of scikit-learn's own
@pytest.mark.parametrize(
    "learner", [FailureClassifier(params=QUICK["lightgbm"]), RemainingLifeRegressor(params=QUICK["lightgbm"])], ids=str
)
def test_the_checks_are_those_of_the_page(learner: Any, repository: Path) -> None:
    """All checks are run; which pass, and which do not and why, is what the page says."""
    found = statuses(learner)
    assert found["failed"] == set()
    assert found["xfail"] == set(EXPECTED_FAILED_CHECKS[type(learner).__name__])
    assert found["skipped"] == set(SKIPPED)
    page = (repository / "docs" / "how-to" / "scikit-learn.md").read_text(encoding="utf-8")
    listed = re.search(rf"^`{type(learner).__name__}` passes (\d+) checks: (.*)$", page, re.MULTILINE)
    expected = ", ".join(f"`{name.removeprefix('check_')}`" for name in sorted(found["passed"]))
    assert listed is not None
    assert (int(listed[1]), listed[2]) == (len(found["passed"]), f"{expected}.")


@pytest.mark.verify
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "learner",
    [
        FailureClassifier("logistic", calibration="sigmoid"),
        FailureClassifier("random_forest", QUICK["random_forest"]),
        FailureClassifier("extremely_randomized_trees", QUICK["extremely_randomized_trees"]),
        FailureClassifier("hist_gradient_boosting", QUICK["hist_gradient_boosting"]),
        RemainingLifeRegressor("ridge", cap=1e6),
        RemainingLifeRegressor("random_forest", QUICK["random_forest"]),
        RemainingLifeRegressor("extremely_randomized_trees", QUICK["extremely_randomized_trees"]),
        RemainingLifeRegressor("hist_gradient_boosting", QUICK["hist_gradient_boosting"]),
    ],
    ids=str,
)
def test_every_learner_passes_the_same_checks(learner: Any) -> None:
    """Whatever learner is behind it, no other check fails or is skipped."""
    found = statuses(learner)
    assert found["failed"] == set()
    assert found["skipped"] == set(SKIPPED)


@pytest.fixture(scope="module")
def samples(plant: History, describe: Callable[..., Experiment]) -> pd.DataFrame:
    """Return the training samples of an experiment: asset, as_of and target."""
    return draw_samples(describe("windows.stride=12h"), plant, latest_known_time(plant)).train


def quick_pipeline(plant: History) -> Pipeline:
    """Return features and learner as one."""
    features = TelemetryFeatures(plant.telemetry, window="24h", tsfresh=["mean", "maximum"])
    learner = FailureClassifier(params={"n_estimators": 20, "num_leaves": 7})
    return Pipeline([("features", features), ("learner", learner)])


@pytest.mark.parametrize(
    "overrides", [[], ["estimator.kind=logistic", "estimator.params={}", "estimator.calibration=none"]], ids=str
)
def test_predictions_are_those_of_a_trained_model(
    plant: History, describe: Callable[..., Experiment], overrides: list[str]
) -> None:
    """On the features of an experiment, a learner predicts what the trained model does, bit for bit."""
    experiment = describe(*overrides)
    drawn = draw_samples(experiment, plant, latest_known_time(plant))
    fitted = fit_model(experiment, plant, drawn, step=itertools.repeat(None))
    columns = list(fitted.artifact.columns)
    plan = experiment.estimator
    learner = FailureClassifier(plan.kind, plan.params, seed=experiment.seed)
    learner.fit(fitted.train[columns].reset_index(drop=True), drawn.target)
    predicted = learner.predict_proba(fitted.test[columns].reset_index(drop=True))[:, 1]
    np.testing.assert_array_equal(predicted, fitted.artifact.predict(fitted.test))
    np.testing.assert_allclose(learner.feature_importances_.sum(), 1.0)
    assert fitted.importances.index[0] == columns[int(learner.feature_importances_.argmax())]


def test_a_pipeline_is_cloned_scored_and_searched(plant: History, samples: pd.DataFrame) -> None:
    """Windows and features are searched like any parameter, with assets held out together."""
    cut_offs, fails = samples[["asset", "as_of"]], samples["target"].astype(int)
    split = {"groups": samples["asset"], "cv": GroupKFold(2)}
    pipeline = quick_pipeline(plant)
    scores = cross_val_score(
        clone(pipeline), cut_offs, fails, scoring="roc_auc", cv=split["cv"], groups=split["groups"]
    )
    assert scores.min() > 0.8
    grid = {"features__window": ["3h", ["6h", "24h"]], "features__tsfresh": [["mean"], ["length"]]}
    search = GridSearchCV(pipeline, grid, scoring="roc_auc", cv=split["cv"], error_score="raise")
    search.fit(cut_offs, fails, groups=split["groups"])
    by_features = {
        str(p["features__tsfresh"]): s
        for p, s in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True)
    }
    assert by_features["['mean']"] > by_features["['length']"]
    assert search.best_params_["features__tsfresh"] == ["mean"]
    best = search.best_estimator_
    assert list(best["learner"].feature_names_in_) == list(best["features"].get_feature_names_out())
    assert best.predict(cut_offs).shape == (len(cut_offs),)


def test_the_threshold_decides_and_calibration_keeps_the_order(plant: History, samples: pd.DataFrame) -> None:
    """`predict` compares with the threshold; Platt's sigmoid changes probabilities and not their order."""
    x = TelemetryFeatures(plant, tsfresh=["mean"]).fit_transform(samples[["asset", "as_of"]])
    y = np.where(samples["target"] > 0, "will fail", "runs")  # the larger of both words is the failure
    plain = FailureClassifier("logistic", threshold=0.1).fit(x, y)
    assert plain.classes_.tolist() == ["runs", "will fail"]
    risk = plain.predict_proba(x)[:, 1]
    np.testing.assert_array_equal(plain.predict(x) == "will fail", risk >= 0.1)
    sure = FailureClassifier("logistic", calibration="sigmoid").fit(x, y, groups=samples["asset"])
    calibrated = sure.predict_proba(x)[:, 1]
    assert sure.calibration_ is not None
    np.testing.assert_array_equal(calibrated, sure.calibration_.apply(risk))
    assert (np.diff(calibrated[np.argsort(risk)]) >= 0).all()
    one_by_one = FailureClassifier("logistic", calibration="sigmoid").fit(x, y)
    assert one_by_one.calibration_ != sure.calibration_


def test_lives_end_at_the_cap_and_at_zero() -> None:
    """Labels above the cap count as the cap, and no prediction leaves 0 to the cap."""
    x = np.arange(60.0).reshape(-1, 1)
    capped = RemainingLifeRegressor("ridge", cap=40.0).fit(x, 60.0 - x[:, 0])
    expected = estimators.fit(estimators.make("ridge", "remaining_life", {}, 0), x, np.minimum(60.0 - x[:, 0], 40.0))
    wide = np.array([[-50.0], [30.0], [500.0]])
    np.testing.assert_array_equal(capped.predict(wide), np.clip(estimators.predict(expected, wide), 0.0, 40.0))
    assert capped.predict(wide)[[0, 2]].tolist() == [40.0, 0.0]
    with pytest.raises(ValueError, match="Negative values"):
        RemainingLifeRegressor("ridge").fit(x, 30.0 - x[:, 0])


def test_the_same_seed_gives_the_same_bits(samples: pd.DataFrame, plant: History) -> None:
    """Fitting again gives the same predictions; another seed gives others."""
    x = TelemetryFeatures(plant, tsfresh=["mean"]).fit_transform(samples[["asset", "as_of"]])
    fitted = [
        FailureClassifier("random_forest", {"n_estimators": 5}, seed=seed).fit(x, samples["target"])
        for seed in (1, 1, 2)
    ]
    first, again, other = (learner.predict_proba(x) for learner in fitted)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("learner", "named"),
    [
        (FailureClassifier("lightgmb"), "lightgbm"),
        (FailureClassifier(params={"num_leafs": 3}), "num_leaves"),
        (FailureClassifier("ridge"), "failure"),
        (RemainingLifeRegressor("logistic"), "remaining_life"),
        (FailureClassifier(calibration="platt"), "sigmoid"),
    ],
    ids=str,
)
def test_wrong_parameters_are_named(learner: Any, named: str) -> None:
    """An unknown learner, parameter or calibration is refused when fitting, with what would do."""
    with pytest.raises(UsageError, match=named):
        learner.fit(np.arange(20.0).reshape(-1, 1), np.repeat([0, 1], 10))


def test_importances_are_there_or_not() -> None:
    """A learner without importances has no such attribute, and none is fitted before `fit`."""
    x, y = np.random.default_rng(0).normal(size=(60, 2)), np.repeat([0, 1], 30)
    x[:, 1] += 3 * y
    assert FailureClassifier("logistic").fit(x, y).feature_importances_.argmax() == 1
    assert not hasattr(FailureClassifier("hist_gradient_boosting").fit(x, y), "feature_importances_")
    with pytest.raises(NotFittedError):
        FailureClassifier().feature_importances_  # noqa: B018 - reading it is what raises


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_page_shows_what_its_examples_print(
    repository: Path, datasets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every example of the page prints what stands below it."""
    monkeypatch.chdir(datasets / "azure_pdm")
    # A block of Markdown ends an example's output, which doctest would take as part of it.
    page = (repository / "docs" / "how-to" / "scikit-learn.md").read_text(encoding="utf-8").replace("```", "")
    examples = doctest.DocTestParser().get_doctest(page, {}, "scikit-learn.md", None, None)
    assert len(examples.examples) > 15
    assert doctest.DocTestRunner(verbose=False).run(examples).failed == 0
