"""Fitting a model to training samples: columns, threshold, calibration and estimator, from these samples alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.errors import ModelError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.history import History
from features.clock import clock_of
from features.extraction.extract import extract
from features.recipe.recipe import Recipe
from models.anomalies.anomaly_model import FittedAnomalies, fit_anomalies
from models.anomalies.sentences import learned_from
from models.artifact.artifact import Artifact, contract_reference, feature_matrix, units_to_keep
from models.artifact.reference_ranges import ReferenceRange, reference_ranges
from models.assessment.anomaly.thresholds import limit_at_rate
from models.assessment.thresholds import ChosenThreshold, choose_threshold, within_budget
from models.conformal.coverage import HIGH, LOW
from models.conformal.fit_intervals import HeldOutPredictions, fit_intervals
from models.conformal.interval_table import IntervalTable
from models.estimators import estimators
from models.estimators.calibration import Calibration
from models.estimators.hazards import in_interval, interval_columns
from models.estimators.stored_estimators import store_estimator
from models.experiment.condition_outcomes import outcome_history, predicted_condition
from models.experiment.experiment import Experiment
from models.failure_modes.fit_modes import fit_mode_model
from models.failure_modes.mode_labels import ModeLabels, mode_labels
from models.failure_modes.mode_model import ModeModel
from models.labels.labels import LabelState
from models.outcomes.outcomes import known_failures
from models.training.column_selection import choose_columns, drop_uninformative, learn_recipe
from models.training.columns.budget_curve import BudgetPoint
from models.training.curves.learning_curves import CurveOfLastFold, LearningCurve
from models.training.horizon_training import fit_hazards, out_of_fold_probabilities
from models.training.learners.fit_learner import check_learner, fit_learner
from models.training.learners.survival_training import survival_out_of_fold
from models.training.learners.validation_folds import interval_folds
from models.training.out_of_fold import cross_calibrate, fit_calibration, predict_out_of_fold
from models.training.samples import Samples, alarm_terms, required_terms

Matrix = npt.NDArray[np.float64]


FALSE_ALARMS_PER_ASSET_MONTH = 0.5
"""Of a model of anomalies, unless the experiment declares another rate."""


def declared_rate(experiment: Experiment) -> float | None:
    """Return the false alarms per asset-month that a model of anomalies may raise; None for another model."""
    if experiment.target != "anomaly":
        return None
    return experiment.alarms.per_asset_month or FALSE_ALARMS_PER_ASSET_MONTH


@dataclass(frozen=True)
class Fitted:
    """A model with the features of the samples it was fitted to and of those to test it on."""

    artifact: Artifact
    threshold: ChosenThreshold | None
    importances: "pd.Series[float]"
    train: pd.DataFrame  # features, a row for each training sample
    test: pd.DataFrame  # features, a row for each test sample
    columns_reason: str | None = None  # how the columns were chosen; None where all stay
    learning_curve: LearningCurve | None = None  # of the last fold; None for other learners than a booster
    budget_curve: tuple[BudgetPoint, ...] = ()  # what other budgets of time would give


@dataclass(frozen=True)
class TestPredictions:
    """Predictions of test samples."""

    __test__ = False  # no test class, whatever pytest makes of the name

    frame: pd.DataFrame  # the test samples with prediction and alert
    probabilities: Matrix  # of all horizons, (n_samples, n_horizons)
    constant: Matrix  # the ends of intervals of constant width, to compare with; (n_samples, 2), NaN without intervals
    # Probabilities of a failure by each mode within the horizon, a column each; none where modes are not predicted.
    modes: pd.DataFrame = field(default_factory=pd.DataFrame)


def fit_model(
    experiment: Experiment,
    history: History,
    samples: Samples,
    *,
    contract: Contract | None = None,
    step: Iterator[None],
    progress: ProgressCallback = silent,
) -> Fitted:
    """Fit the model that an experiment describes to training samples; `step` is advanced before each step."""
    next(step)
    recipe = learn_recipe(experiment, history, samples.train)
    check_learner(experiment, recipe.output)
    choice = choose_columns(experiment, history, recipe, samples, progress=progress)
    features = extract(history, samples.all_cut_offs, choice.reduce(recipe), progress=progress)
    train_features = features.iloc[: len(samples.train)]
    _check_windows(experiment, history, recipe, train_features)
    next(step)
    if experiment.target == "anomaly":
        return _fit_anomaly(experiment, history, samples, contract, recipe, features, step)
    recipe = drop_uninformative(recipe.reduce(choice.columns), train_features)
    x = learned_matrix(samples, features, recipe.output)
    ranges = usual_ranges(experiment, x, samples)
    next(step)
    by_fold = (learned_matrix(samples, features, columns) for columns in choice.by_fold)
    x_of_fold: Iterable[Matrix] = by_fold if choice.by_fold else repeat(x)
    columns_of_fold, curves = choice.by_fold or repeat(recipe.output), CurveOfLastFold()
    chosen, calibrations = _choose_threshold(experiment, history, samples, x_of_fold, columns_of_fold, curves)
    next(step)
    model = fit_estimator(experiment, x, samples, recipe.output)
    artifact = _artifact(experiment, history, recipe, model, contract, chosen, calibrations, ranges)
    intervals = _intervals(experiment, history, artifact, samples, x_of_fold, columns_of_fold, curves)
    artifact = replace(artifact, intervals=intervals)
    artifact = replace(artifact, modes=fit_modes(experiment, history, samples, x))
    importances = estimators.importances(model, (*artifact.columns, *interval_columns(artifact.horizons)))
    test = features.iloc[len(samples.train) :].iloc[: len(samples.test)]
    return Fitted(
        artifact,
        chosen,
        importances,
        train_features,
        test,
        columns_reason=choice.reason,
        learning_curve=curves.curve,
        budget_curve=choice.curve,
    )


def _fit_anomaly(
    experiment: Experiment,
    history: History,
    samples: Samples,
    contract: Contract | None,
    recipe: Recipe,
    features: pd.DataFrame,
    step: Iterator[None],
) -> Fitted:
    """Fit a detector to what was measured in the healthy span, its limit by blocks of it that are held out."""
    context = set(recipe.context.columns)
    # Ages and counts of events grow for ever: what an asset is, rather than how it runs.
    recipe = recipe.reduce(column for column in recipe.output if column not in context)
    x = feature_matrix(features.iloc[: len(samples.train)], recipe.output)
    next(step)
    fitted = fit_detector(experiment, x, samples.train)
    terms = required_terms(experiment, history, samples.train["as_of"].max() + experiment.purge)
    rate = experiment.alarms.per_asset_month or FALSE_ALARMS_PER_ASSET_MONTH
    chosen = limit_at_rate(
        samples.train,
        fitted.held_out,
        per_asset_month=rate,
        terms=terms,
        window=_shared(experiment, samples.train),
    )
    next(step)
    ranges = reference_ranges(x[fitted.trusted])
    artifact = _artifact(experiment, history, recipe, fitted.model, contract, chosen, (), ranges)
    test = features.iloc[len(samples.train) :].iloc[: len(samples.test)]
    reason = "; ".join(learned_from(fitted.model, recipe.output))
    none = estimators.importances(fitted.model, artifact.columns)
    return Fitted(artifact, chosen, none, features.iloc[: len(samples.train)], test, reason)


def fit_detector(experiment: Experiment, x: Matrix, train: pd.DataFrame) -> FittedAnomalies:
    """Fit the experiment's detector to the features of training samples; hours are the unit of its purge."""
    hours = (train["as_of"] - train["as_of"].min()).dt.total_seconds().to_numpy(np.float64) / 3600.0
    return fit_anomalies(
        x,
        hours,
        detector=experiment.estimator.kind,
        purge=_shared(experiment, train) / pd.Timedelta(hours=1),
        assets=pd.factorize(train["asset"])[0],
        seed=experiment.seed,
    )


