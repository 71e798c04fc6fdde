"""The detectors by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from data_contracts.errors import UsageError, did_you_mean
from models.anomalies.detector_names import ENSEMBLE, NAMES
from models.anomalies.isolation_forest import Forest, fit_isolation_forest
from models.anomalies.quadratic import QuadraticForm, fit_mahalanobis, fit_principal_components

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]


class Detector(Protocol):
    """A fitted detector."""

    def scores(self, z: Matrix) -> Vector:
        """Score standardized rows; higher is less usual."""

    def contributions(self, z: Matrix) -> Matrix:
        """Return what each column adds to each row's score."""

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""


@dataclass(frozen=True)
class DetectorKind:
    """How a detector is fitted and read."""

    fit: Callable[[Matrix, int], Detector]
    read: Callable[[Mapping[str, Any]], Detector]


KINDS: Final[Mapping[str, DetectorKind]] = {
    "mahalanobis": DetectorKind(fit_mahalanobis, QuadraticForm.from_json),
    "principal_components": DetectorKind(fit_principal_components, QuadraticForm.from_json),
    "isolation_forest": DetectorKind(fit_isolation_forest, Forest.from_json),
}


def members(name: str) -> tuple[str, ...]:
    """Return the kinds of detector that a name stands for."""
    if name == ENSEMBLE:
        return tuple(KINDS)
    if name not in KINDS:
        hint = did_you_mean(name, NAMES) or "Choose one of these"
        raise UsageError(f"unknown detector {name!r}", f"one of {', '.join(NAMES)}", hint)
    return (name,)
