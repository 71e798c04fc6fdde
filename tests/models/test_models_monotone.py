"""Monotone constraints: named by channel and calculator, kept by every prediction."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from models.estimators import estimators
from models.estimators.monotone import check_patterns, monotone_signs
from models.experiment.experiment import Experiment
from models.training.training import train

COLUMNS = ("volt__mean", "volt~regime@24h__mean", "vibration@50h__mean", 'vibration__linear_trend__attr_"slope"')
COLUMNS = (*COLUMNS, 'events__count__code_"error1"__span_"24h"', "asset__age_hours")
SMALL: Mapping[str, Mapping[str, Any]] = {
    "lightgbm": {"n_estimators": 20, "min_child_samples": 5, "n_boosters": 2},
    "hist_gradient_boosting": {"max_iter": 15, "min_samples_leaf": 5},
}


@pytest.mark.parametrize(
    ("patterns", "signs"),
    [
        ({"volt": "rising"}, (1, 1, 0, 0, 0, 0)),
        ({"v*": "falling"}, (-1, -1, -1, -1, 0, 0)),
        ({"*__mean": "rising"}, (1, 1, 1, 0, 0, 0)),
        ({"vibration": "rising", "vibration__linear_trend": "free"}, (0, 0, 1, 0, 0, 0)),
        ({"events__count": "rising", "asset__age*": "rising"}, (0, 0, 0, 0, 1, 1)),
        ({"vibration__linear_trend__attr_?slope?": "falling"}, (0, 0, 0, -1, 0, 0)),
        ({"volt": "rising", "volt__mean": "rising"}, (1, 1, 0, 0, 0, 0)),
    ],
)
def test_a_pattern_names_channels_and_calculators(patterns: Any, signs: tuple[int, ...]) -> None:
    """A pattern counts in every window and regime; of a remaining life the hours fall where the risk rises."""
    check_patterns(patterns, COLUMNS)
    assert monotone_signs(patterns, COLUMNS, "failure") == signs
    assert monotone_signs(patterns, COLUMNS, "condition") == signs
    assert monotone_signs(patterns, COLUMNS, "remaining_life") == tuple(-sign for sign in signs)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ({"vibraton": "rising"}, "vibration"),
        ({"volt__meen": "rising"}, "volt__mean"),
        ({"pressure*": "rising"}, "no feature matches"),
        ({"volt": "rising", "*__mean": "falling"}, "one direction"),
    ],
)
def test_what_names_nothing_or_contradicts_is_refused(patterns: Any, message: str) -> None:
    """A pattern that matches no feature is refused with what was meant, and so is a feature of two directions."""
    with pytest.raises(UsageError, match=r"estimator\.monotone") as refused:
        check_patterns(patterns, COLUMNS)
    assert message in str(refused.value)


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("target", ["failure", "remaining_life"])
@settings(max_examples=3)
@given(seed=st.integers(0, 2**32 - 1), sign=st.sampled_from([1, -1]))
def test_predictions_never_go_the_other_way(kind: str, target: Any, seed: int, sign: int) -> None:
    """Whatever the data, predictions never fall along a feature that they may only rise with."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, 3))
    x[rng.random(x.shape) < 0.1] = np.nan
    # What the data say goes up and down, and noise is added.
    wave = np.sin(3.0 * np.nan_to_num(x[:, 0])) + np.nan_to_num(x[:, 1]) + rng.normal(size=200)
    y = (wave > 0).astype(float) if target == "failure" else 50.0 + 20.0 * wave
    along = np.repeat(x[:20], 30, axis=0)
    along[:, 0] = np.tile(np.sort(rng.normal(scale=2.0, size=30)), 20)
    changes = {}
    for signs in ((sign, 0, 0), ()):
        model = estimators.fit(estimators.make(kind, target, SMALL[kind], 0, monotone=signs), x, y)
        changes[signs] = sign * np.diff(estimators.predict(model, along).reshape(20, 30), axis=1)
    assert changes[(sign, 0, 0)].min() >= -1e-12
    assert changes[()].min() < 0.0


def test_only_learners_that_can_are_constrained() -> None:
    """Another learner is refused and those that can are named; numbers of columns in the parameters are refused."""
    with pytest.raises(UsageError, match="hist_gradient_boosting, lightgbm"):
        estimators.make("random_forest", "failure", {}, 0, monotone=[1, 0])
    for kind, parameter in (("lightgbm", "monotone_constraints"), ("hist_gradient_boosting", "monotonic_cst")):
        with pytest.raises(UsageError, match=r"\[estimator.monotone\]"):
            estimators.make(kind, "failure", {parameter: [1]}, 0)


@pytest.mark.slow
def test_columns_chosen_later_keep_their_constraint(plant: History, describe: Callable[..., Experiment]) -> None:
    """A trained model of several horizons and few columns is monotone in what was declared; wrong names are refused."""
    overrides = ["features.keep=2", 'label.horizons=["24h", "48h"]', 'estimator.monotone={volt = "rising"}']
    trained = train(describe(*overrides, "features.always=maximum"), plant)
    columns = list(trained.artifact.columns)
    assert trained.golden is not None
    features = trained.golden.features.head(1)
    place = columns.index("volt__maximum")
    along = features.loc[features.index.repeat(50)].reset_index(drop=True)
    along[columns[place]] = np.linspace(140.0, 200.0, 50)
    assert (np.diff(trained.artifact.predict_horizons(along), axis=0) >= -1e-12).all()
    assert "volt" in describe(*overrides).to_json()
    assert "monotone" not in describe().to_json()
    with pytest.raises(UsageError, match="Did you mean"):
        train(describe('estimator.monotone={vibratio = "rising"}'), plant)
    with pytest.raises(UsageError, match=r"estimator\.monotone"):
        describe('estimator.monotone={volt = "up"}')
