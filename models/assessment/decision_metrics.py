"""Metrics of decisions and of the probabilities behind them, with their intervals by asset and what chance gives."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import average_precision_score, brier_score_loss, precision_recall_fscore_support, roc_auc_score

from data_contracts.tables.history import History
from features.names import format_duration
from features.telemetry.machines import replacements
from models.assessment.asset_intervals import auc_interval
from models.assessment.bootstrap_intervals import f1_interval, pr_auc_interval
from models.assessment.reliability import calibration_slope
from models.labels.labels import LabelState, failure_labels
from models.labels.observation_gaps import unobserved_spans
from models.outcomes.outcomes import Terms

Vector = npt.NDArray[np.float64]

_OF_EACH_HORIZON = ("roc_auc", "brier", "calibration_error")


def decision_metrics(
    truth: npt.NDArray[np.bool_], probability: Vector, alert: npt.NDArray[np.bool_]
) -> dict[str, float]:
    """Compute precision, recall, f1, roc_auc, pr_auc, brier and calibration_error of n decisions, from arrays (n,).

    NaN where one class, or both, did not occur.

    References
    ----------
    Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2. Areas: Davis & Goadrich, ICML 2006.
    """
    if not len(truth):
        return dict.fromkeys(("precision", "recall", "f1", "roc_auc", "pr_auc", "brier", "calibration_error"), np.nan)
    precision, recall, f1, _ = precision_recall_fscore_support(truth, alert, average="binary", zero_division=np.nan)
    both = truth.any() and not truth.all()
    return {
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "roc_auc": float(roc_auc_score(truth, probability)) if both else np.nan,
        "pr_auc": float(average_precision_score(truth, probability)) if truth.any() else np.nan,
        "brier": float(brier_score_loss(truth, probability)),
        "calibration_error": calibration_error(truth, probability),
    }


def interval_metrics(
    asset: npt.ArrayLike, truth: npt.NDArray[np.bool_], probability: Vector, alert: npt.NDArray[np.bool_]
) -> dict[str, float]:
    """Compute the 95 % intervals by asset of `decision_metrics`, what chance gives, and the slope of calibration.

    The PR AUC of chance is ``base_rate``, the share of samples that fail; ``f1_always`` is the F1 of always alerting.
    """
    base_rate = float(truth.mean()) if len(truth) else np.nan
    calibration = calibration_slope(asset, truth, probability)
    figures = {"base_rate": base_rate, "f1_always": 2 * base_rate / (1 + base_rate)}
    figures |= {"calibration_slope": calibration.slope, "calibration_intercept": calibration.intercept}
    intervals = {
        "roc_auc": auc_interval(asset, truth, probability),
        "pr_auc": pr_auc_interval(asset, truth, probability),
        "f1": f1_interval(asset, truth, alert),
        "calibration_slope": (calibration.slope_low, calibration.slope_high),
    }
    return figures | {
        f"{name}_{end}": value
        for name, interval in intervals.items()
        for end, value in zip(("low", "high"), interval, strict=True)
    }


def calibration_error(truth: npt.NDArray[np.bool_], probability: Vector, bins: int = 10) -> float:
    """Compute the expected calibration error over bins of equal width, weighted by their samples; 0 is best.

    References
    ----------
    Naeini, Cooper & Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015.
    """
    which = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = np.bincount(which, weights=probability - truth, minlength=bins)
    return float(np.abs(gaps).sum() / len(truth))


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
        figures |= {f"{name}_{format_duration(horizon)}": metrics[name] for name in _OF_EACH_HORIZON}
    return figures
