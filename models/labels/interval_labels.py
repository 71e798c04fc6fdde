"""Labels of the intervals between several horizons, for discrete-time survival models.

The horizons divide the time after a cut-off and its lead into intervals. A cut-off is at risk in an interval as long as
its asset is known to have survived all intervals before. At the first interval whose outcome is not known the cut-off
is censored; the intervals before it still count.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.labels.labels import NO_TIME, LabelState, failure_labels


def interval_labels(
    cut_offs: pd.DataFrame,
    failures: pd.DataFrame,
    work_orders: pd.DataFrame,
    *,
    lead: pd.Timedelta,
    horizons: Sequence[pd.Timedelta],
    known_until: pd.Timestamp,
    delay: pd.Timedelta = NO_TIME,
    observation_gaps: pd.DataFrame | None = None,
    breakdown: pd.Timedelta = NO_TIME,
    replacements: pd.DataFrame | None = None,
) -> npt.NDArray[np.float64]:
    """Label intervals with 1.0 where the asset fails in them and 0.0 where it survives; shape (n_cut_offs, n_horizons).

    Interval k is (as_of + lead + horizon k-1, as_of + lead + horizon k], horizons ascending; the rules are those of
    `failure_labels`. NaN where the asset is no longer at risk or the outcome is not known, and after that. With or
    without a failure, an interval counts once it has closed and reports of it are in: a failure is known before
    survival is, and would look too common otherwise.

    References
    ----------
    Tutz & Schmid, *Modeling Discrete Time-to-Event Data* (2016), section 3.2 (censoring).

    Examples
    --------
    >>> start, day = pd.Timestamp("2026-01-01", tz="UTC"), pd.Timedelta("1D")
    >>> cut_offs = pd.DataFrame({"asset": "m1", "as_of": [start, start + 2 * day]})
    >>> failures = pd.DataFrame({"failure_id": ["f1"], "asset": ["m1"], "event_time": start + 4 * day})
    >>> failures = failures.assign(known_time=failures["event_time"])
    >>> orders = pd.DataFrame(columns=["work_order_id", "asset", "event_time", "known_time", "kind", "prompted_by"])
    >>> until = start + 5 * day
    >>> interval_labels(
    ...     cut_offs, failures, orders, lead=0 * day, horizons=[day, 3 * day, 7 * day], known_until=until
    ... )
    array([[ 0.,  0., nan],
           [ 0.,  1., nan]])
    """
    labels = np.full((len(cut_offs), len(horizons)), np.nan)
    at_risk = np.ones(len(cut_offs), dtype=np.bool_)
    for number, horizon in enumerate(horizons):
        state = failure_labels(
            cut_offs,
            failures,
            work_orders,
            lead=lead,
            horizon=horizon,
            known_until=known_until,
            delay=delay,
            observation_gaps=observation_gaps,
            breakdown=breakdown,
            replacements=replacements,
        )
        closed = at_risk & (cut_offs["as_of"] + (lead + horizon + delay) <= known_until).to_numpy()
        survived = closed & (state == LabelState.NEGATIVE).to_numpy()
        labels[closed & (state == LabelState.POSITIVE).to_numpy(), number] = 1.0
        labels[survived, number] = 0.0
        at_risk = survived
    return labels
