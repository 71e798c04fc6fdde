"""Out-of-fold predictions of training samples, from which threshold, calibration and intervals are chosen."""

from collections.abc import Iterable, Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from models.estimators import estimators
from models.estimators.calibration import Calibration
from models.experiment.experiment import Experiment
from models.training.curves.learning_curves import CurveOfLastFold
from models.training.learners.fit_learner import fit_learner
from models.training.learners.validation_folds import folds
from models.training.splits import asset_folds

Vector = npt.NDArray[np.float64]
_CALIBRATION_FOLDS = 5
_FEWEST_ASSETS = 2


def predict_out_of_fold(
    experiment: Experiment,
    train: pd.DataFrame,
    x_of_fold: Iterable[Vector],
    y: Vector,
    columns_of_fold: Iterable[Sequence[str]] = repeat(()),
    curves: CurveOfLastFold | None = None,
) -> pd.DataFrame:
    """Predict the share of the training samples that is set apart for validation.

    Split by time, each fold learns from everything before it, less the purge; split by asset, from all other assets.
    Takes the samples (asset, as_of, state), targets (n_train,), and for each fold the features that it learns from and
    predicts by (n_train, n_features of the fold), none where it cannot, with their names. The result has asset, as_of,
    state and probability, and is empty when no fold had failures to learn from; `curves` takes the learning
    curves.
    """
    predicted = np.full(len(train), np.nan)
    # The features come second, as they may be the same for ever.
    folds_of = folds(experiment, train, experiment.purge)
    for (learn, predict), x, columns in zip(folds_of, x_of_fold, columns_of_fold, strict=False):
        if x.shape[1] and predict.any() and np.unique(y[learn]).size == 2:
            model = fit_learner(experiment, x[learn], y[learn], columns, train[learn])
            predicted[predict] = estimators.predict(model, x[predict])
            if curves is not None:
                curves.record(model, (x[learn], y[learn]), (x[predict], y[predict]))
    samples = train[["asset", "as_of", "state"]].assign(probability=predicted)
    return samples[samples["probability"].notna()].reset_index(drop=True)


def fit_calibration(probability: Vector, y: Vector) -> Calibration | None:
    """Fit Platt's sigmoid to out-of-fold scores and labels (1.0 and 0.0), both (n,); rows with NaN do not count.

    It must increase: it changes how likely failures are, not their ranking. So None when there is only one class, or
    the sigmoid would reverse the learner's ranking.
    """
    known = ~np.isnan(probability) & ~np.isnan(y)
    if np.unique(y[known]).size < 2:
        return None
    scores = logit(np.clip(probability[known], 1e-9, 1 - 1e-9))[:, None]
    # C is so large that nothing is regularised: two parameters from thousands of samples need no prior.
    fitted = LogisticRegression(C=1e9).fit(scores, y[known])
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return Calibration(slope, intercept) if slope > 0 else None


def cross_calibrate(probability: Vector, y: Vector, asset: npt.ArrayLike, seed: int) -> Vector:
    """Calibrate the scores of each asset by the labels of others; all (n,), rows with NaN do not count.

    A threshold is chosen on the result: on scores that their own labels have calibrated it would fit these twice. Where
    all scores give no calibration they stay; where those of the other assets give none, that of all is used.
    """
    overall = fit_calibration(probability, y)
    if overall is None:
        return probability
    calibrated = overall.apply(probability)
    names = np.asarray(asset, dtype=object).astype(str)
    if np.unique(names).size < _FEWEST_ASSETS:
        return calibrated
    for group in asset_folds(names, names[y > 0], _CALIBRATION_FOLDS, seed):
        own = np.isin(names, group)
        if (without := fit_calibration(probability[~own], y[~own])) is not None:
            calibrated[own] = without.apply(probability[own])
    return calibrated
