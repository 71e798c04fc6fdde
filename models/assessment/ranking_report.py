"""The ranking figures of a test: of the model, and of the simple rule that the experiment names."""

import math
from functools import partial

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from data_contracts.tables.history import History
from models.assessment.ranking import inspection_metrics
from models.assessment.simple_rule import rule_scores
from models.experiment.experiment import Experiment
from models.labels.labels import LabelState

# Without a budget: one asset in twenty is inspected.
_INSPECTED_SHARE = 0.05


def ranking_report(experiment: Experiment, history: History, predicted: pd.DataFrame) -> dict[str, float]:
    """Compute how the test samples rank by prediction, and under the same names with ``_rule`` by the simple rule.

    Takes samples with asset, as_of, state and prediction. ``top`` and ``false_positive_rate`` say what the figures are
    at.
    """
    decided = predicted[predicted["state"].isin([LabelState.POSITIVE, LabelState.NEGATIVE])]
    samples = decided[["asset", "as_of"]].assign(truth=decided["state"] == LabelState.POSITIVE)
    plan, every = experiment.evaluation, experiment.label.horizon
    if every is None or samples.empty:
        return {}
    k = inspected_assets(experiment, predicted["asset"].nunique())
    figures_of = partial(inspection_metrics, samples, false_positive_rate=plan.false_positive_rate, k=k, every=every)
    figures = figures_of(score=decided["prediction"].to_numpy(np.float64))
    figures |= {"false_positive_rate": plan.false_positive_rate, "top": float(k)}
    scores = rule_scores(experiment, history, samples)
    if scores is None:
        return figures
    truth = samples["truth"].to_numpy(dtype=np.bool_)
    ranks = np.unique(scores, return_inverse=True)[1].astype(np.float64)
    both = truth.any() and not truth.all()
    by_rule = figures_of(score=ranks)
    by_rule["roc_auc"] = float(roc_auc_score(truth, ranks)) if both else math.nan
    return figures | {f"{name}_rule": value for name, value in by_rule.items()}


def inspected_assets(experiment: Experiment, n_assets: int) -> int:
    """Return how many assets are inspected once a horizon: as configured, by the budget, or one in twenty."""
    plan, budget, horizon = experiment.evaluation, experiment.alarms.budget, experiment.label.horizon
    if plan.top is not None:
        return plan.top
    if budget is not None and horizon is not None:
        return max(1, math.floor(budget.within(horizon)))
    return max(1, round(_INSPECTED_SHARE * n_assets))
