"""Fitting a weighted average: its weights come from predictions of samples that its members have not learned from."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.estimators import estimators
from models.estimators.weighted_average import UnfittedAverage, WeightedAverage, best_weights
from models.experiment.experiment import Experiment
from models.training.learners.validation_folds import folds

Matrix = npt.NDArray[np.float64]


def fit_average(
    experiment: Experiment, average: UnfittedAverage, x: Matrix, y: Matrix, cut_offs: pd.DataFrame
) -> WeightedAverage:
    """Fit the members to all samples, weighted by how well they predict some of these by fits to others.

    The folds are those of the experiment's validation: a split by time learns from what came before, less the purge,
    and others from other assets. Samples are cut-offs (n rows); where no fold can be predicted, all count alike.
    """
    held_out = np.full((len(y), len(average.kinds)), np.nan)
    for learn, predict in folds(experiment, cut_offs, _purge(experiment)):
        if not predict.any() or np.unique(y[learn]).size < 2:
            continue
        for number, make in enumerate(average.makers):
            model = estimators.fit(make(), x[learn], y[learn])
            held_out[predict, number] = estimators.predict(model, x[predict])
    known = ~np.isnan(held_out).any(axis=1)
    weights = tuple(best_weights(held_out[known], y[known]).tolist()) if known.any() else ()
    fitted: WeightedAverage = estimators.fit(replace(average, weights=weights), x, y)
    return fitted


def _purge(experiment: Experiment) -> pd.Timedelta:
    """Return how far the labels look ahead, those of the longest interval too."""
    label = experiment.label
    return label.lead + label.several[-1] if label.several else experiment.purge
