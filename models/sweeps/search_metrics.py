"""The metrics that trials are compared by, of samples with weights."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from data_contracts.errors import UsageError
from models.experiment.experiment import Experiment
from models.experiment.sweep_plan import OF_FAILURES, SearchMetric

Vector = npt.NDArray[np.float64]
HIGHER_IS_BETTER: Final = ("pr_auc", "roc_auc")
_NOT_RANKING: Final = ("brier", "log_loss")


def metric_of(experiment: Experiment) -> SearchMetric:
    """Return the metric that an experiment declares, or that of its target; `UsageError` if it does not fit."""
    declared = None if experiment.sweep is None else experiment.sweep.metric
    failure, calibrated = experiment.target == "failure", experiment.estimator.calibration != "none"
    if declared is None:
        return ("pr_auc" if calibrated else "brier") if failure else "rmse"
    if (declared in OF_FAILURES) != failure:
        fitting = OF_FAILURES if failure else ("rmse", "mae")
        raise UsageError(
            f"sweep.metric is {declared!r} with target {experiment.target}", f"one of {', '.join(fitting)}", "Change it"
        )
    if calibrated and declared in _NOT_RANKING:
        raise UsageError(
            f"sweep.metric is {declared!r} with calibration",
            "pr_auc or roc_auc, as trials are judged before they are calibrated",
            'Change sweep.metric, or search with estimator.calibration = "none"',
        )
    return declared


def measure(metric: SearchMetric, truth: Vector, predicted: Vector, weight: Vector | None = None) -> float:
    """Return a metric of n predictions; NaN without any, or for a ranking of one class.

    Truth is 1.0 and 0.0, or a number.

    >>> measure("brier", np.array([1.0, 0.0]), np.array([0.5, 0.5]))
    0.25
    """
    weight = np.ones(len(truth)) if weight is None else weight
    used = weight > 0
    truth, predicted, weight = truth[used], predicted[used], weight[used]
    if not len(truth) or (metric in HIGHER_IS_BETTER and np.unique(truth).size < 2):
        return float("nan")
    return float(_METRICS[metric](truth, predicted, weight))


def _log_loss(truth: Vector, predicted: Vector, weight: Vector) -> float:
    return float(log_loss(truth, np.clip(predicted, 1e-9, 1 - 1e-9), sample_weight=weight, labels=[0.0, 1.0]))


_METRICS: Final[Mapping[str, Callable[[Vector, Vector, Vector], float]]] = {
    "brier": lambda truth, predicted, weight: np.average((truth - predicted) ** 2, weights=weight),
    "log_loss": _log_loss,
    "pr_auc": lambda truth, predicted, weight: average_precision_score(truth, predicted, sample_weight=weight),
    "roc_auc": lambda truth, predicted, weight: roc_auc_score(truth, predicted, sample_weight=weight),
    "rmse": lambda truth, predicted, weight: np.sqrt(np.average((truth - predicted) ** 2, weights=weight)),
    "mae": lambda truth, predicted, weight: np.average(np.abs(truth - predicted), weights=weight),
}
