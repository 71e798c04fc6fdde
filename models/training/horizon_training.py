"""Learning the hazards between several horizons: fitting, and predicting what was not learned from."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.estimators import estimators
from models.estimators.calibration import Calibration
from models.estimators.hazards import failed_by, person_periods, predict_hazards
from models.experiment.experiment import Experiment
from models.training.out_of_fold import Rows, fit_calibration, folds

Matrix = npt.NDArray[np.float64]


def fit_hazards(experiment: Experiment, x: Matrix, labels: Matrix) -> Any:
    """Fit one estimator to the intervals of all samples.

    Parameters
    ----------
    experiment
        What learns.
    x
        Features, shape (n, n_features).
    labels
        As of `interval_labels`, shape (n, n_intervals); a sample counts in the intervals that are known of it.

    Returns
    -------
    object
        The fitted estimator, of hazards.
    """
    plan = experiment.estimator
    model = estimators.make(plan.kind, experiment.target, plan.params, experiment.seed)
    return estimators.fit(model, *person_periods(x, labels))


def out_of_fold_probabilities(
    experiment: Experiment, cut_offs: pd.DataFrame, x: Matrix, labels: Matrix
) -> tuple[Matrix, tuple[Calibration | None, ...]]:
    """Predict all horizons of the samples set apart for validation, and calibrate the hazard of each interval.

    Parameters
    ----------
    experiment
        Its split, its estimator and whether it is to be calibrated.
    cut_offs
        Columns ``asset``, ``as_of``, shape (n, ...).
    x, labels
        Features and labels of the same samples, shapes (n, n_features) and (n, n_intervals).

    Returns
    -------
    probabilities : ndarray of float64, shape (n, n_intervals)
        Calibrated if so asked; NaN for samples that were not predicted.
    calibrations : tuple
        One for each interval; None where it is taken as it is: there was only one class, or the sigmoid would have
        turned the learner's order round. Empty when none was asked for.
    """
    hazards = np.full(labels.shape, np.nan)
    for learn, judge in _folds(experiment, cut_offs):
        told = np.where(learn, labels, np.nan)
        if judge.any() and np.unique(told[~np.isnan(told)]).size == 2:
            hazards[judge] = predict_hazards(fit_hazards(experiment, x, told), x[judge], labels.shape[1])
    if experiment.estimator.calibration == "none":
        return failed_by(hazards), ()
    calibrations = tuple(_calibration(hazards[:, k], labels[:, k]) for k in range(labels.shape[1]))
    for number, calibration in enumerate(calibrations):
        if calibration is not None:
            hazards[:, number] = calibration.apply(hazards[:, number])
    return failed_by(hazards), calibrations


def _folds(experiment: Experiment, cut_offs: pd.DataFrame) -> Iterator[tuple[Rows, Rows]]:
    """Give which intervals to learn from, shape (n, n_intervals), and which samples to predict, shape (n,)."""
    lead, horizons = experiment.label.lead, experiment.label.several
    # An interval is learned from once it has closed, though later ones of its sample have not.
    for steps in zip(*(folds(experiment, cut_offs, lead + horizon) for horizon in horizons), strict=True):
        yield np.column_stack([learn for learn, _ in steps]), steps[0][1]


def _calibration(hazard: Matrix, label: Matrix) -> Calibration | None:
    known = ~np.isnan(hazard) & ~np.isnan(label)
    return fit_calibration(hazard[known], label[known])
