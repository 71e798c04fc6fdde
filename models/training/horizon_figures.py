"""How good a model is at each of its horizons."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.history import History
from features.names import format_duration
from models.labels.labels import LabelState, failure_labels
from models.labels.observation_gaps import retired_spans
from models.outcomes.outcomes import Terms
from models.training.evaluation import decision_metrics

_TOLD = ("roc_auc", "brier", "calibration_error")


def horizon_metrics(
    cut_offs: pd.DataFrame,
    probabilities: npt.NDArray[np.float64],
    history: History,
    *,
    horizons: Sequence[pd.Timedelta],
    terms: Terms,
    known_until: pd.Timestamp,
) -> dict[str, float]:
    """Judge the probabilities of each horizon on the samples whose outcome is known by then.

    Parameters
    ----------
    cut_offs
        Columns ``asset``, ``as_of``: the test samples.
    probabilities
        Of a failure within each horizon, shape (n_samples, n_horizons).
    history
        Failures, work orders and asset records.
    horizons
        Ascending.
    terms
        Lead and reporting delay.
    known_until
        Nothing known later is used.

    Returns
    -------
    dict
        ``roc_auc_24h``, ``brier_24h``, ``calibration_error_24h`` and so on; NaN where there was nothing to count. Only
        samples count whose horizon has closed and been reported on, whatever became of them.
    """
    observation_gaps = retired_spans(history.assets, now=known_until)
    figures: dict[str, float] = {}
    for number, horizon in enumerate(horizons):
        state = failure_labels(
            cut_offs,
            history.failures,
            history.work_orders,
            lead=terms.lead,
            horizon=horizon,
            known_until=known_until,
            delay=terms.reporting_delay,
            observation_gaps=observation_gaps,
        )
        closed = cut_offs["as_of"] + (terms.lead + horizon + terms.reporting_delay) <= known_until
        judged = (closed & state.isin([LabelState.POSITIVE, LabelState.NEGATIVE])).to_numpy()
        truth, probability = (state == LabelState.POSITIVE).to_numpy()[judged], probabilities[judged, number]
        found = decision_metrics(truth, probability, np.zeros(len(truth), dtype=np.bool_))
        figures |= {f"{name}_{format_duration(horizon)}": found[name] for name in _TOLD}
    return figures
