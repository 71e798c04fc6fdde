"""Weighted averages: the best weights by what was held out, stored as their members."""

import base64
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
from scipy.optimize import minimize

from data_contracts.errors import ModelError, UsageError
from data_contracts.tables.history import History
from models.artifact.artifact import Artifact
from models.estimators import estimators
from models.estimators.stored_estimators import open_estimator, store_estimator, stored_trees
from models.estimators.weighted_average import UnfittedAverage, best_weights
from models.experiment.experiment import Experiment
from models.training.learners.average_training import fit_average
from models.training.training import train

Describe = Callable[..., Experiment]
MEMBERS = """{kind = "lightgbm", params = {n_estimators = 10, num_leaves = 7}},
{kind = "extremely_randomized_trees", params = {n_estimators = 10}},
{kind = "logistic"}""".replace("\n", " ")
OVERRIDE = f"estimator={{kind = 'average', params = {{members = [{MEMBERS}]}}}}"


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_the_weights_are_the_best(seed: int, n_members: int) -> None:
    """They are never negative, sum to one, and err no more than what a general optimiser finds."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=60)
    predictions = y[:, None] * rng.uniform(0.0, 1.5, n_members) + rng.normal(size=(60, n_members)) * rng.random(
        n_members
    )
    weights = best_weights(predictions, y)
    assert (weights >= 0.0).all()
    assert weights.sum() == pytest.approx(1.0)

    def error(shares: Any) -> float:
        return float(np.mean((predictions @ shares - y) ** 2))

    start = np.full(n_members, 1.0 / n_members)
    sum_to_one = {"type": "eq", "fun": lambda shares: shares.sum() - 1.0}
    found = minimize(error, start, bounds=[(0.0, 1.0)] * n_members, constraints=[sum_to_one])
    assert error(weights) <= found.fun + 1e-6
    assert error(weights) <= min(error(alone) for alone in np.eye(n_members)) + 1e-12


def test_a_member_that_knows_takes_all() -> None:
    """Where one member is right and the others are noise, it alone has a weight, and the average is it."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    assert best_weights(np.column_stack([rng.normal(size=200), y, rng.normal(size=200)]), y).tolist() == [0.0, 1.0, 0.0]
    assert best_weights(np.column_stack([y, y]), y).sum() == pytest.approx(1.0)


class _Constant:
    """Predicts one number, whatever it learned, and remembers what it learned from."""

    def __init__(self, number: float, seen: list[np.ndarray]) -> None:
        self.number, self.seen = number, seen

    def fit(self, x: Any, y: Any) -> "_Constant":  # noqa: ARG002 - an estimator's shape
        self.seen.append(x[:, 0].copy())
        return self

    def predict(self, x: Any) -> Any:
        return np.full(len(x), self.number)


def test_weights_come_from_purged_folds(describe: Describe) -> None:
    """No member learns from a sample whose label looks into those that it is then weighed by."""
    experiment = describe()
    as_of = pd.date_range("2026-01-01", periods=400, freq="6h", tz="UTC")
    cut_offs = pd.DataFrame({"asset": "m1", "as_of": as_of})
    hours = np.arange(400.0)[:, None] * 6.0
    y = (np.arange(400) % 4 == 0).astype(float)
    seen: list[np.ndarray] = []
    kinds, makers = ("a", "b"), tuple((lambda number=number: _Constant(number, seen)) for number in (0.25, 0.9))
    fitted = fit_average(experiment, UnfittedAverage(kinds, makers), hours, y, cut_offs)
    # A fourth of the samples is positive, so the member that says so has all the weight, and is fitted once more.
    assert [(member.kind, member.weight) for member in fitted.members] == [("a", 1.0)]
    edges = np.linspace(0.5, 1.0, 4) * hours[-1]
    learned = [rows.max() for rows in seen[:-1]]
    assert len(learned) == 6
    assert all(last + 48.0 < edge for last, edge in zip(learned, np.repeat(edges[:3], 2), strict=True))
    assert np.array_equal(seen[-1], hours[:, 0])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"member": []}, "estimator.params.member"),
        ({"members": [{"kind": "lightgbm"}]}, "2 to 8"),
        ({"members": "lightgbm"}, "2 to 8"),
        ({"members": [{"kind": "lightgbm"}, {"params": {}}]}, "kind and params"),
        ({"members": [{"kind": "lightgbm"}, {"kind": "average"}]}, "a learner of labels"),
        ({"members": [{"kind": "lightgbm"}, {"kind": "random_survival_forest"}]}, "a learner of labels"),
        ({"members": [{"kind": "lightgbm"}, {"kind": "logistc"}]}, "logistic"),
        ({"members": [{"kind": "lightgbm"}, {"kind": "ridge"}]}, "ridge"),
        ({"members": [{"kind": "lightgbm", "params": {"trees": 1}}, {"kind": "logistic"}]}, "trees"),
    ],
)
def test_members_that_make_no_average_are_refused(params: Any, message: str) -> None:
    """Members are two to eight learners of the target, each with parameters that it knows."""
    with pytest.raises(UsageError, match=message):
        estimators.make("average", "failure", params, 0)


