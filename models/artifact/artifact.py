"""A trained model as a folder that is safe to open: JSON beside LightGBM text or a skops file, never a pickle.

model.json     what it predicts and from what: recipe, columns, horizon, threshold, contract
model.txt      the trees, when the learner is LightGBM; or
model.skops    the scikit-learn estimator, of reviewed types only; or
detector.json  the arrays of an anomaly detector; or
survival.json  the arrays of a survival forest; or
average.json   the members of an average, each stored as it would be alone
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract import Contract, contract_names, load_contract, telemetry_contract
from data_contracts.errors import ModelError, NotFoundError
from features.clock import TIME, Clock
from features.names import format_duration, parse_duration
from features.recipe.recipe import Recipe
from models.anomalies.detector_names import NAMES as DETECTORS
from models.artifact.model_json import FORMAT, JSON_FILE, read_model_json
from models.artifact.reference_ranges import ReferenceRange
from models.artifact.trained_terms import UNKNOWN_TERMS, TrainedTerms
from models.baselines.own_baseline import OwnBaseline, relative_to_baselines
from models.conformal.interval_table import IntervalTable
from models.estimators import estimators
from models.estimators.calibration import Calibration
from models.estimators.hazards import failed_by, in_interval, interval_columns, predict_hazards
from models.estimators.stored_estimators import AVERAGE, SURVIVAL_FOREST, open_estimator, stored_trees
from models.estimators.targets import SCORES, Target
from models.estimators.trial import try_trees
from models.failure_modes.mode_model import ModeModel, mode_incidence
from models.labels.breakdowns import NO_TIME
from models.labels.condition import PredictedCondition

LIGHTGBM = "lightgbm"
TEXT_FILE, _SKOPS_FILE, _DETECTOR_FILE = "model.txt", "model.skops", "detector.json"
_OWN_FILES = {LIGHTGBM: TEXT_FILE, SURVIVAL_FOREST: "survival.json", AVERAGE: "average.json"}


@dataclass(frozen=True)
class ContractReference:
    """The data contract of the training telemetry."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True)
