"""Estimators and artifacts: the same bits each time, and no pickle anywhere."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import make_pipeline

from data_contracts.errors import ModelError, NotFoundError, UsageError
from features.recipe.feature_set import FeatureSet
from features.recipe.recipe import Recipe
from models.artifact.artifact import Artifact, ContractReference
from models.estimators import estimators
from models.estimators.calibration import Calibration
from models.estimators.stored_estimators import open_estimator, store_estimator

KINDS = [(kind, target) for kind in estimators.kinds() for target in estimators.ALL_TARGETS]
SMALL: Mapping[str, Mapping[str, Any]] = {
    "lightgbm": {"n_estimators": 15},
    "random_forest": {"n_estimators": 10},
    "extremely_randomized_trees": {"n_estimators": 10},
    "hist_gradient_boosting": {"max_iter": 10},
    "random_survival_forest": {"n_estimators": 10},
}
WITHOUT_IMPORTANCES = ("hist_gradient_boosting", "random_survival_forest")
RECIPE = Recipe(
    asset_type="azure_machine",
    channels=("volt", "vibration"),
    windows=(pd.Timedelta("24h"),),
    feature_set=FeatureSet.from_names(["mean", "quantile__q_0.1", 'linear_trend__attr_"slope"']),
)
RECIPE = RECIPE.reduce(RECIPE.output)


def samples(target: str, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(300, 6))
    x[rng.random(x.shape) < 0.05] = np.nan
    signal = np.nan_to_num(x[:, 0]) + rng.normal(size=300) / 2
    return x, (signal > 0.5).astype(float) if target == "failure" else 50 + 20 * signal


def fitted(kind: str, target: Any, seed: int = 0) -> Any:
    x, y = samples(target)
    model = estimators.make(kind, target, SMALL.get(kind, {}), seed)
    if not estimators.learns_lives(kind):
        return estimators.fit(model, x, y)
    # Lives that are shorter the larger the first column is, a third of them cut off.
    hours = np.exp(np.where(np.nan_to_num(x[:, 0]) > 0.5, 2.0, 4.0)) if target == "failure" else y
    lives = np.column_stack([np.maximum(hours, 1.0), np.arange(len(x)) % 3 > 0])
    return estimators.fit(model.ending([24.0] if target == "failure" else [90.0]), x, lives)


def artifact(kind: str = "lightgbm", target: Any = "failure", **changes: Any) -> Artifact:
    values: dict[str, Any] = {
        "target": target,
        "estimator": kind,
        "recipe": RECIPE,
        "lead": pd.Timedelta(0),
        "horizon": pd.Timedelta("24h"),
        "cap": pd.Timedelta("60h") if target == "remaining_life" else None,
        "threshold": 0.25,
        "calibration": None,
        "contract": ContractReference("telemetry_azure_machine", "1.0.0", "abc"),
        "stored": store_estimator(kind, fitted(kind, target)),
    }
    return Artifact(**{**values, **changes})


def features(target: str = "failure") -> pd.DataFrame:
    return pd.DataFrame(samples(target, 1)[0], columns=list(RECIPE.output))


def able(kind: str, target: str) -> bool:
    return (kind, target) not in {
        ("logistic", "remaining_life"),
        ("logistic", "condition"),
        ("ridge", "failure"),
        ("random_survival_forest", "condition"),
    }


@pytest.mark.parametrize(("kind", "target"), [pair for pair in KINDS if able(*pair)])
def test_a_learner_is_the_same_again_and_after_storing(kind: str, target: Any) -> None:
    """Fitting again, storing and opening, one row or many: always the same bits."""
    model, x = fitted(kind, target), samples(target, 1)[0]
    expected = estimators.predict(model, x)
    assert np.isfinite(expected).all()
    assert np.array_equal(estimators.predict(fitted(kind, target), x), expected)
    opened = open_estimator(kind, target, store_estimator(kind, model))
    assert np.array_equal(estimators.predict(opened, x), expected)
    alone = np.concatenate([estimators.predict(opened, x[i : i + 1]) for i in range(40)])
    assert np.array_equal(alone, expected[:40])
    assert len(estimators.predict(opened, x[:0])) == 0


@pytest.mark.parametrize(("kind", "target"), [pair for pair in KINDS if not able(*pair)])
def test_a_learner_for_another_target_is_refused(kind: str, target: Any) -> None:
    """A learner that cannot predict the target is refused, and those that can are named."""
    with pytest.raises(UsageError, match="lightgbm"):
        estimators.make(kind, target, {}, 0)


@pytest.mark.parametrize(
    ("kind", "params"), [("lightgbm", {"learning_rat": 1}), ("random_forest", {"trees": 3}), ("lightgmb", {})]
)
def test_a_slip_of_the_pen_is_refused(kind: str, params: Mapping[str, Any]) -> None:
    """A learner or parameter nobody knows is a usage error, also where the library would ignore it."""
    with pytest.raises(UsageError, match=r"Did you mean|trees"):
        estimators.make(kind, "failure", params, 0)


@pytest.mark.parametrize("kind", [kind for kind in estimators.kinds() if kind not in WITHOUT_IMPORTANCES])
def test_importances_are_shares(kind: str) -> None:
    """Importances add up to one, largest first, and find the column that matters."""
    target: Any = "failure" if able(kind, "failure") else "remaining_life"
    shares = estimators.importances(fitted(kind, target), [f"c{i}" for i in range(6)])
    assert shares.sum() == pytest.approx(1.0)
    assert shares.is_monotonic_decreasing
    assert shares.index[0] == "c0"


def test_a_user_can_add_a_learner() -> None:
    """A registered factory can be named, stored and opened; its reviewed types are trusted and no others."""

    def make(target: Any, params: Mapping[str, Any], seed: int) -> ExtraTreesClassifier:  # noqa: ARG001 - a factory's shape
        return ExtraTreesClassifier(n_estimators=5, random_state=seed, **params)

    estimators.register_estimator(
        "extra_trees",
        make,
        targets=["failure"],
        trusted=["sklearn.tree._tree.Tree"],
    )
    try:
        with pytest.raises(UsageError, match="already"):
            estimators.register_estimator("extra_trees", make)
        stored = store_estimator("extra_trees", fitted("extra_trees", "failure"))
        assert open_estimator("extra_trees", "failure", stored).n_estimators == 5
    finally:
        del estimators._KINDS["extra_trees"]


@pytest.mark.parametrize("kind", estimators.kinds())
def test_an_artifact_holds_no_pickle(kind: str, tmp_path: Path) -> None:
    """The folder of an artifact is JSON beside LightGBM text or a skops file, of which nothing is pickled."""
    target: Any = "failure" if able(kind, "failure") else "remaining_life"
    folder = artifact(kind, target).save(tmp_path / "model")
    assert {file.name for file in folder.iterdir()} <= {"model.json", "model.txt", "model.skops", "survival.json"}
    for file in folder.iterdir():
        content = file.read_bytes()
        assert not content.startswith(b"\x80")
        if file.suffix == ".skops":
            with zipfile.ZipFile(file) as inside:
                assert all(name.endswith((".json", ".npy")) for name in inside.namelist())
                assert b"Pickle" not in inside.read("schema.json")
    loaded = Artifact.load(folder)
    assert loaded == artifact(kind, target, stored=loaded.stored)
    assert np.array_equal(loaded.predict(features(target)), artifact(kind, target).predict(features(target)))


def test_a_type_that_nobody_reviewed_is_refused(tmp_path: Path) -> None:
    """A stored model that holds another type is neither stored nor loaded."""
    x, y = samples("failure")
    odd = make_pipeline(SelectKBest(k=2), ExtraTreesClassifier(5)).fit(np.nan_to_num(x), y)
    with pytest.raises(ModelError, match=r"f_classif|sklearn"):
        store_estimator("logistic", odd)
    folder = artifact("logistic", stored=skops.io.dumps(odd)).save(tmp_path / "model")
    with pytest.raises(ModelError, match="reviewed types"):
        Artifact.load(folder)


def test_a_damaged_artifact_is_refused(tmp_path: Path) -> None:
    """What is missing, cut short, changed or of another format is refused, not loaded."""
    with pytest.raises(NotFoundError):
        Artifact.load(tmp_path / "none")
    folder = artifact().save(tmp_path / "model")
    text = (folder / "model.txt").read_text()
    (folder / "model.txt").write_text(text.replace("shrinkage", "shrinkbge"))
    with pytest.raises(ModelError, match="recorded digest"):
        Artifact.load(folder)
    (folder / "model.txt").write_text(text)
    content = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**content, "format": 9}))
    with pytest.raises(ModelError, match="format 9"):
        Artifact.load(folder)
    (folder / "model.json").write_text("{")
    with pytest.raises(ModelError, match="not JSON"):
        Artifact.load(folder)


def test_columns_are_taken_by_name() -> None:
    """Columns in another order, and others beside them, change no prediction; a missing or infinite one is refused."""
    model, given = artifact(), features()
    mixed = given[given.columns[::-1]].assign(other=1.0)
    assert np.array_equal(model.predict(mixed), model.predict(given))
    with pytest.raises(ModelError, match="volt__mean"):
        model.predict(given.drop(columns="volt__mean"))
    with pytest.raises(ModelError, match="infinite"):
        model.predict(given.assign(volt__mean=np.inf))


def test_names_map_back() -> None:
    """LightGBM sees f0, f1, ...; model.json says which column each is."""
    model = artifact()
    columns = json.loads(model._json())["columns"]
    assert list(columns) == [f"f{i}" for i in range(6)]
    assert tuple(columns.values()) == model.columns
    assert model.model.booster.feature_name() == list(columns)


def test_the_digest_tells_models_apart() -> None:
    """Equal artifacts have equal digests; another threshold or other trees have another."""
    assert artifact().digest == artifact().digest
    assert artifact(threshold=0.5).digest != artifact().digest
    assert artifact(stored=store_estimator("lightgbm", fitted("lightgbm", "failure", 9))).digest != ""


def test_predictions_stay_in_range() -> None:
    """A remaining life is between zero and the cap, and a calibrated score is a probability."""
    life = artifact("ridge", "remaining_life").predict(features("remaining_life"))
    assert life.min() >= 0
    assert life.max() == 60
    scores = artifact().predict(features())
    calibrated = artifact(calibration=Calibration(0.5, -1.0)).predict(features())
    assert ((calibrated > 0) & (calibrated < 1)).all()
    assert np.array_equal(np.argsort(calibrated, kind="stable"), np.argsort(scores, kind="stable"))


def test_alerts_are_at_the_threshold() -> None:
    """A failure alerts at its threshold or more, a remaining life at its threshold or less, none without one."""
    values = np.array([0.1, 0.25, 0.3])
    assert list(artifact().alerts(values)) == [False, True, True]
    assert list(artifact("ridge", "remaining_life").alerts(values)) == [True, True, False]
    assert not artifact(threshold=None).alerts(values).any()
