"""The intervals of a model's predictions, as a table: the life stages, and how wide the interval is at each."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stage:
    """The predictions from the end of the stage before up to `until`, and what their residuals were."""

    until: float | None  # excluded; None for the last stage
    quantile: float | None  # of absolute residuals over their scale; None where too few assets bound it
    assets: int  # how many of the training assets have been in it


@dataclass(frozen=True)
class IntervalTable:
    """Intervals around predictions: a prediction, give or take the quantile of its stage times its scale.

    The table is small, native JSON, and needs nothing but the prediction, so that batches and the endpoint give the
    same bits.
    """

    level: float
    stages: tuple[Stage, ...]
    scale_at: tuple[float, ...]  # ascending predictions
    scale: tuple[float, ...]  # the usual absolute residual there; linear between them, constant beyond
    lowest: float | None = None  # nothing below it is possible
    highest: float | None = None  # of a capped remaining life: an interval that ends here means "or more"
    constant: float | None = None  # half the width of an interval that is the same everywhere, to compare with

    def around(self, predictions: Vector) -> Vector:
        """Return the lower and upper end for predictions (n,), shape (n, 2); NaN where there is no interval."""
        until = [stage.until for stage in self.stages if stage.until is not None]
        quantiles = np.array([math.nan if s.quantile is None else s.quantile for s in self.stages])
        stage = np.searchsorted(np.array(until), predictions, side="right")
        return self._within_limits(predictions, quantiles[stage] * self.scale_of(predictions))

    def constant_around(self, predictions: Vector) -> Vector:
        """Return the ends of the intervals of constant width, which the others are compared with; shape (n, 2)."""
        half = math.nan if self.constant is None else self.constant
        return self._within_limits(predictions, np.full(len(predictions), half))

    def scale_of(self, predictions: Vector) -> Vector:
        """Return the usual absolute residual of predictions (n,)."""
        return np.interp(predictions, self.scale_at, self.scale)

    def _within_limits(self, predictions: Vector, half: Vector) -> Vector:
        ends = np.column_stack([predictions - half, predictions + half])
        return np.asarray(np.clip(ends, self.lowest, self.highest) if self._limited else ends, dtype=np.float64)

    @property
    def _limited(self) -> bool:
        return self.lowest is not None or self.highest is not None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self) | {
            "stages": [asdict(stage) for stage in self.stages],
            "scale_at": list(self.scale_at),
            "scale": list(self.scale),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "IntervalTable":
        """Read what `to_dict` wrote."""
        lists = {name: tuple(content[name]) for name in ("scale_at", "scale")}
        return cls(**{**content, **lists, "stages": tuple(Stage(**stage) for stage in content["stages"])})
