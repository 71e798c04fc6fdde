"""Several horizons from one model: a hazard for each interval between them, and what follows from the hazards.

The horizons 24 h, 72 h and 168 h part the time after a cut-off (and its lead) into three intervals. One model, told
the features and the interval, gives the hazard: the probability of a failure in the interval given none before it. The
probability of a failure by the end of an interval is 1 - (1 - h1)(1 - h2)..., which cannot fall from one horizon to
the next, whatever the model says.

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

Matrix = npt.NDArray[np.float64]

# Some learners compute in single precision and refuse more; no sensor reads so much.
_LARGEST = 1e30


def interval_columns(horizons: Sequence[pd.Timedelta]) -> tuple[str, ...]:
    """Name the columns that tell a learner which interval a row is about.

    Parameters
    ----------
    horizons
        Ascending.

    Returns
    -------
    tuple of str
        One for each interval but the first, 1.0 in this interval and all later ones: to trees it is the interval's
        number, to a linear learner a step at each edge.

    Examples
    --------
    >>> interval_columns([pd.Timedelta("24h"), pd.Timedelta("72h")])
    ('interval__beyond_"24h"',)
    """
    return tuple(f'interval__beyond_"{format_duration(edge)}"' for edge in horizons[:-1])


def in_interval(x: Matrix, interval: int, n_intervals: int) -> Matrix:
    """Put beside each row what interval it is about.

    Parameters
    ----------
    x
        Features, shape (n, n_features).
    interval
        Its number, from 0 on.
    n_intervals
        How many there are.

    Returns
    -------
    ndarray of float64, shape (n, n_features + n_intervals - 1)
        See `interval_columns`.
    """
    steps = np.broadcast_to(np.arange(n_intervals - 1) < interval, (len(x), n_intervals - 1))
    return np.hstack([np.clip(x, -_LARGEST, _LARGEST), steps.astype(np.float64)])


def person_periods(x: Matrix, labels: Matrix) -> tuple[Matrix, Matrix]:
    """Make a row of each interval of each sample whose outcome is known.

    Parameters
    ----------
    x
        Features, shape (n, n_features).
    labels
        As of `interval_labels`, shape (n, n_intervals).

    Returns
    -------
    x : ndarray of float64, shape (n_known, n_features + n_intervals - 1)
        Interval by interval.
    y : ndarray of float64, shape (n_known,)
        1.0 where the asset failed in the interval, 0.0 where it came through.
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
    """Predict the hazards of the intervals.

    Parameters
    ----------
    model
        A fitted estimator.
    x
        Features, shape (n, n_features).
    n_intervals
        How many intervals it was fitted to.
    calibrations
        Of each interval; none where they are taken as they are.
    first
        Predict only so many of the intervals; all if None.

    Returns
    -------
    ndarray of float64, shape (n, n_intervals) or (n, first)
        Each from 0 to 1.
    """
    found = np.empty((len(x), n_intervals if first is None else first))
    for interval in range(found.shape[1]):
        raw = np.clip(estimators.predict(model, in_interval(x, interval, n_intervals)), 0.0, 1.0)
        calibration = calibrations[interval] if calibrations else None
        found[:, interval] = raw if calibration is None else calibration.apply(raw)
    return found


def failed_by(hazards: Matrix) -> Matrix:
    """Compute the probability of a failure by the end of each interval.

    Parameters
    ----------
    hazards
        Shape (n, n_intervals), each from 0 to 1.

    Returns
    -------
    ndarray of float64, shape (n, n_intervals)
        Never falling along a row.

    Examples
    --------
    >>> failed_by(np.array([[0.5, 0.0, 0.5]]))
    array([[0.5 , 0.5 , 0.75]])
    """
    # A product with a number of at most one cannot round upwards, so that it never falls to the last bit.
    return np.asarray(1.0 - np.cumprod(1.0 - hazards, axis=1), dtype=np.float64)
