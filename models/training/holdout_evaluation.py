"""Evaluates what a training run held out: all of it, and each plant alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.history import History
from models.assessment.anomaly.figures import anomaly_metrics
from models.assessment.budget_figures import budget_metrics
from models.assessment.decision_metrics import horizon_metrics
from models.assessment.ranking_report import ranking_report
from models.conformal.coverage import interval_figures
from models.experiment.condition_outcomes import outcome_history
from models.experiment.experiment import Experiment
from models.failure_modes.mode_figures import ModeFigures, mode_figures
from models.labels.labels import LabelState
from models.training.evaluation import Evaluation, evaluate_condition, evaluate_failures, evaluate_remaining_life
from models.training.fitting import FALSE_ALARMS_PER_ASSET_MONTH, TestPredictions, label_modes
from models.training.samples import CAPPED_LIFE, Samples, required_terms


def evaluate(
    experiment: Experiment, history: History, samples: Samples, test: TestPredictions, known_until: pd.Timestamp
) -> Evaluation:
    """Evaluate a model on its test predictions."""
    predicted = test.frame
    mean = float(samples.target.mean())
    if experiment.target == "condition":
        return _with_intervals(
            evaluate_condition(predicted, score_at=experiment.split.score_at, training_mean=mean), experiment, test
        )
    if experiment.target == "remaining_life":
        evaluation = evaluate_remaining_life(
            predicted,
            cap=experiment.label.cap,
            score_at=experiment.split.score_at,
            training_mean=mean,
        )
        return _with_intervals(evaluation, experiment, test)
    history = outcome_history(experiment, history)
    terms = required_terms(experiment, history, known_until)
    evaluation = evaluate_failures(
        predicted, history, terms=terms, costs=experiment.costs, known_until=known_until, trained_on=samples.train
    )
    if experiment.target == "anomaly":
        rate = experiment.alarms.per_asset_month or FALSE_ALARMS_PER_ASSET_MONTH
        return replace(evaluation, metrics=anomaly_metrics(predicted, evaluation.metrics, declared=rate))
    more = ranking_report(experiment, history, predicted)
    if (budget := experiment.alarms.budget) is not None:
        more |= budget_metrics(predicted, evaluation.metrics, budget=budget, terms=terms)
    if experiment.label.several:
        more |= horizon_metrics(
            predicted[["asset", "as_of"]],
            test.probabilities,
            history,
            horizons=experiment.label.several,
            terms=terms,
            known_until=known_until,
        )
    modes = _mode_figures(experiment, history, samples, test, known_until)
    more |= {} if modes is None else modes.metrics
    return replace(evaluation, metrics={**evaluation.metrics, **more}, modes=modes)


def evaluate_plants(
    experiment: Experiment,
    history: History,
    samples: Samples,
    test: TestPredictions,
    known_until: pd.Timestamp,
    plants: Mapping[str, Sequence[str]],
) -> dict[str, Mapping[str, float]]:
    """Evaluate the test predictions of each plant alone, given the assets of each; a budget is of them all."""
    alone = replace(experiment, alarms=replace(experiment.alarms, budget=None))
    figures = {}
    for plant, assets in plants.items():
        own = test.frame["asset"].isin(assets).to_numpy(dtype=np.bool_)
        part = TestPredictions(test.frame[own].reset_index(drop=True), test.probabilities[own], test.constant[own])
        part = replace(part, modes=test.modes[own].reset_index(drop=True))
        figures[plant] = evaluate(alone, history, samples, part, known_until).metrics
    return figures


def true_numbers(experiment: Experiment, samples: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return what was predicted of test samples: the remaining life up to the cap, or the condition; NaN if unknown."""
    column = "condition" if experiment.target == "condition" else CAPPED_LIFE
    return samples[column].to_numpy(dtype=np.float64)


def _mode_figures(
    experiment: Experiment, history: History, samples: Samples, test: TestPredictions, known_until: pd.Timestamp
) -> ModeFigures | None:
    """Evaluate the predicted modes on the decided test samples; None where modes are not predicted."""
    if not len(test.modes.columns) or samples.learned_until is None:
        return None
    failed = samples.train[samples.target > 0]
    trained = label_modes(experiment, history, failed, samples.learned_until)
    decided = test.frame["state"].isin([LabelState.POSITIVE, LabelState.NEGATIVE])
    own = test.frame[decided]
    truth = (own["state"] == LabelState.POSITIVE).to_numpy()
    labels = label_modes(experiment, history, own, known_until)
    return mode_figures(test.modes[decided], labels, failed=truth, trained=trained.failures())


def _with_intervals(evaluation: Evaluation, experiment: Experiment, test: TestPredictions) -> Evaluation:
    level, score_at = experiment.evaluation.interval_level, experiment.split.score_at
    true = true_numbers(experiment, test.frame)
    figures = interval_figures(test.frame, true, test.constant, level=level, score_at=score_at)
    return replace(evaluation, metrics={**evaluation.metrics, **figures})
