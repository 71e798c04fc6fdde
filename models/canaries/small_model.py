"""A small booster, fitted in milliseconds, and how it is scored: the instrument of the yardsticks."""

from collections.abc import Iterable

import lightgbm
import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Matrix = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]
_TREES = 20
_PARAMETERS = {
    "num_leaves": 6,
    "learning_rate": 0.2,
    "max_bin": 63,
    "feature_pre_filter": False,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def binned(x: Matrix) -> lightgbm.Dataset:
    """Sort features into bins, once for all targets that are learned from them."""
    return lightgbm.Dataset(x, label=np.zeros(len(x)), params=_PARAMETERS, free_raw_data=False).construct()


def fit_small(data: lightgbm.Dataset, y: Matrix, *, binary: bool, seed: int) -> lightgbm.Booster:
    """Fit a small booster to binned features and a target."""
    parameters = {**_PARAMETERS, "objective": "binary" if binary else "regression", "seed": seed}
    return lightgbm.train(parameters, data.set_label(y), num_boost_round=_TREES)


def predict_small(model: lightgbm.Booster, x: Matrix) -> Matrix:
    """Predict probabilities, or numbers."""
    return np.asarray(model.predict(x, num_threads=1), dtype=np.float64)


def score(y: Matrix, predicted: Matrix, *, binary: bool) -> float:
    """Return the ROC AUC of failures, or R² of numbers; NaN where there is nothing to tell apart."""
    if len(y) < 2 or np.ptp(y) == 0:
        return float("nan")
    if binary:
        return roc_auc(y, predicted)
    return 1.0 - float(np.mean((y - predicted) ** 2) / np.var(y))


def roc_auc(y: Matrix, predicted: Matrix) -> float:
    """Return how often a failure ranks above another sample, ties counting half (Mann-Whitney)."""
    fails = y > 0
    n, m = int(fails.sum()), int((~fails).sum())
    return float((rankdata(predicted)[fails].sum() - n * (n + 1) / 2) / (n * m))


def score_folds(x: Matrix, y: Matrix, folds: Iterable[tuple[Rows, Rows]], *, binary: bool, seed: int) -> float:
    """Score the pooled predictions of each fold's samples by a small model of its others."""
    predicted = np.full(len(y), np.nan)
    for learn, judge in folds:
        if judge.any() and learn.any() and np.ptp(y[learn]) > 0:
            model = fit_small(binned(x[learn]), y[learn], binary=binary, seed=seed)
            predicted[judge] = predict_small(model, x[judge])
    known = ~np.isnan(predicted)
    return score(y[known], predicted[known], binary=binary)