def test_a_damaged_average_is_refused() -> None:
    """What is no average, holds another average or a weight that is none is refused when it is opened."""
    x = np.random.default_rng(0).normal(size=(100, 3))
    members = [{"kind": "lightgbm", "params": {"n_estimators": 5}}, {"kind": "logistic"}]
    average = estimators.make("average", "failure", {"members": members}, 0)
    model = estimators.fit(average, x, (x[:, 0] > 0).astype(float))
    stored = store_estimator("average", model)
    assert len(stored_trees("average", stored)) == 1
    content = json.loads(stored)
    nested = {"kind": "average", "weight": 1.0, "stored": base64.b64encode(stored).decode()}
    for damaged in ({"members": []}, {"members": [nested]}, {"members": [{**content["members"][0], "weight": 0}]}, {}):
        with pytest.raises(ModelError, match="average"):
            open_estimator("average", "failure", json.dumps(damaged).encode())


@pytest.mark.slow
def test_a_trained_average_is_its_members(plant: History, describe: Describe, tmp_path: Path) -> None:
    """Trained twice it is the same; stored and opened it predicts the weighted mean of its members, bit for bit."""
    experiment = describe(OVERRIDE)
    trained = train(experiment, plant)
    members = trained.artifact.model.members
    again = train(experiment, plant)
    assert [member.weight for member in again.artifact.model.members] == [member.weight for member in members]
    assert sum(member.weight for member in members) == pytest.approx(1.0)
    assert trained.evaluation.metrics["roc_auc"] > 0.8
    assert trained.importances.sum() == pytest.approx(1.0)
    loaded = Artifact.load(trained.artifact.save(tmp_path / "model"), trial=True)
    assert trained.golden is not None
    features = trained.golden.features
    x, total = loaded.matrix(features), 0.0
    for member in loaded.model.members:
        total = total + member.weight * estimators.predict(member.model, x)
    assert np.array_equal(loaded.predict(features), total)
    assert np.array_equal(loaded.predict(features), trained.artifact.predict(features))
    # The bytes of skops hold addresses in memory, so it is the predictions that are the same.
    assert np.array_equal(again.artifact.predict(features), total)


@pytest.mark.slow
def test_averages_serve_horizons_and_lives(plant: History, describe: Describe) -> None:
    """Several horizons and a remaining life can be averaged too."""
    several = train(describe(OVERRIDE, 'label.horizons=["24h", "48h"]', "features.events=false"), plant)
    assert several.golden is not None
    assert (np.diff(several.artifact.predict_horizons(several.golden.features), axis=1) >= 0.0).all()
    regression = OVERRIDE.replace("logistic", "ridge")
    life = ("target=remaining_life", "label.cap=120h", "split.kind=asset", "split.test=m0[67]", "features.events=false")
    trained = train(describe(*life, regression), plant)
    assert trained.evaluation.metrics["rmse_capped"] < trained.evaluation.metrics["rmse_mean"]
    assert trained.golden is not None
    assert replace(trained.artifact, threshold=None).predict(trained.golden.features).max() <= 120.0
