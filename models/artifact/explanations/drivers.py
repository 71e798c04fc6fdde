"""What drives a prediction: contributions (Tree SHAP, or a detector's own) by channel, described for mechanics."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract import telemetry_contract
from data_contracts.errors import NotFoundError
from features.names import parse_name, raw_channel
from models.artifact.artifact import Artifact
from models.artifact.explanations.driver_words import Describer, describe_driver
from models.artifact.reference_ranges import ReferenceRange
from models.artifact.tree_contributions import TreeContributions
from models.baselines.own_baseline import OwnBaseline, asset_names
from models.estimators.hazards import in_interval, predict_hazards

Matrix = npt.NDArray[np.float64]
_CACHED_MODELS = 8
# A column counts as near the largest contribution of its channel from this share of it on.
_NEAR = 0.25


@dataclass(frozen=True)
class Driver:
    """The contribution of one channel to a prediction."""

    channel: str  # a measured channel, or "events", "work_orders", "failures", "asset" for the circumstances
    share: float  # its share of the absolute contributions of all channels, 0 to 1
    raises: bool  # whether it raises the risk or lowers it
    words: str  # its main feature: "spindle vibration scatters more than usual: 12.1 where 4 to 9 is usual"


def drivers(artifact: Artifact, features: pd.DataFrame, *, most: int = 3) -> list[tuple[Driver, ...]]:
    """Return the largest drivers of each row of features; none for learners other than LightGBM and detectors.

    Each feature's contribution to the score (Tree SHAP, LightGBM's ``pred_contrib``) is summed by channel. A model of
    several horizons has a score for each interval; their contributions are weighted by how much each score moves the
    probability that decides alerts: in proportion to the interval's hazard, given that the asset survives the others.
    """
    if not explains(artifact):
        return [()] * len(features)
    explainer = _explainer(_CacheKey(artifact))
    contributed = contributions(artifact, features)
    # Fewer hours of remaining life are more risk; a condition's value rises, or falls.
    risk = -contributed if artifact.target == "remaining_life" else contributed
    x, own = artifact.matrix(features), _own_baselines(artifact, features)
    return [explainer.drivers(*each, most) for each in zip(risk, x, own, strict=True)]


def explains(artifact: Artifact) -> bool:
    """Return whether contributions to the predictions of a model can be computed: those of boosters and detectors."""
    return artifact.estimator == "lightgbm" or artifact.target == "anomaly"


def contributions(artifact: Artifact, features: pd.DataFrame) -> Matrix:
    """Return what each column contributes to the score of each row, shape (n_rows, n_columns); see `drivers`."""
    trees = _explainer(_CacheKey(artifact)).trees
    if trees is None:
        return np.asarray(artifact.model.contributions(artifact.relative_matrix(features)), dtype=np.float64)
    return _contributions(artifact, trees, artifact.matrix(features))


@dataclass(frozen=True)
class _Explainer:
    """What explaining a model needs, prepared once for it."""

    trees: TreeContributions | None  # None for anomalies
    channels: tuple[str, ...]
    columns: tuple[npt.NDArray[np.intp], ...]  # of each channel, the indices of its columns
    describers: tuple[Describer, ...]  # of each column
    ranges: tuple[ReferenceRange | None, ...]  # of each column; None where it is not known

    def drivers(self, risk: Matrix, values: Matrix, own: OwnBaseline | None, most: int) -> tuple[Driver, ...]:
        """Return the channels of one row that contribute most; both arrays of shape (n_columns,)."""
        contributed = np.array([risk[columns].sum() for columns in self.columns])
        total = np.abs(contributed).sum()
        order = np.argsort(-np.abs(contributed), kind="stable")
        largest = [place for place in order[:most] if contributed[place] != 0.0]
        result = []
        for place in largest:
            raises = bool(contributed[place] > 0)
            column = self._main_column(self.columns[place], risk if raises else -risk, values, own)
            words = self.describers[column](float(values[column]), self._range(column, own))
            result.append(Driver(self.channels[place], float(abs(contributed[place]) / total), raises, words))
        return tuple(result)

    def _main_column(
        self, columns: npt.NDArray[np.intp], towards: Matrix, values: Matrix, own: OwnBaseline | None
    ) -> int:
        """Choose the column that contributes most, or an unusual one near it: that is something to look into."""
        most = int(columns[np.argmax(towards[columns])])
        near = columns[towards[columns] >= _NEAR * towards[most]]
        unusual = [column for column in near if not self._is_usual(column, values[column], own)]
        return max(unusual, key=lambda column: float(towards[column]), default=most)

    def _is_usual(self, column: int, value: float, own: OwnBaseline | None) -> bool:
        reference = self._range(column, own)
        return reference is None or reference[0] <= value <= reference[2]

    def _range(self, column: int, own: OwnBaseline | None) -> ReferenceRange | None:
        """Return what is usual: of this asset, where it has a baseline."""
        reference = self.ranges[column]
        if reference is None or own is None:
            return reference
        low, middle, high = (own.own(column, value) for value in reference)
        return low, middle, high


@dataclass(frozen=True, eq=False)
class _CacheKey:
    """An artifact that is equal to any other with its digest, so that each model is prepared once."""

    artifact: Artifact

    def __hash__(self) -> int:
        return hash(self.artifact.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _CacheKey) and other.artifact.digest == self.artifact.digest


@lru_cache(maxsize=_CACHED_MODELS)
def _explainer(key: _CacheKey) -> _Explainer:
    artifact = key.artifact
    counters = {counter.channel for counter in artifact.recipe.counters}
    names = [parse_name(column) for column in artifact.columns]
    channel_of = [name.kind if name.is_context else raw_channel(name.kind) for name in names]
    channels = tuple(dict.fromkeys(channel_of))
    units = artifact.units or _units(artifact.recipe.asset_type)
    return _Explainer(
        trees=None if artifact.target == "anomaly" else TreeContributions.from_text(artifact.model.text),
        channels=channels,
        columns=tuple(np.flatnonzero(np.array([own == channel for own in channel_of])) for channel in channels),
        describers=tuple(
            describe_driver(column, units.get(channel), name.window, counts=channel in counters, clock=artifact.clock)
            for column, channel, name in zip(artifact.columns, channel_of, names, strict=True)
        ),
        ranges=artifact.reference_ranges or (None,) * len(names),
    )


def _own_baselines(artifact: Artifact, features: pd.DataFrame) -> list[OwnBaseline | None]:
    names = asset_names(features) if artifact.baselines else None
    return [None] * len(features) if names is None else [artifact.baselines.get(name) for name in names]


def _units(asset_type: str) -> dict[str, str]:
    try:
        contract = telemetry_contract(asset_type)
    except NotFoundError:
        return {}  # a user's own asset type, trained before artifacts held the units of their contract
    return {column.name: column.unit for column in contract.columns if column.unit is not None}


def _contributions(artifact: Artifact, trees: TreeContributions, x: Matrix) -> Matrix:
    """Compute what each column contributes to the score that decides alerts, shape (n_rows, n_columns)."""
    n_intervals = len(artifact.horizons)
    if n_intervals < 2:
        return trees.compute(x)
    decisive = artifact.decision_index + 1
    hazards = predict_hazards(artifact.model, x, n_intervals, artifact.calibrations, first=decisive)
    slopes = [1.0 if fitted is None else fitted.slope for fitted in artifact.calibrations] or [1.0] * n_intervals
    weights = hazards * slopes[:decisive]
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    contributions = np.zeros_like(x)
    for interval in range(decisive):
        contributions += weights[:, [interval]] * trees.compute(in_interval(x, interval, n_intervals))[:, : x.shape[1]]
    return contributions
