"""Baselines of single assets: their own usual level and scatter, brought to those that their type's model knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]
ASSET = "asset"


@dataclass(frozen=True)
class OwnBaseline:
    """What turns an asset's columns into those of a usual asset of its type: times a gain, plus an offset."""

    gain: tuple[float, ...]  # of each column of the model: the type's scatter over the asset's own
    offset: tuple[float, ...]
    since: str  # the first and the last cut-off that it was learned from, ISO 8601
    until: str

    def relative(self, x: Matrix) -> Matrix:
        """Return rows (n, n_columns) as a usual asset of the type would show them."""
        return np.asarray(x * np.array(self.gain) + np.array(self.offset))

    def own(self, column: int, value: float) -> float:
        """Return the value of this asset that is a given one of the type's."""
        return (value - self.offset[column]) / self.gain[column]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"gain": list(self.gain), "offset": list(self.offset), "since": self.since, "until": self.until}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "OwnBaseline":
        """Read what `to_dict` returned."""
        return cls(tuple(stored["gain"]), tuple(stored["offset"]), stored["since"], stored["until"])


def relative_to_baselines(x: Matrix, features: pd.DataFrame, baselines: Mapping[str, OwnBaseline]) -> Matrix:
    """Return the rows of assets with a baseline relative to it; rows that name no asset are their type's."""
    names = asset_names(features)
    if names is None or not baselines:
        return x
    relative = x.copy()
    for asset in set(names) & baselines.keys():
        rows = np.flatnonzero(names == asset)
        relative[rows] = baselines[asset].relative(x[rows])
    return relative


def asset_names(features: pd.DataFrame) -> npt.NDArray[np.object_] | None:
    """Return the asset of each row, by the index; None if it does not name them."""
    if ASSET not in features.index.names:
        return None
    return features.index.get_level_values(ASSET).to_numpy(dtype=object)