def _shared(experiment: Experiment, train: pd.DataFrame) -> pd.Timedelta:
    """Return how far apart samples share no reading."""
    # A window "from the start" is no longer than the span itself; the shorter ones say what neighbours share.
    span = pd.Timedelta(train["as_of"].max() - train["as_of"].min())
    return min(max(experiment.windows.window), span / 10.0)


def predict_test(fitted: Fitted, test: pd.DataFrame) -> TestPredictions:
    """Predict the test samples that a model was fitted beside."""
    prediction = fitted.artifact.predict(fitted.test)
    frame = test.assign(prediction=prediction, alert=fitted.artifact.alerts(prediction))
    constant = np.full((len(test), 2), np.nan)
    if fitted.artifact.intervals is not None:
        low, high = fitted.artifact.predict_intervals(prediction).T
        frame = frame.assign(**{LOW: low, HIGH: high})
        constant = fitted.artifact.intervals.constant_around(prediction)
    probabilities = fitted.artifact.predict_horizons(fitted.test)
    modes = pd.DataFrame(index=range(len(test)))
    if fitted.artifact.modes is not None:
        by_mode = fitted.artifact.predict_modes(fitted.test, probabilities)[:, fitted.artifact.decision_index]
        modes = pd.DataFrame(by_mode, columns=list(fitted.artifact.modes.modes))
    return TestPredictions(frame, probabilities, constant, modes)


