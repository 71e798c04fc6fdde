"""What a column is worth on assets that the learner has not seen."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.artifact.artifact import feature_matrix
from models.estimators import estimators
from models.experiment.experiment import Experiment

Matrix = npt.NDArray[np.float64]

_DIVISIONS = 4
_FEWEST_ASSETS = 4
# Enough unseen samples to tell what helps from what does not; every column's worth takes a prediction of all of them.
_UNSEEN_SAMPLES = 1000


def permutation_importance(
    experiment: Experiment, features: pd.DataFrame, columns: tuple[str, ...], target: Matrix
) -> "pd.Series[float]":
    """Measure by how much predictions for unseen assets get worse when a column is shuffled among their samples.

    The learner is fitted to half of the assets and judged on a thousand samples of the other, several times; what
    counts is the division in which a column helped least. Among thousands of columns many tell one asset, or one
    failure, from another: a learner makes much of them where it has seen the outcome, and they are worth nothing where
    it has not.

    Parameters
    ----------
    experiment
        Its learner.
    features
        Training samples, indexed by asset first.
    columns
        Those to judge, beside each other.
    target
        What is to be learned, shape (n_train,).

    Returns
    -------
    Series of float
        For each column in order, the least increase of the mean squared error (the Brier score, for failures) in shares
        of the target's variance; zero or less for a column that does not always help.

    References
    ----------
    Breiman (2001), "Random forests", section 10, doi:10.1023/A:1010933404324, for the shuffling; Shah and Samworth
    (2013), "Variable selection with error control", doi:10.1111/j.1467-9868.2011.01034.x, for complementary halves.
    """
    plan = experiment.estimator
    x = feature_matrix(features, columns)
    rng = np.random.default_rng(experiment.seed)
    worth = np.full(len(columns), np.inf)
    for half in _halves(features, rng):
        for seen in (half, ~half):
            model = estimators.make(plan.kind, experiment.target, plan.params, experiment.seed)
            model = estimators.fit(estimators.single(model), x[seen], target[seen])
            unseen = rng.permutation(np.flatnonzero(~seen))[:_UNSEEN_SAMPLES]
            worth = np.minimum(worth, _loss_when_shuffled(model, columns, x[unseen], target[unseen], rng))
    return pd.Series(worth / (target.var() or 1.0), index=list(columns))


def _loss_when_shuffled(
    model: object, columns: tuple[str, ...], x: Matrix, target: Matrix, rng: np.random.Generator
) -> Matrix:
    told = estimators.importances(model, columns)
    used = set(told.index[told > 0]) if len(told) else set(columns)
    loss = np.mean((estimators.predict(model, x) - target) ** 2)
    increase = np.zeros(len(columns))
    for place, column in enumerate(columns):
        if column in used:
            kept = x[:, place].copy()
            x[:, place] = rng.permutation(kept)
            increase[place] = np.mean((estimators.predict(model, x) - target) ** 2) - loss
            x[:, place] = kept
    return increase


def _halves(features: pd.DataFrame, rng: np.random.Generator) -> list[npt.NDArray[np.bool_]]:
    """Divide the assets in two, at random; too few assets are divided by their samples."""
    assets = features.index.get_level_values(0).to_numpy(str)
    units, of_unit = np.unique(assets, return_inverse=True)
    if len(units) < _FEWEST_ASSETS:
        units, of_unit = np.arange(len(features)), np.arange(len(features))
    return [rng.permutation(np.arange(len(units)) % 2 == 0)[of_unit] for _ in range(_DIVISIONS)]
