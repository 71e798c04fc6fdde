"""Training on lives that may be cut off: predictions out of fold."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.estimators.hazards import failed_by, predict_hazards
from models.experiment.experiment import Experiment
from models.labels.lives import lives_known_by
from models.training.learners.fit_learner import fit_learner
from models.training.learners.validation_folds import folds

Matrix = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]


def survival_out_of_fold(
    experiment: Experiment,
    cut_offs: pd.DataFrame,
    x_of_fold: Iterable[Matrix],
    columns_of_fold: Iterable[Sequence[str]],
    lives: Matrix,
    delay: pd.Timedelta,
) -> Matrix:
    """Predict all horizons of the samples set apart for validation; (n, n_horizons), NaN where none was predicted.

    Each fold of a split by time learns from every life before it, cut off at the first cut-off that it predicts.
    """
    n_horizons = len(experiment.label.several) or 1
    probabilities = np.full((len(cut_offs), n_horizons), np.nan)
    folds_of = folds(experiment, cut_offs, experiment.label.lead)
    for (learn, predict), x, columns in zip(folds_of, x_of_fold, columns_of_fold, strict=False):
        if not x.shape[1] or not predict.any():
            continue
        known = lives
        if experiment.split.kind == "time":
            now = pd.Timestamp(cut_offs["as_of"][predict].min())
            known = lives_known_by(lives, cut_offs["as_of"], now - experiment.label.lead - delay)
        rows = learn & ~np.isnan(known[:, 0])
        if (known[rows, 1] > 0.0).any():
            model = fit_learner(experiment, x[rows], known[rows], columns, cut_offs[rows])
            probabilities[predict] = failed_by(predict_hazards(model, x[predict], n_horizons))
    return probabilities