def learned_matrix(samples: Samples, features: pd.DataFrame, columns: Sequence[str]) -> Matrix:
    """Return columns of `Samples.learned`, given the features of all cut-offs."""
    x = feature_matrix(features.iloc[: len(samples.train)], columns)
    others = features.iloc[len(samples.train) + len(samples.test) :]
    return np.vstack([x, feature_matrix(others, columns)]) if len(others) else x


def usual_ranges(experiment: Experiment, x: Matrix, samples: Samples) -> tuple[ReferenceRange | None, ...]:
    """Return the reference ranges of the features of `Samples.learned`."""
    # Samples that were about to fail are no reference.
    x_train = x[: len(samples.train)]
    return reference_ranges(x_train[samples.target == 0] if experiment.target == "failure" else x_train)


def _check_windows(experiment: Experiment, history: History, recipe: Recipe, features: pd.DataFrame) -> None:
    measured = [column for column in features.columns if column not in set(recipe.context.columns)]
    if measured and features[measured].isna().to_numpy().all():
        clock = clock_of(history.contract)
        spans = ", ".join(map(clock.duration, experiment.windows.window))
        enough = "a reading" if recipe.gaps is None else "the readings that features.gaps asks for"
        raise ModelError(
            f"no window of {spans} before any of the {len(features)} training samples holds {enough}",
            "windows that reach back to telemetry",
            "Make windows.window longer than the time between readings"
            + ("" if recipe.gaps is None else ", or relax features.gaps"),
        )


def _choose_threshold(
    experiment: Experiment,
    history: History,
    samples: Samples,
    x_of_fold: Iterable[Matrix],
    columns_of_fold: Iterable[Sequence[str]],
    curves: CurveOfLastFold,
) -> tuple[ChosenThreshold | None, tuple[Calibration | None, ...]]:
    """Choose threshold and calibration from out-of-fold predictions of the training samples."""
    known_until = samples.train["as_of"].max() + experiment.purge
    terms = alarm_terms(experiment, history, known_until)
    if terms is None:
        return None, ()
    if experiment.target == "remaining_life":
        return ChosenThreshold(terms.claim / pd.Timedelta(hours=1), pd.DataFrame(), "lead and horizon together"), ()
    predictions, calibrations = _predict_out_of_fold(
        experiment, samples, x_of_fold, columns_of_fold, terms.reporting_delay, curves
    )
    failures = known_failures(outcome_history(experiment, history).failures, known_until, terms.breakdown)
    prices = {"missed_failure": experiment.costs.missed_failure, "false_alarm": experiment.costs.false_alarm}
    budget = experiment.alarms.budget
    if budget is None:
        return choose_threshold(predictions, failures, terms=terms, **prices), calibrations
    fleet = samples.train["asset"].nunique()
    return within_budget(predictions, failures, terms=terms, budget=budget, n_assets=fleet, **prices), calibrations


def _predict_out_of_fold(
    experiment: Experiment,
    samples: Samples,
    x_of_fold: Iterable[Matrix],
    columns_of_fold: Iterable[Sequence[str]],
    delay: pd.Timedelta,
    curves: CurveOfLastFold,
) -> tuple[pd.DataFrame, tuple[Calibration | None, ...]]:
    """Predict the probability that decides alerts out of fold, calibrated if the experiment says so."""
    label = experiment.label
    by_fold = x_of_fold, columns_of_fold
    probabilities: Matrix | None = None
    calibrations: tuple[Calibration | None, ...] = ()
    if samples.lives is not None:
        probabilities = survival_out_of_fold(experiment, samples.learned, *by_fold, samples.lives, delay)
    elif samples.intervals is not None:
        probabilities, calibrations = out_of_fold_probabilities(
            experiment, samples.learned, x_of_fold, samples.intervals, columns_of_fold
        )
    if probabilities is not None:
        column = label.several.index(label.horizon) if label.several and label.horizon else 0
        decisive = probabilities[: len(samples.train), column]
        predictions = samples.train[["asset", "as_of", "state"]].assign(probability=decisive)
        return predictions[predictions["probability"].notna()].reset_index(drop=True), calibrations
    predictions = predict_out_of_fold(experiment, samples.train, x_of_fold, samples.target, columns_of_fold, curves)
    if experiment.estimator.calibration == "none":
        return predictions, ()
    truth = np.asarray(predictions["state"] == LabelState.POSITIVE, dtype=np.float64)
    scores = predictions["probability"].to_numpy()
    calibration = fit_calibration(scores, truth)
    predictions["probability"] = cross_calibrate(scores, truth, predictions["asset"], experiment.seed)
    return predictions, (calibration,)


