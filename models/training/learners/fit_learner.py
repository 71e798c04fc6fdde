"""Fitting the learner that an experiment names to some samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError
from models.estimators import estimators
from models.estimators.monotone import check_patterns, monotone_signs
from models.experiment.experiment import Experiment

Matrix = npt.NDArray[np.float64]


def fit_learner(
    experiment: Experiment,
    x: Matrix,
    y: Matrix,
    columns: Sequence[str],
    cut_offs: pd.DataFrame,
    *,
    single: bool = False,
) -> Any:
    """Fit the experiment's learner to features (n, n_columns) and labels (n,), or lives (n, 2), of cut-offs (n rows).

    Of averaged boosters `single` fits one.
    """
    model = make_learner(experiment, columns)
    return estimators.fit(estimators.single_booster(model) if single else model, x, y)


def check_learner(experiment: Experiment, columns: Sequence[str]) -> None:
    """Refuse what the learner cannot do, before features are computed; `columns` are all that may be chosen."""
    plan = experiment.estimator
    if experiment.target == "anomaly":
        return
    check_patterns(plan.monotone, columns)
    make_learner(experiment, columns)
    if estimators.learns_lives(plan.kind) and plan.calibration != "none":
        raise UsageError(
            f"estimator.calibration with the estimator {plan.kind!r}",
            '"none": its probabilities are shares of lives',
            "Remove estimator.calibration",
        )


def make_learner(experiment: Experiment, columns: Sequence[str]) -> Any:
    """Make the unfitted learner, with the constraints of its columns; those of intervals have none."""
    plan = experiment.estimator
    signs = column_signs(experiment, columns)
    model = estimators.make(plan.kind, experiment.target, plan.params, experiment.seed, monotone=signs)
    return model.ending(_ends(experiment)) if estimators.learns_lives(plan.kind) else model


def column_signs(experiment: Experiment, columns: Sequence[str]) -> tuple[int, ...]:
    """Return the monotone constraint of each column, see `monotone_signs`; nothing for an experiment without any."""
    directions = experiment.estimator.monotone
    return monotone_signs(directions, columns, experiment.target) if directions else ()


def _ends(experiment: Experiment) -> list[float]:
    """Return the hours that a survival function is needed at: the horizons, or the cap of a remaining life."""
    label = experiment.label
    ends = (label.cap,) if experiment.target == "remaining_life" else label.several or (label.horizon,)
    return [end / pd.Timedelta(hours=1) for end in ends if end is not None]
