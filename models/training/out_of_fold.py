"""Predictions of training samples by models that had not learned from them, to choose threshold and calibration by."""

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from models.artifact.artifact import Calibration
from models.estimators import estimators
from models.experiment.experiment import Experiment

Rows = npt.NDArray[np.bool_]
Vector = npt.NDArray[np.float64]


def predict_out_of_fold(experiment: Experiment, train: pd.DataFrame, x: Vector, y: Vector) -> pd.DataFrame:
    """Predict the share of the training samples that is set apart for validation.

    Split by time, each fold learns from everything before it, less the purge; split by asset, from all other assets.

    Parameters
    ----------
    experiment
        Says how much, in how many folds, and what learns.
    train
        The training samples: ``asset``, ``as_of``, ``state``.
    x, y
        Their features, shape (n_train, n_features), and targets, shape (n_train,).

    Returns
    -------
    DataFrame
        ``asset``, ``as_of``, ``state`` and ``probability`` of the samples predicted. Empty when no fold had failures
        to learn from.
    """
    plan = experiment.estimator
    predicted = np.full(len(train), np.nan)
    for learn, judge in folds(experiment, train, experiment.purge):
        if judge.any() and np.unique(y[learn]).size == 2:
            model = estimators.make(plan.kind, experiment.target, plan.params, experiment.seed)
            predicted[judge] = estimators.predict(estimators.fit(model, x[learn], y[learn]), x[judge])
    seen = train[["asset", "as_of", "state"]].assign(probability=predicted)
    return seen[seen["probability"].notna()].reset_index(drop=True)


def fit_calibration(probability: Vector, y: Vector) -> Calibration | None:
    """Fit Platt's sigmoid, which may only rise: it changes how likely failures are, not which is the likeliest.

    Parameters
    ----------
    probability
        Scores of samples the model had not learned from, shape (n,).
    y
        1.0 and 0.0, shape (n,).

    Returns
    -------
    Calibration or None
        None when there is only one class, or the sigmoid would turn the learner's order round.
    """
    if np.unique(y).size < 2:
        return None
    scores = logit(np.clip(probability, 1e-9, 1 - 1e-9))[:, None]
    # C is so large that nothing is regularised: two numbers from thousands of samples need no prior.
    fitted = LogisticRegression(C=1e9).fit(scores, y)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return Calibration(slope, intercept) if slope > 0 else None


def folds(experiment: Experiment, train: pd.DataFrame, purge: pd.Timedelta) -> Iterator[tuple[Rows, Rows]]:
    """Part training samples, step by step, into those to learn from and those to predict.

    Parameters
    ----------
    experiment
        Its split: how large a share is predicted, in how many steps.
    train
        Columns ``asset``, ``as_of``.
    purge
        How far the labels learned from look ahead.

    Yields
    ------
    tuple of ndarray of bool, shape (n_train,)
        Which to learn from, and which to predict.
    """
    plan = experiment.split
    if plan.kind == "asset":
        yield from _asset_folds(
            train["asset"].to_numpy(dtype=object).astype(str), plan.validation, plan.folds, experiment.seed
        )
        return
    as_of = train["as_of"]
    first, last = as_of.min(), as_of.max()
    shares = np.linspace(1.0 - plan.validation, 1.0, plan.folds + 1)
    edges = [first + (last - first) * float(share) for share in shares]
    edges[-1] = last + pd.Timedelta(1, "us")
    for begin, end in itertools.pairwise(edges):
        yield (as_of + purge < begin).to_numpy(), ((as_of >= begin) & (as_of < end)).to_numpy()


def _asset_folds(asset: npt.NDArray[np.str_], share: float, folds: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    assets = np.random.default_rng(seed).permutation(np.unique(asset))
    chosen = assets[: max(folds, round(share * len(assets)))]
    for part in np.array_split(chosen, folds):
        judge = np.isin(asset, part)
        yield ~judge, judge