def fit_estimator(experiment: Experiment, x: Matrix, samples: Samples, columns: Sequence[str]) -> Any:
    """Fit the experiment's estimator to the features of `Samples.learned`."""
    if samples.lives is not None:
        return fit_learner(experiment, x, samples.lives, columns, samples.learned)
    if samples.intervals is not None:
        return fit_hazards(experiment, x, samples.intervals, columns, samples.learned)
    return fit_learner(experiment, x[: len(samples.train)], samples.target, columns, samples.train)


def fit_modes(experiment: Experiment, history: History, samples: Samples, x: Matrix) -> ModeModel | None:
    """Fit the mode model to the features of `Samples.learned`; None where the experiment does without."""
    if not experiment.modes.predicted or samples.learned_until is None:
        return None
    if samples.intervals is None:
        rows = np.flatnonzero(samples.target > 0)
        x_failed = x[rows]
    else:
        rows, interval = np.nonzero(samples.intervals == 1.0)
        n_intervals = samples.intervals.shape[1]
        x_failed = np.vstack(
            [in_interval(x[[row]], k, n_intervals) for row, k in zip(rows.tolist(), interval.tolist(), strict=True)]
        )
    failed = samples.learned.iloc[rows]
    labels = label_modes(experiment, history, failed, samples.learned_until)
    fewest = experiment.modes.min_failures
    return fit_mode_model(x_failed, labels, failed["asset"].tolist(), min_failures=fewest, seed=experiment.seed)


def label_modes(
    experiment: Experiment, history: History, cut_offs: pd.DataFrame, known_until: pd.Timestamp
) -> ModeLabels:
    """Label cut-offs with the modes of the first failure that followed, by all horizons of the experiment."""
    history, terms = outcome_history(experiment, history), required_terms(experiment, history, known_until)
    return mode_labels(
        cut_offs,
        history.failures,
        history.work_orders,
        lead=terms.lead,
        horizon=max((terms.horizon, *experiment.label.several)),
        known_until=known_until,
        breakdown=terms.breakdown,
    )


def _intervals(
    experiment: Experiment,
    history: History,
    artifact: Artifact,
    samples: Samples,
    x_of_fold: Iterable[Matrix],
    columns_of_fold: Iterable[Sequence[str]],
    curves: CurveOfLastFold,
) -> IntervalTable | None:
    """Fit the intervals of predicted numbers, given the features of `Samples.learned` that each fold goes by.

    Single boosters will do: their errors are hardly larger than those of averages, and take a part of the time.
    """
    asset = samples.learned["asset"]
    target = np.concatenate([samples.target, np.full(len(samples.censored), np.nan)])
    predicted = np.full(len(target), np.nan)
    failed = outcome_history(experiment, history).failures["asset"]
    y = target if samples.lives is None else samples.lives
    folds_of = interval_folds(experiment, asset, failed)
    for (learn, predict), x, columns in zip(folds_of, x_of_fold, columns_of_fold, strict=False):
        rows = learn & ~np.isnan(y.reshape(len(y), -1)[:, 0])
        if x.shape[1] and rows.any():
            model = fit_learner(experiment, x[rows], y[rows], columns, samples.learned[rows], single=True)
            predicted[predict] = estimators.predict(model, x[predict])
            curves.record(model, (x[rows], y[rows]), (x[predict], y[predict]))
    if np.isnan(predicted).any():
        return None
    followed = np.concatenate([samples.target, samples.censored["followed_h"].to_numpy(dtype=np.float64)])
    held_out = HeldOutPredictions(asset.to_numpy(), artifact.within_limits(predicted), target, followed)
    return fit_intervals(held_out, level=experiment.evaluation.interval_level, limits=artifact.limits)


def _artifact(
    experiment: Experiment,
    history: History,
    recipe: Recipe,
    model: Any,
    contract: Contract | None,
    chosen: ChosenThreshold | None,
    calibrations: tuple[Calibration | None, ...],
    ranges: tuple[ReferenceRange | None, ...],
) -> Artifact:
    life, several = experiment.target == "remaining_life", experiment.label.several
    return Artifact(
        target=experiment.target,
        estimator=experiment.estimator.kind,
        recipe=recipe,
        lead=experiment.label.lead,
        horizon=experiment.label.horizon,
        cap=experiment.label.cap if life else None,
        threshold=None if chosen is None else chosen.value,
        calibration=None if several or not calibrations else calibrations[0],
        contract=contract_reference(history.asset_type, contract),
        stored=store_estimator(experiment.estimator.kind, model),
        horizons=several,
        calibrations=calibrations if several else (),
        reference_ranges=ranges,
        units=units_to_keep(contract),
        down_after_failure=experiment.label.down_after_failure,
        clock=clock_of(contract),
        condition=predicted_condition(experiment, contract),
    )
