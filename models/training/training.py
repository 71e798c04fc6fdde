"""Training: turns an experiment and a history into an evaluated model."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from data_contracts.contract.contract import Contract, telemetry_contract
from data_contracts.errors import ModelError, NotFoundError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.history import FRAMES, History
from models.artifact.artifact import Artifact
from models.artifact.golden_inputs import GoldenInputs, choose_golden
from models.assessment.reliability import ReliabilityBin, reliability_bins
from models.assessment.thresholds import ChosenThreshold
from models.conformal.coverage import LOW, StageCoverage, coverage_by_stage
from models.experiment.experiment import Experiment
from models.labels.labels import LabelState
from models.training.cross_validation import plant_assets, predict_across
from models.training.evaluation import Evaluation
from models.training.fitting import fit_model, predict_test
from models.training.holdout_evaluation import evaluate, evaluate_plants, true_numbers
from models.training.samples import draw_samples

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
    condition_unit
        The unit of the condition that is predicted, by the telemetry's contract; None if it has none, or is unknown.
    left_out
        How many cut-offs are no samples, by reason: the asset was ``silent``, ``failed`` or ``retired``, or its
        condition ``beyond`` the threshold; what happened afterwards is ``censored``, ``unknown`` yet or ``too_late``;
        or it was ``purged``, being between training and test.
    booked_again
        The number of failures that only book a breakdown again, and so are none of their own.
    by_plant
        The metrics of each plant alone, by its name, where each was tested by a model of the others.
    columns_reason
        How the columns were chosen; None where all stay.
    tags
        What its version is tagged with besides.
    train_samples
        The training samples: ``asset``, ``as_of`` and ``target``.
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
    condition_unit: str | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    booked_again: int = 0
    by_plant: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    columns_reason: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    train_samples: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["asset", "as_of", "target"]))

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
    contract = history.contract if contract is None else contract
    step = _steps(progress)
    next(step)
    samples = draw_samples(experiment, history, known_until)
    crossed = None
    if experiment.split.crossed:
        crossed = predict_across(experiment, history, samples, known_until=known_until, progress=progress)
    fitted = fit_model(experiment, history, samples, contract=contract, step=step, progress=progress)
    next(step)
    predicted = predict_test(fitted, samples.test) if crossed is None else crossed
    evaluation = evaluate(experiment, history, samples, predicted, known_until)
    plants = {} if experiment.split.kind != "plant" else plant_assets(history, samples.train["asset"])
    by_plant = evaluate_plants(experiment, history, samples, predicted, known_until, plants)
    next(step)
    return Trained(
        experiment=experiment,
        artifact=fitted.artifact,
        evaluation=evaluation,
        threshold=fitted.threshold,
        importances=fitted.importances,
        known_until=known_until,
        trained_until=samples.train["as_of"].max(),
        data_versions=history.versions,
        data_rows={name: len(getattr(history, name)) for name in FRAMES},
        n_train=len(samples.train),
        n_test=len(predicted.frame),
        golden=choose_golden(fitted.artifact, fitted.test if crossed is None else fitted.train),
        condition_unit=_condition_unit(experiment, contract),
        left_out=samples.left_out,
        booked_again=samples.booked_again,
        by_plant=by_plant,
        columns_reason=fitted.columns_reason,
        train_samples=samples.train[["asset", "as_of", "target"]],
    )


def latest_known_time(history: History) -> pd.Timestamp:
    """Return the latest known time of anything in a history."""
    frames = [getattr(history, name) for name in FRAMES if name != "telemetry"]
    latest = [frame["known_time"].max() for frame in frames if len(frame)]
    latest += [] if history.last_known is None else [history.last_known]
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


def coverage_of_stages(trained: Trained) -> tuple[StageCoverage, ...]:
    """Return how the intervals hold the test samples at each life stage; none without intervals."""
    samples, table = trained.evaluation.predictions, trained.artifact.intervals
    if table is None or LOW not in samples:
        return ()
    return coverage_by_stage(samples, true_numbers(trained.experiment, samples), table)


def reliability_of_test(trained: Trained) -> tuple[ReliabilityBin, ...]:
    """Return the share of the decided test samples that failed by predicted probability; none but for failures."""
    predictions = trained.evaluation.predictions
    if trained.artifact.target != "failure":
        return ()
    decided = predictions[predictions["state"].isin([LabelState.POSITIVE, LabelState.NEGATIVE])]
    truth = (decided["state"] == LabelState.POSITIVE).to_numpy()
    return reliability_bins(truth, np.clip(decided["prediction"].to_numpy(dtype=np.float64), 0.0, 1.0))


def _condition_unit(experiment: Experiment, contract: Contract | None) -> str | None:
    try:
        known = telemetry_contract(experiment.data.asset_type) if contract is None else contract
    except NotFoundError:
        return None
    return next((column.unit for column in known.columns if column.name == experiment.label.condition), None)


def _steps(progress: ProgressCallback) -> Iterator[None]:
    """Report the next step each time it is advanced."""
    for done, step in enumerate(_STEPS):
        progress(f"train: {step}", done, len(_STEPS))
        yield
    progress("train", len(_STEPS), len(_STEPS))
    yield
