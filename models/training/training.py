"""Training: turns an experiment and a history into an evaluated model."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.errors import ModelError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.history import FRAMES, History
from features.extraction.extract import extract
from features.names import format_duration
from features.recipe.recipe import Recipe
from models.artifact.artifact import Artifact, contract_reference, feature_matrix, units_to_keep
from models.artifact.golden_inputs import GoldenInputs, choose_golden
from models.artifact.reference_ranges import ReferenceRange, reference_ranges
from models.estimators import estimators
from models.estimators.calibration import Calibration
from models.estimators.hazards import interval_columns
from models.estimators.stored_estimators import store_estimator
from models.experiment.experiment import Experiment
from models.labels.labels import LabelState
from models.outcomes.outcomes import known_failures
from models.training.column_selection import learn_recipe, preselect, select_columns
from models.training.evaluation import Evaluation, evaluate_failures, evaluate_remaining_life
from models.training.horizon_figures import horizon_metrics
from models.training.horizon_training import fit_hazards, out_of_fold_probabilities
from models.training.out_of_fold import fit_calibration, predict_out_of_fold
from models.training.samples import Samples, alarm_terms, draw_samples, required_terms
from models.training.thresholds import ChosenThreshold, choose_threshold

Matrix = npt.NDArray[np.float64]
_STEPS = ("samples", "features", "selection", "validation", "fit", "evaluation")


@dataclass(frozen=True)
class Trained:
    """Hold a trained model with its evaluation and its provenance.

    Parameters
    ----------
    experiment
        The experiment.
    artifact
        The model.
    evaluation
        Its evaluation on the test samples.
    threshold
        How its threshold was chosen; None if it raises no alerts.
    importances
        The share of each column in the importance of all, largest first; empty for a learner without importances.
    known_until
        Nothing known later was used (UTC).
    trained_until
        The last training cut-off (UTC).
    data_versions
        The versions of the tables that the history was read from, by name.
    data_rows
        The number of rows of its frames, by name.
    n_train, n_test
        The number of training and of test samples.
    golden
        A few test rows with their scores, to be scored again before the model becomes champion; None without test
        rows.
    left_out
        How many cut-offs are no samples, by reason: the asset was ``silent``, ``failed`` or ``retired``; what happened
        afterwards is ``censored``, ``unknown`` yet or ``too_late``; or it was ``purged``, being between training and
        test.
    booked_again
        The number of failures that only book a breakdown again, and so are none of their own.
    """

    experiment: Experiment
    artifact: Artifact
    evaluation: Evaluation
    threshold: ChosenThreshold | None
    importances: "pd.Series[float]"
    known_until: pd.Timestamp
    trained_until: pd.Timestamp
    data_versions: Mapping[str, int]
    data_rows: Mapping[str, int]
    n_train: int
    n_test: int
    golden: GoldenInputs | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    booked_again: int = 0

    @property
    def predictions_digest(self) -> str:
        """Return the SHA-256 of the test predictions, bit for bit."""
        return predictions_digest(self.evaluation.predictions)


def train(
    experiment: Experiment,
    history: History,
    *,
    known_until: pd.Timestamp | None = None,
    contract: Contract | None = None,
    progress: ProgressCallback = silent,
) -> Trained:
    """Train and evaluate the model that an experiment describes.

    The same experiment and history give the same model, bit for bit. Regimes, columns, threshold and calibration are
    learned from training samples alone, never from test samples.

    Parameters
    ----------
    experiment
        What to train.
    history
        Telemetry, events, failures, work orders and records of the assets.
    known_until
        Train as if it were this time (UTC): nothing known later is used, and samples whose outcome was not known then
        are left out. The latest known time of the history if None.
    contract
        The contract of the telemetry; that of the history if None.
    progress
        Progress callback.

    Returns
    -------
    Trained
        The model, evaluated on the test samples.

    Raises
    ------
    ModelError
        If there is nothing to learn from or to test on.
    UsageError
        If the experiment does not fit the history.
    """
    known_until = latest_known_time(history) if known_until is None else known_until
    history = history.as_of(known_until)
    step = _steps(progress)
    next(step)
    samples = draw_samples(experiment, history, known_until)
    next(step)
    recipe = learn_recipe(experiment, history, samples.train)
    recipe = preselect(experiment, history, recipe, samples.train, progress=progress)
    features = extract(history, samples.all_cut_offs, recipe, progress=progress)
    train_features = features.iloc[: len(samples.train)]
    _check_windows(experiment, recipe, train_features)
    next(step)
    recipe = select_columns(experiment, recipe, train_features, samples.target)
    x = feature_matrix(train_features, recipe.columns or ())
    # Samples that were about to fail are no reference.
    ranges = reference_ranges(x if experiment.target == "remaining_life" else x[samples.target == 0])
    if len(samples.partly):
        x = np.vstack([x, feature_matrix(features.iloc[-len(samples.partly) :], recipe.columns or ())])
    next(step)
    chosen, calibrations = _choose_threshold(experiment, history, samples, x)
    next(step)
    model = _fit(experiment, x, samples)
    artifact = _artifact(experiment, history, recipe, model, contract or history.contract, chosen, calibrations, ranges)
    next(step)
    test = features.iloc[len(samples.train) :].iloc[: len(samples.test)]
    evaluation = _evaluate(experiment, history, samples, artifact, test, known_until)
    next(step)
    return Trained(
        experiment=experiment,
        artifact=artifact,
        evaluation=evaluation,
        threshold=chosen,
        importances=estimators.importances(model, (*artifact.columns, *interval_columns(artifact.horizons))),
        known_until=known_until,
        trained_until=samples.train["as_of"].max(),
        data_versions=history.versions,
        data_rows={name: len(getattr(history, name)) for name in FRAMES},
        n_train=len(samples.train),
        n_test=len(samples.test),
        golden=choose_golden(artifact, test),
        left_out=samples.left_out,
        booked_again=samples.booked_again,
    )


def _check_windows(experiment: Experiment, recipe: Recipe, features: pd.DataFrame) -> None:
    measured = [column for column in features.columns if column not in set(recipe.context.columns)]
    if measured and features[measured].isna().to_numpy().all():
        spans = ", ".join(format_duration(window) for window in experiment.windows.window)
        enough = "a reading" if recipe.gaps is None else "the readings that features.gaps asks for"
        raise ModelError(
            f"no window of {spans} before any of the {len(features)} training samples holds {enough}",
            "windows that reach back to telemetry",
            "Make windows.window longer than the time between readings"
            + ("" if recipe.gaps is None else ", or relax features.gaps"),
        )


def latest_known_time(history: History) -> pd.Timestamp:
    """Return the latest known time of anything in a history."""
    latest = [frame["known_time"].max() for name in FRAMES if len(frame := getattr(history, name))]
    if not latest:
        raise ModelError(
            f"nothing is known of any {history.asset_type}",
            "telemetry and failures",
            "Load them with `forewarn import`, `simulate` or `ingest`",
        )
    return pd.Timestamp(max(latest))


def predictions_digest(predictions: pd.DataFrame) -> str:
    """Return the SHA-256 of predictions (asset, as_of, prediction), bit for bit, whatever the order of their rows."""
    ordered = predictions.sort_values(["asset", "as_of"])
    keys = "\n".join(
        f"{asset} {time.isoformat()}" for asset, time in zip(ordered["asset"], ordered["as_of"], strict=True)
    )
    return hashlib.sha256(keys.encode() + ordered["prediction"].to_numpy(dtype="<f8").tobytes()).hexdigest()


def _choose_threshold(
    experiment: Experiment, history: History, samples: Samples, x: Matrix
) -> tuple[ChosenThreshold | None, tuple[Calibration | None, ...]]:
    """Choose threshold and calibration from out-of-fold predictions of the training samples."""
    known_until = samples.train["as_of"].max() + experiment.purge
    terms = alarm_terms(experiment, history, known_until)
    if terms is None:
        return None, ()
    if experiment.target == "remaining_life":
        return ChosenThreshold(terms.claim / pd.Timedelta(hours=1), pd.DataFrame(), "lead and horizon together"), ()
    predictions, calibrations = _predict_out_of_fold(experiment, samples, x)
    costs = experiment.costs
    chosen = choose_threshold(
        predictions,
        known_failures(history.failures, known_until, terms.breakdown),
        terms=terms,
        missed_failure=costs.missed_failure,
        false_alarm=costs.false_alarm,
    )
    return chosen, calibrations


def _predict_out_of_fold(
    experiment: Experiment, samples: Samples, x: Matrix
) -> tuple[pd.DataFrame, tuple[Calibration | None, ...]]:
    """Predict the probability that decides alerts out of fold, calibrated if the experiment says so."""
    label = experiment.label
    if samples.intervals is not None and label.horizon is not None:
        probabilities, calibrations = out_of_fold_probabilities(experiment, samples.learned, x, samples.intervals)
        decisive = probabilities[: len(samples.train), label.several.index(label.horizon)]
        predictions = samples.train[["asset", "as_of", "state"]].assign(probability=decisive)
        return predictions[predictions["probability"].notna()].reset_index(drop=True), calibrations
    predictions = predict_out_of_fold(experiment, samples.train, x, samples.target)
    if experiment.estimator.calibration == "none":
        return predictions, ()
    truth = np.asarray(predictions["state"] == LabelState.POSITIVE, dtype=np.float64)
    calibration = fit_calibration(predictions["probability"].to_numpy(), truth)
    if calibration is not None:
        predictions["probability"] = calibration.apply(predictions["probability"].to_numpy())
    return predictions, (calibration,)


def _fit(experiment: Experiment, x: Matrix, samples: Samples) -> Any:
    if samples.intervals is not None:
        return fit_hazards(experiment, x, samples.intervals)
    plan = experiment.estimator
    return estimators.fit(
        estimators.make(plan.kind, experiment.target, plan.params, experiment.seed), x, samples.target
    )


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
    )


def _evaluate(
    experiment: Experiment,
    history: History,
    samples: Samples,
    artifact: Artifact,
    features: pd.DataFrame,
    known_until: pd.Timestamp,
) -> Evaluation:
    prediction = artifact.predict(features)
    predicted = samples.test.assign(prediction=prediction, alert=artifact.alerts(prediction))
    if experiment.target == "remaining_life":
        return evaluate_remaining_life(
            predicted,
            cap=experiment.label.cap,
            score_at=experiment.split.score_at,
            training_mean=float(samples.target.mean()),
        )
    terms = required_terms(experiment, history, known_until)
    evaluation = evaluate_failures(
        predicted, history, terms=terms, costs=experiment.costs, known_until=known_until, trained_on=samples.train
    )
    if not experiment.label.several:
        return evaluation
    by_horizon = horizon_metrics(
        samples.test,
        artifact.predict_horizons(features),
        history,
        horizons=artifact.horizons,
        terms=terms,
        known_until=known_until,
    )
    return replace(evaluation, metrics={**evaluation.metrics, **by_horizon})


def _steps(progress: ProgressCallback) -> Iterator[None]:
    """Report the next step each time it is advanced."""
    for done, step in enumerate(_STEPS):
        progress(f"train: {step}", done, len(_STEPS))
        yield
    progress("train", len(_STEPS), len(_STEPS))
    yield
