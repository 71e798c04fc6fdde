"""Several horizons from one model: discrete-time hazards, and the failure probabilities that follow from them.

The horizons 24 h, 72 h and 168 h divide the time after a cut-off (and its lead) into three intervals. One model takes
the features and the interval and predicts the hazard: the probability of a failure in the interval given none before
it. The probability of a failure by the end of an interval is 1 - (1 - h1)(1 - h2)..., which never decreases from one
horizon to the next, whatever the model predicts.

References
----------
Singer & Willett, "It's about time: using discrete-time survival analysis to study duration and the timing of events",
Journal of Educational Statistics 18 (1993), doi:10.3102/10769986018002155. Tutz & Schmid, *Modeling Discrete
Time-to-Event Data* (2016), chapter 3.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.names import format_duration
from models.estimators import estimators
from models.estimators.calibration import Calibration
from models.estimators.survival.survival_forest import FittedSurvivalForest

Matrix = npt.NDArray[np.float64]

# Some learners compute in single precision and refuse larger values; no sensor measures them.
_LARGEST = 1e30


def interval_columns(horizons: Sequence[pd.Timedelta]) -> tuple[str, ...]:
    """Name the columns that encode the interval of a row: one for each interval but the first, horizons ascending.

    A column is 1.0 in its interval and all later ones: to trees that is the interval's number, to a linear learner a
    step at each edge.

    Examples
    --------
    >>> interval_columns([pd.Timedelta("24h"), pd.Timedelta("72h")])
    ('interval__beyond_"24h"',)
    """
    return tuple(f'interval__beyond_"{format_duration(edge)}"' for edge in horizons[:-1])


def in_interval(x: Matrix, interval: int, n_intervals: int) -> Matrix:
    """Append the `interval_columns` of an interval (from 0) to features; shape (n, n_features + n_intervals - 1)."""
    steps = np.broadcast_to(np.arange(n_intervals - 1) < interval, (len(x), n_intervals - 1))
    return np.hstack([np.clip(x, -_LARGEST, _LARGEST), steps.astype(np.float64)])


def person_periods(x: Matrix, labels: Matrix) -> tuple[Matrix, Matrix]:
    """Make one row of features and label for each interval of each sample with a known outcome, interval by interval.

    Takes features (n, n_features) and `interval_labels` (n, n_intervals).
    """
    known = ~np.isnan(labels)
    n_intervals = labels.shape[1]
    rows = [in_interval(x[known[:, interval]], interval, n_intervals) for interval in range(n_intervals)]
    return np.vstack(rows), labels.T[known.T]


def predict_hazards(
    model: Any,
    x: Matrix,
    n_intervals: int,
    calibrations: Sequence[Calibration | None] = (),
    *,
    first: int | None = None,
) -> Matrix:
    """Predict the hazards, from 0 to 1, of all intervals or only the first `first`; shape (n, n_intervals or first).

    Without calibrations, one for each interval, raw predictions are returned.
    """
    hazards = np.empty((len(x), n_intervals if first is None else first))
    if isinstance(model, FittedSurvivalForest):
        # It has one survival function for all intervals, of which the hazards follow; they are taken as they are.
        return model.hazards(x)[:, : hazards.shape[1]]
    for interval in range(hazards.shape[1]):
        raw = np.clip(estimators.predict(model, in_interval(x, interval, n_intervals)), 0.0, 1.0)
        calibration = calibrations[interval] if calibrations else None
        hazards[:, interval] = raw if calibration is None else calibration.apply(raw)
    return hazards


def failed_by(hazards: Matrix) -> Matrix:
    """Compute the probability of a failure by the end of each interval, never decreasing along a row; shape as hazards.

    Examples
    --------
    >>> failed_by(np.array([[0.5, 0.0, 0.5]]))
    array([[0.5 , 0.5 , 0.75]])
    """
    # A product with a number of at most one cannot round upwards, so the result never decreases by even one bit.
    return np.asarray(1.0 - np.cumprod(1.0 - hazards, axis=1), dtype=np.float64)
