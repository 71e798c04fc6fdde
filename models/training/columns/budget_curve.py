"""What another budget would give: the score of out-of-fold predictions by the columns that each budget buys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import average_precision_score

from features.recipe.column_cost import ColumnCost
from models.artifact.artifact import feature_matrix
from models.estimators import estimators
from models.experiment.experiment import Experiment
from models.training.columns.budgeted import within_budget
from models.training.learners.fit_learner import column_signs

Rows = npt.NDArray[np.bool_]
Vector = npt.NDArray[np.float64]

SHARES: Final = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, float("inf"))
"""The budgets of the curve, as shares of the declared one; without bound last."""


@dataclass(frozen=True)
class RankedColumns:
    """A fold's ranking of columns, by what it learns from."""

    learn: Rows  # of the ranking samples
    predict: Rows
    importance: "pd.Series[float]"  # of the columns that may be chosen
    required: tuple[str, ...]


@dataclass(frozen=True)
class BudgetPoint:
    """The outcome of a budget."""

    budget_s: float | None  # None without bound
    cost_s: float  # of the columns bought, mean of the folds
    n_columns: float  # mean of the folds
    score: float  # average precision of failures; root mean squared error of hours or a condition


def budget_curve(
    experiment: Experiment, features: pd.DataFrame, target: Vector, folds: Sequence[RankedColumns], cost: ColumnCost
) -> tuple[BudgetPoint, ...]:
    """Score several budgets on samples that chose neither their columns nor the model.

    Each fold's columns and model are learned from the samples that it does not predict. Nothing is known of a budget
    whose predictions have one outcome only: it is left out.

    Parameters
    ----------
    experiment
        The experiment, with a budget.
    features : (n_samples, n_columns)
        All columns of the ranking samples.
    target : (n_samples,)
        Their labels.
    folds
        The validation folds.
    cost
        What columns cost.
    """
    declared = pd.Timedelta(experiment.features.budget or 0).total_seconds()
    points = (_point(experiment, features, target, folds, cost, share * declared) for share in SHARES)
    return tuple(point for point in points if point is not None)


def _point(
    experiment: Experiment,
    features: pd.DataFrame,
    target: Vector,
    folds: Sequence[RankedColumns],
    cost: ColumnCost,
    budget: float,
) -> BudgetPoint | None:
    predicted, bought = np.full(len(target), np.nan), []
    for fold in folds:
        chosen = within_budget(fold.importance, cost, budget, fold.required, experiment.features.keep)
        columns = (*chosen, *fold.required)
        if columns and fold.predict.any():
            predicted[fold.predict] = _predict(experiment, features, columns, target, fold)
            bought.append((cost.seconds(columns), len(columns)))
    known = ~np.isnan(predicted)
    if not known.any() or np.unique(target[known]).size < 2:
        return None
    seconds, n_columns = np.mean(bought, axis=0)
    limit = None if np.isinf(budget) else budget
    return BudgetPoint(limit, float(seconds), float(n_columns), _score(experiment, target[known], predicted[known]))


def _predict(
    experiment: Experiment, features: pd.DataFrame, columns: tuple[str, ...], target: Vector, fold: RankedColumns
) -> Vector:
    plan, x = experiment.estimator, feature_matrix(features, columns)
    model = estimators.make_to_choose_columns(
        plan.kind, experiment.target, plan.params, experiment.seed, monotone=column_signs(experiment, columns)
    )
    return estimators.predict(estimators.fit(model, x[fold.learn], target[fold.learn]), x[fold.predict])


def _score(experiment: Experiment, truth: Vector, predicted: Vector) -> float:
    if experiment.target == "failure":
        return float(average_precision_score(truth, predicted))
    return float(np.sqrt(np.mean((predicted - truth) ** 2)))