class Artifact:
    """Hold a trained model and everything needed to use it.

    Parameters
    ----------
    target
        ``"failure"`` (a probability), ``"remaining_life"`` (hours), ``"condition"`` (a measured value) or ``"anomaly"``
        (a score between 0 and 1).
    estimator
        The learner's name.
    recipe
        Computes the model's columns from a history; already reduced to them.
    lead, horizon
        The prediction is of a failure in (as_of + lead, as_of + lead + horizon]; no horizon for remaining life without
        alerts.
    cap
        Remaining-life predictions are capped here; None for failures.
    threshold
        Alert at a probability of at least this, or at remaining hours of at most this; None never alerts.
    calibration
        Turns scores into probabilities; None when they are used as they are.
    contract
        The data contract of the training telemetry.
    stored
        The fitted estimator as stored: LightGBM text or a skops file.
    horizons
        All horizons with a probability, ascending, `horizon` among them; by default only `horizon`, and none for
        remaining life. With several the estimator predicts the hazards of the intervals between them.
    calibrations
        With several horizons, the calibration of each interval's hazard; empty when hazards are used as they are.
    down_after_failure
        How long an asset is down after a failure, and not predicted for; zero in artifacts written before it was kept.
    reference_ranges
        The 10 %, 50 % and 90 % quantile of each column over the training samples that did not fail, None for a column
        without values; empty in artifacts written before there were any.
    trained
        What its file does not hold and the experiment that trained it says; no part of the digest or of what is saved.
    units
        The units of channels by a contract that is not shipped, so that they are known wherever the artifact goes.
    intervals
        The intervals of predicted hours, or of a condition; None for failures, where too few assets bound them, and in
        artifacts written before there were any.
    clock
        How its times and durations are written; in cycles where the contract of the training telemetry counts those.
    condition
        The measured condition that it is about; None for other models, and in artifacts written before it was kept.
    baselines
        Of a model of anomalies: the baselines of single assets, which its features are brought to before they are
        scored; empty where all assets are measured by their type's.
    modes
        The probability of each failure mode given a failure; None where modes are not predicted.
    """

    target: Target
    estimator: str
    recipe: Recipe
    lead: pd.Timedelta
    horizon: pd.Timedelta | None
    cap: pd.Timedelta | None
    threshold: float | None
    calibration: Calibration | None
    contract: ContractReference
    stored: bytes = field(repr=False)
    horizons: tuple[pd.Timedelta, ...] = ()
    calibrations: tuple[Calibration | None, ...] = ()
    reference_ranges: tuple[ReferenceRange | None, ...] = field(default=(), repr=False)
    units: Mapping[str, str] = field(default_factory=dict, repr=False)
    down_after_failure: pd.Timedelta = NO_TIME
    clock: Clock = TIME
    intervals: IntervalTable | None = field(default=None, repr=False)
    condition: PredictedCondition | None = None
    trained: TrainedTerms = field(default=UNKNOWN_TERMS, compare=False)
    baselines: Mapping[str, OwnBaseline] = field(default_factory=dict, repr=False)
    modes: ModeModel | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.target == "failure" and self.horizon is not None and not self.horizons:
            object.__setattr__(self, "horizons", (self.horizon,))

    @property
    def about(self) -> PredictedCondition | None:
        """Return the condition that it is about; None for a model of failures that are booked."""
        return self.condition or self.trained.condition

    @property
    def claim(self) -> pd.Timedelta:
        """Return how far a prediction looks ahead, as `Experiment.purge` does; zero if nothing says how far."""
        if self.target in SCORES:
            return self.lead + (self.horizon or NO_TIME)
        return (self.horizon if self.target == "condition" else self.cap) or NO_TIME

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the feature columns, in the order that the estimator expects."""
        return tuple(self.recipe.columns or ())

    @cached_property
    def model(self) -> Any:
        """Return the fitted estimator, loaded from `stored` on first access."""
        return open_estimator(self.estimator, self.target, self.stored)

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of the artifact in hexadecimal digits: equal digests predict the same."""
        return hashlib.sha256(self._json().encode()).hexdigest()

    def predict(self, features: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Predict the probability of a failure, the hours of remaining life, a condition's value, or an anomaly score.

        Parameters
        ----------
        features
            The columns of the recipe, in any order, one row per asset and cut-off. Baselines of single assets count for
            rows whose index names the asset.

        Returns
        -------
        ndarray of float64, shape (n_rows,)

        Raises
        ------
        ModelError
            If a column is missing or infinite.
        """
        if len(self.horizons) > 1:
            return self._failed_by(features, self.decision_index + 1)[:, -1]
        raw = self.within_limits(estimators.predict(self.model, self.relative_matrix(features)))
        return raw if self.calibration is None else self.calibration.apply(raw)

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Return the lowest and the highest number that can be predicted: of a remaining life 0 and the cap."""
        if self.target != "remaining_life":
            return None, None
        return 0.0, None if self.cap is None else self.cap / pd.Timedelta(hours=1)

    def within_limits(self, predictions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Bring an estimator's predictions within the limits."""
        return predictions if self.limits == (None, None) else np.clip(predictions, *self.limits)

    @property
    def decision_index(self) -> int:
        """Return the index in `horizons` of `horizon`, by which alerts are decided."""
        return self.horizons.index(self.horizon) if self.horizon in self.horizons else 0

    def predict_horizons(self, features: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Predict the probability of a failure within each horizon.

        Parameters
        ----------
        features
            As for `predict`.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_horizons)
            Never decreasing along a row; the column of `horizon` equals `predict`, bit for bit. No columns for
            remaining life.

        Raises
        ------
        ModelError
            If a column is missing or infinite.
        """
        if len(self.horizons) > 1:
            return self._failed_by(features, len(self.horizons))
        return self.predict(features)[:, None][:, : len(self.horizons)]

    def predict_modes(self, features: pd.DataFrame, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Predict the probability of a failure by each mode within each horizon.

        Parameters
        ----------
        features
            As for `predict`.
        probabilities
            What `predict_horizons` gave for them, shape (n_rows, n_horizons).

        Returns
        -------
        ndarray of float64, shape (n_rows, n_horizons, n_modes)
            In the order of ``modes.modes``; over these it adds up to `probabilities`. No modes without a mode model.

        Raises
        ------
        ModelError
            If a column is missing or infinite.
        """
        n_horizons = len(self.horizons)
        if self.modes is None:
            return np.empty((len(features), n_horizons, 0))
        x = self.matrix(features)
        intervals = [x] if n_horizons == 1 else [in_interval(x, number, n_horizons) for number in range(n_horizons)]
        given_failure = np.stack([self.modes.given_failure(own) for own in intervals], axis=1)
        return mode_incidence(given_failure, probabilities)

    def _failed_by(self, features: pd.DataFrame, first: int) -> npt.NDArray[np.float64]:
        x = self.matrix(features)
        return failed_by(predict_hazards(self.model, x, len(self.horizons), self.calibrations, first=first))

    def predict_intervals(self, predictions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the lower and upper end of the interval around each of `predict`'s numbers, shape (n_rows, 2).

        NaN where there is none: without a table of intervals, or without a prediction.
        """
        if self.intervals is None:
            return np.full((len(predictions), 2), np.nan)
        return self.intervals.around(predictions)

    def matrix(self, features: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return the model's columns in its order, as `feature_matrix` does; shape (n_rows, n_columns)."""
        if not features.columns.is_(self.recipe.index):
            return feature_matrix(features, self.columns)
        # Straight from `extract`: thousands of columns need not be looked up one by one.
        return _finite(np.ascontiguousarray(features.to_numpy(dtype=np.float64)), self.columns)

    def relative_matrix(self, features: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return `matrix`, with the rows of assets that have a baseline of their own relative to it."""
        return relative_to_baselines(self.matrix(features), features, self.baselines)

    def alerts(self, predictions: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Mark the predictions that call for an alert, shape (n_rows,)."""
        if self.threshold is None:
            return np.zeros(len(predictions), dtype=np.bool_)
        if self.target in SCORES:
            return np.asarray(predictions >= self.threshold, dtype=np.bool_)
        return np.asarray(predictions <= self.threshold, dtype=np.bool_)

    def save(self, folder: Path) -> Path:
        """Write the artifact.

        Parameters
        ----------
        folder
            Created with its parents if missing.

        Returns
        -------
        Path
            The folder.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _file_name(self.estimator)).write_bytes(self.stored)
        (folder / JSON_FILE).write_text(self._json(), encoding="utf-8")
        return folder

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        digest: str | None = None,
        trial: bool = False,
        trained: TrainedTerms = UNKNOWN_TERMS,
    ) -> "Artifact":
        """Read an artifact and verify its integrity.

        Parameters
        ----------
        folder
            The folder that `save` wrote.
        digest
            The digest that it must have, checked before the estimator is opened; None checks none.
        trial
            Open trees in a process of its own first, which a damaged text may end instead of this one.
        trained
            The field of this name.

        Returns
        -------
        Artifact
            With its estimator loaded.

        Raises
        ------
        NotFoundError
            If there is no artifact.
        ModelError
            If it has another format, is damaged, or holds a type that is not reviewed.
        """
        artifact = replace(_from_json(read_model_json(folder), folder), trained=trained)
        if digest is not None and artifact.digest != digest:
            raise ModelError(
                f"a model of digest {artifact.digest[:12]}", f"digest {digest[:12]}, as registered", "Register it again"
            )
        if trial:
            n_columns = len(artifact.columns) + len(interval_columns(artifact.horizons))
            for trees in stored_trees(artifact.estimator, artifact.stored):
                try_trees(trees, n_columns)
        _ = artifact.model  # loaded here, so that a damaged model is refused before it is served
        return artifact

    def _json(self) -> str:
        content: dict[str, Any] = {
            "format": FORMAT,
            "target": self.target,
            "estimator": self.estimator,
            "lead": format_duration(self.lead),
            "horizon": None if self.horizon is None else format_duration(self.horizon),
            "cap": None if self.cap is None else format_duration(self.cap),
            "threshold": self.threshold,
            "calibration": None if self.calibration is None else vars(self.calibration),
            "contract": vars(self.contract),
            # LightGBM refuses tsfresh's names, so its trees name columns f0, f1, ...
            "columns": {f"f{i}": column for i, column in enumerate(self.columns)},
            "recipe": json.loads(self.recipe.to_json()),
            "model_sha256": hashlib.sha256(self.stored).hexdigest(),
        }
        # Written only where there are any, so that older artifacts keep their digest.
        if len(self.horizons) > 1:
            content["horizons"] = [format_duration(horizon) for horizon in self.horizons]
            content["calibrations"] = [None if fitted is None else vars(fitted) for fitted in self.calibrations]
        if self.down_after_failure > NO_TIME:
            content["down_after_failure"] = format_duration(self.down_after_failure)
        if self.reference_ranges:
            content["usual"] = self.reference_ranges
        if self.units:
            content["units"] = dict(self.units)
        if self.clock != TIME:
            content["clock"] = self.clock.to_dict()
        if self.condition is not None:
            content["condition"] = self.condition.to_dict()
        if self.intervals is not None:
            content["intervals"] = self.intervals.to_dict()
        if self.baselines:
            content["baselines"] = {asset: own.to_dict() for asset, own in self.baselines.items()}
        if self.modes is not None:
            content["modes"] = self.modes.to_dict()
        return json.dumps(content, indent=2, sort_keys=True) + "\n"


def feature_matrix(features: pd.DataFrame, columns: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the estimator's columns in its order, shape (n_rows, n_columns); refuses missing columns and infinity."""
    missing = [column for column in columns if column not in features.columns]
    if missing:
        raise ModelError(
            f"{len(missing)} of {len(columns)} feature columns are missing, first {missing[0]!r}",
            "the columns of the model's own recipe",
            "Extract the features with artifact.recipe",
        )
    return _finite(np.ascontiguousarray(features.loc[:, list(columns)].to_numpy(dtype=np.float64)), columns)


def _finite(matrix: npt.NDArray[np.float64], columns: Sequence[str]) -> npt.NDArray[np.float64]:
    infinite = np.isinf(matrix).any(axis=0)
    if infinite.any():
        found = f"feature {columns[int(infinite.argmax())]!r} is infinite"
        raise ModelError(found, "finite numbers or NaN", "Check the telemetry of these assets")
    return matrix


def contract_reference(asset_type: str, contract: Contract | None) -> ContractReference:
    """Return a reference to the contract, or to the shipped one; named ``"none"`` for a custom type without one."""
    try:
        contract = telemetry_contract(asset_type) if contract is None else contract
    except NotFoundError:
        return ContractReference("none", "", "")
    return ContractReference(contract.name, contract.version, contract.digest)


def units_to_keep(contract: Contract | None) -> dict[str, str]:
    """Return the units of a contract's channels, unless it is shipped, so that it can be looked up anywhere."""
    if contract is None or (contract.name in contract_names() and load_contract(contract.name) == contract):
        return {}
    return {column.name: column.unit for column in contract.columns if column.unit is not None}


def _file_name(kind: str) -> str:
    if kind in DETECTORS:
        return _DETECTOR_FILE
    return _OWN_FILES.get(kind, _SKOPS_FILE)


def _from_json(content: Mapping[str, Any], folder: Path) -> Artifact:
    stored = _read_stored(folder / _file_name(content["estimator"]), content["model_sha256"])
    calibration, horizon, cap = content["calibration"], content["horizon"], content["cap"]
    return Artifact(
        target=content["target"],
        estimator=content["estimator"],
        recipe=Recipe.from_json(json.dumps(content["recipe"])),
        lead=parse_duration(content["lead"], zero=True),
        horizon=None if horizon is None else parse_duration(horizon),
        cap=None if cap is None else parse_duration(cap),
        threshold=content["threshold"],
        calibration=None if calibration is None else Calibration(**calibration),
        contract=ContractReference(**content["contract"]),
        stored=stored,
        horizons=tuple(map(parse_duration, content.get("horizons", ()))),
        calibrations=tuple(None if c is None else Calibration(**c) for c in content.get("calibrations", ())),
        reference_ranges=tuple(None if r is None else tuple(r) for r in content.get("usual", ())),
        units=content.get("units", {}),
        down_after_failure=parse_duration(content.get("down_after_failure", "0h"), zero=True),
        clock=Clock.from_dict(content.get("clock", {})),
        condition=PredictedCondition(**content["condition"]) if "condition" in content else None,
        intervals=None if (table := content.get("intervals")) is None else IntervalTable.from_dict(table),
        baselines={asset: OwnBaseline.from_dict(own) for asset, own in content.get("baselines", {}).items()},
        modes=None if (modes := content.get("modes")) is None else ModeModel.from_dict(modes),
    )


def _read_stored(file: Path, sha256: str) -> bytes:
    stored = file.read_bytes() if file.is_file() else b""
    if hashlib.sha256(stored).hexdigest() != sha256:
        raise ModelError(f"{file} is not the file that was registered", "its recorded digest", "Register it again")
    return stored
