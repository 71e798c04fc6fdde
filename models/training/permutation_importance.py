"""Permutation importance of feature columns, measured on held-out assets."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.artifact.artifact import feature_matrix
from models.estimators import estimators
from models.experiment.experiment import Experiment
from models.training.learners.fit_learner import column_signs

Matrix = npt.NDArray[np.float64]

_DIVISIONS = 4
_FEWEST_ASSETS = 4
# Enough to separate useful columns from the rest; each column costs a prediction of all of them.
_HELD_OUT_SAMPLES = 1000


def permutation_importance(
    experiment: Experiment, features: pd.DataFrame, columns: tuple[str, ...], target: Matrix
) -> "pd.Series[float]":
    """Measure how much predictions for held-out assets get worse when a column is shuffled among their samples.

    The learner is fitted to half of the assets and evaluated on a thousand samples of the other half, several times;
    the importance is that of the division in which a column helped least. Among thousands of columns many identify one
    asset, or one failure: a learner relies on them where it has seen the outcome, and they are useless elsewhere.

    Features of training samples are indexed by asset first; the target is (n_train,). The result is, for each column in
    order, the least increase of the mean squared error (the Brier score, for failures) as a share of the target's
    variance; zero or less for a column that does not always help.

    References
    ----------
    Breiman (2001), "Random forests", section 10, doi:10.1023/A:1010933404324, for the shuffling; Shah and Samworth
    (2013), "Variable selection with error control", doi:10.1111/j.1467-9868.2011.01034.x, for complementary halves.
    """
    plan, signs = experiment.estimator, column_signs(experiment, columns)
    x = feature_matrix(features, columns)
    rng = np.random.default_rng(experiment.seed)
    importance = np.full(len(columns), np.inf)
    for half in _halves(features, rng):
        for fold in (half, ~half):
            model = estimators.make_to_choose_columns(
                plan.kind, experiment.target, plan.params, experiment.seed, monotone=signs
            )
            model = estimators.fit(model, x[fold], target[fold])
            held_out = rng.permutation(np.flatnonzero(~fold))[:_HELD_OUT_SAMPLES]
            increase = _loss_when_shuffled(model, columns, x[held_out], target[held_out], rng)
            importance = np.minimum(importance, increase)
    return pd.Series(importance / (target.var() or 1.0), index=list(columns))


def _loss_when_shuffled(
    model: object, columns: tuple[str, ...], x: Matrix, target: Matrix, rng: np.random.Generator
) -> Matrix:
    gains = estimators.importances(model, columns)
    used = set(gains.index[gains > 0]) if len(gains) else set(columns)
    loss = np.mean((estimators.predict(model, x) - target) ** 2)
    increase = np.zeros(len(columns))
    for place, column in enumerate(columns):
        if column in used:
            original = x[:, place].copy()
            x[:, place] = rng.permutation(original)
            increase[place] = np.mean((estimators.predict(model, x) - target) ** 2) - loss
            x[:, place] = original
    return increase


def _halves(features: pd.DataFrame, rng: np.random.Generator) -> list[npt.NDArray[np.bool_]]:
    """Divide the assets in two at random, several times; with too few assets, the samples."""
    assets = features.index.get_level_values(0).to_numpy(str)
    units, of_unit = np.unique(assets, return_inverse=True)
    if len(units) < _FEWEST_ASSETS:
        units, of_unit = np.arange(len(features)), np.arange(len(features))
    return [rng.permutation(np.arange(len(units)) % 2 == 0)[of_unit] for _ in range(_DIVISIONS)]
