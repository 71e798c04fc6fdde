"""Training on several horizons: fitting hazards, and predicting them out of fold."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.estimators.calibration import Calibration
from models.estimators.hazards import failed_by, interval_columns, person_periods, predict_hazards
from models.experiment.experiment import Experiment
from models.training.learners.fit_learner import fit_learner
from models.training.learners.validation_folds import Rows, folds
from models.training.out_of_fold import cross_calibrate, fit_calibration

Matrix = npt.NDArray[np.float64]


def fit_hazards(
    experiment: Experiment, x: Matrix, labels: Matrix, columns: Sequence[str], cut_offs: pd.DataFrame
) -> Any:
    """Fit one learner to the known intervals of all samples: features (n, n_features), labels (n, n_intervals)."""
    known = ~np.isnan(labels)
    rows = pd.concat([cut_offs[known[:, interval]] for interval in range(labels.shape[1])])
    named = (*columns, *interval_columns(experiment.label.several)) if columns else ()
    return fit_learner(experiment, *person_periods(x, labels), named, rows)


def out_of_fold_probabilities(
    experiment: Experiment,
    cut_offs: pd.DataFrame,
    x_of_fold: Iterable[Matrix],
    labels: Matrix,
    columns_of_fold: Iterable[Sequence[str]],
) -> tuple[Matrix, tuple[Calibration | None, ...]]:
    """Predict all horizons of the samples set apart for validation, and calibrate the hazard of each interval.

    Takes n samples (asset, as_of) with labels (n, n_intervals) and, for each fold, features (n, n_features of the
    fold) and their names, none where it cannot learn. Returns probabilities (n, n_intervals), NaN for samples that were
    not predicted, and one calibration for each interval, None where `fit_calibration` gives none; no calibrations when
    the experiment does without.
    """
    hazards = np.full(labels.shape, np.nan)
    for (learn, predict), x, columns in zip(_folds(experiment, cut_offs), x_of_fold, columns_of_fold, strict=False):
        known = np.where(learn, labels, np.nan)
        if x.shape[1] and predict.any() and np.unique(known[~np.isnan(known)]).size == 2:
            model = fit_hazards(experiment, x, known, columns, cut_offs)
            hazards[predict] = predict_hazards(model, x[predict], labels.shape[1])
    if experiment.estimator.calibration == "none":
        return failed_by(hazards), ()
    calibrations = tuple(fit_calibration(hazards[:, k], labels[:, k]) for k in range(labels.shape[1]))
    for number in range(labels.shape[1]):
        hazards[:, number] = cross_calibrate(hazards[:, number], labels[:, number], cut_offs["asset"], experiment.seed)
    return failed_by(hazards), calibrations


def _folds(experiment: Experiment, cut_offs: pd.DataFrame) -> Iterator[tuple[Rows, Rows]]:
    """Yield masks of the intervals to learn from, (n, n_intervals), and of the samples to predict, (n,)."""
    lead, horizons = experiment.label.lead, experiment.label.several
    # An interval is learned from once it has closed, even if later ones of its sample have not.
    for steps in zip(*(folds(experiment, cut_offs, lead + horizon) for horizon in horizons), strict=True):
        yield np.column_stack([learn for learn, _ in steps]), steps[0][1]
