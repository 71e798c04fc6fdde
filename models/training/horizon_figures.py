"""Metrics of a model at each of its horizons."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.history import History
from features.names import format_duration
from features.telemetry.machines import replacements
from models.assessment.decision_metrics import decision_metrics
from models.labels.labels import LabelState, failure_labels
from models.labels.observation_gaps import unobserved_spans
from models.outcomes.outcomes import Terms

_METRICS = ("roc_auc", "brier", "calibration_error")


def horizon_metrics(
    cut_offs: pd.DataFrame,
    probabilities: npt.NDArray[np.float64],
    history: History,
    *,
    horizons: Sequence[pd.Timedelta],
    terms: Terms,
    known_until: pd.Timestamp,
) -> dict[str, float]:
    """Compute ``roc_auc_24h``, ``brier_24h``, ``calibration_error_24h`` ... of probabilities (n_samples, n_horizons).

    Only test samples whose horizon has closed and been reported on by `known_until` count, whatever their outcome; NaN
    where there are none.
    """
    observation_gaps = unobserved_spans(history, now=known_until)
    replaced = replacements(history.assets, now=known_until)
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
            breakdown=terms.breakdown,
            replacements=replaced,
        )
        closed = cut_offs["as_of"] + (terms.lead + horizon + terms.reporting_delay) <= known_until
        decided = (closed & state.isin([LabelState.POSITIVE, LabelState.NEGATIVE])).to_numpy()
        truth, probability = (state == LabelState.POSITIVE).to_numpy()[decided], probabilities[decided, number]
        metrics = decision_metrics(truth, probability, np.zeros(len(truth), dtype=np.bool_))
        figures |= {f"{name}_{format_duration(horizon)}": metrics[name] for name in _METRICS}
    return figures
