"""What drives a prediction: LightGBM's contributions summed by channel, in words a mechanic knows."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract import telemetry_contract
from data_contracts.errors import NotFoundError
from features.names import parse_name, raw_channel
from models.artifact.artifact import Artifact
from models.artifact.driver_words import Say, say
from models.artifact.reference_ranges import ReferenceRange
from models.artifact.tree_contributions import TreeContributions
from models.estimators.hazards import in_interval, predict_hazards

Matrix = npt.NDArray[np.float64]
_KEPT = 8
_NEAR = 0.25


@dataclass(frozen=True)
class Driver:
    """Say what one channel has to do with a prediction.

    Parameters
    ----------
    channel
        The measured channel; or ``"events"``, ``"work_orders"``, ``"failures"``, ``"asset"`` for the circumstances.
    share
        Its part of all that moves the prediction away from the average, 0 to 1.
    raises
        Whether it raises the risk; otherwise it lowers it.
    words
        What was seen, such as "spindle vibration scatters more than usual: 12.1 where 4 to 9 is usual": the feature
        of the channel that speaks most for what the channel says.
    """

    channel: str
    share: float
    raises: bool
    words: str


def drivers(artifact: Artifact, features: pd.DataFrame, *, most: int = 3) -> list[tuple[Driver, ...]]:
    """Tell what drives the predictions.

    Each feature's contribution to the score (Tree SHAP, LightGBM's ``pred_contrib``) is summed by channel. A model of
    several horizons has a score for each interval; what counts is the probability that alarms are decided by. Its
    interval's contributions are weighed by how much that probability moves with each score: in proportion to the
    interval's hazard, as long as the asset is to come through the others.

    Parameters
    ----------
    artifact
        The model.
    features
        The features it predicts from, one row per asset and cut-off.
    most
        How many drivers to name at most.

    Returns
    -------
    list of tuple of Driver
        One tuple a row, the largest share first. Empty tuples for a learner other than LightGBM.

    Raises
    ------
    ModelError
        If a column is missing or infinite.
    """
    if artifact.estimator != "lightgbm":
        return [()] * len(features)
    explained = _explained(_SameModel(artifact))
    x = artifact.matrix(features)
    contributions = _contributions(artifact, explained.trees, x)
    # Fewer hours of remaining life are more risk.
    risk = contributions if artifact.target == "failure" else -contributions
    return [explained.drivers(row, values, most) for row, values in zip(risk, x, strict=True)]


@dataclass(frozen=True)
class _Explained:
    """Hold what explaining a model takes, made once for it.

    Parameters
    ----------
    trees
        Its trees.
    channels
        The channels.
    columns
        For each channel its columns' places.
    words : per column
        What says the value of a column.
    usual : per column
        What is usual of it; None where that is not known.
    """

    trees: TreeContributions
    channels: tuple[str, ...]
    columns: tuple[npt.NDArray[np.intp], ...]
    words: tuple[Say, ...]
    usual: tuple[ReferenceRange | None, ...]

    def drivers(self, risk: Matrix, values: Matrix, most: int) -> tuple[Driver, ...]:
        """Name the channels of one row that contribute most; both shape (n_columns,)."""
        moved = np.array([risk[columns].sum() for columns in self.columns])
        total = np.abs(moved).sum()
        largest = [place for place in np.argsort(-np.abs(moved), kind="stable")[:most] if moved[place] != 0.0]
        found = []
        for place in largest:
            raises = bool(moved[place] > 0)
            speaks = self._speaks(self.columns[place], risk if raises else -risk, values)
            words = self.words[speaks](float(values[speaks]), self.usual[speaks])
            found.append(Driver(self.channels[place], float(abs(moved[place]) / total), raises, words))
        return tuple(found)

    def _speaks(self, columns: npt.NDArray[np.intp], towards: Matrix, values: Matrix) -> int:
        """Choose the column that contributes most, an unusual one if it comes near: that is what can be looked into."""
        most = int(columns[np.argmax(towards[columns])])
        near = columns[towards[columns] >= _NEAR * towards[most]]
        unusual = [column for column in near if not self._is_usual(column, values[column])]
        return max(unusual, key=lambda column: float(towards[column]), default=most)

    def _is_usual(self, column: int, value: float) -> bool:
        usual = self.usual[column]
        return usual is None or usual[0] <= value <= usual[2]


@dataclass(frozen=True, eq=False)
class _SameModel:
    """Stand for an artifact, equal to what stands for the same one: so that it is taken apart once."""

    artifact: Artifact

    def __hash__(self) -> int:
        return hash(self.artifact.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SameModel) and other.artifact.digest == self.artifact.digest


@lru_cache(maxsize=_KEPT)
def _explained(model: _SameModel) -> _Explained:
    artifact = model.artifact
    names = [parse_name(column) for column in artifact.columns]
    channel_of = [name.kind if name.is_context else raw_channel(name.kind) for name in names]
    channels = tuple(dict.fromkeys(channel_of))
    units, usual = _units(artifact.recipe.asset_type), artifact.usual or (None,) * len(names)
    return _Explained(
        trees=TreeContributions.of_text(artifact.model.text),
        channels=channels,
        columns=tuple(np.flatnonzero(np.array([own == channel for own in channel_of])) for channel in channels),
        words=tuple(
            say(column, units.get(channel), name.window)
            for column, channel, name in zip(artifact.columns, channel_of, names, strict=True)
        ),
        usual=tuple(usual),
    )


def _units(asset_type: str) -> dict[str, str]:
    try:
        contract = telemetry_contract(asset_type)
    except NotFoundError:
        return {}  # an asset type of the user's own
    return {column.name: column.unit for column in contract.columns if column.unit is not None}


def _contributions(artifact: Artifact, trees: TreeContributions, x: Matrix) -> Matrix:
    """Compute what each column does to the score of the decision, shape (n_rows, n_columns)."""
    n_intervals = len(artifact.horizons)
    if n_intervals < 2:
        return trees.of(x)
    decisive = artifact.decision + 1
    hazards = predict_hazards(artifact.model, x, n_intervals, artifact.calibrations, first=decisive)
    slopes = [1.0 if fitted is None else fitted.slope for fitted in artifact.calibrations] or [1.0] * n_intervals
    weights = hazards * slopes[:decisive]
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    found = np.zeros_like(x)
    for interval in range(decisive):
        found += weights[:, [interval]] * trees.of(in_interval(x, interval, n_intervals))[:, : x.shape[1]]
    return found
