"""Detectors whose score is a quadratic form: Mahalanobis distances, and T-squared with Q of principal components.

References
----------
Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of Multivariate
Analysis 88 (2004), doi:10.1016/S0047-259X(03)00096-4. Jackson & Mudholkar, "Control procedures for residuals associated
with principal component analysis", Technometrics 21 (1979), doi:10.1080/00401706.1979.10489779 (Q). Yue & Qin,
"Reconstruction-based fault identification using a combined index", Industrial & Engineering Chemistry Research 40
(2001), doi:10.1021/ie000141+ (T-squared and Q in one form). Alcala & Qin, "Reconstruction-based contribution for
process monitoring", Automatica 45 (2009), doi:10.1016/j.automatica.2009.02.027 (contributions).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.covariance import ledoit_wolf

from models.anomalies.stored_arrays import array_from_json, array_to_json

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]

SHARE_EXPLAINED = 0.9
"""As many principal components are kept as explain this share of the variance."""
_SMALLEST = 1e-9


@dataclass(frozen=True)
class QuadraticForm:
    """The score sqrt((z - mean)' F F' (z - mean) / n_columns) of standardized rows z, with a factor F."""

    mean: Vector  # (n_columns,)
    factor: Matrix  # (n_columns, rank)

    def scores(self, z: Matrix) -> Vector:
        """Score rows (n, n_columns); 1 is about usual. A row scores the same alone or among others, bit for bit."""
        away = z - self.mean
        squares = np.zeros(len(z))
        # Sums along a row: a matrix product adds in another order for one row than for many.
        for component in self.factor.T:
            squares += (away * component).sum(axis=1) ** 2
        return np.asarray(np.sqrt(squares / max(z.shape[1], 1)))

    def contributions(self, z: Matrix) -> Matrix:
        """Return how much each column's own deviation adds to the square of each row's score; (n, n_columns), >= 0.

        It is by how much the form falls when the column takes the value that the others make it expect.
        """
        form = self.factor @ self.factor.T
        own = np.maximum(np.diag(form), _SMALLEST)
        return np.asarray(((z - self.mean) @ form) ** 2 / own)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"mean": array_to_json(self.mean), "factor": array_to_json(self.factor)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "QuadraticForm":
        """Read what `to_json` returned."""
        return cls(array_from_json(content["mean"]), array_from_json(content["factor"]))


def fit_mahalanobis(z: Matrix, seed: int = 0) -> QuadraticForm:  # noqa: ARG001  # no draw: the seed is the others'
    """Fit the Mahalanobis distance with a covariance shrunk towards the identity, as Ledoit and Wolf do."""
    covariance = ledoit_wolf(z)[0]
    values, vectors = np.linalg.eigh(covariance)
    return QuadraticForm(z.mean(axis=0), _fixed_signs(vectors) / np.sqrt(np.maximum(values, _SMALLEST)))


def fit_principal_components(z: Matrix, seed: int = 0) -> QuadraticForm:  # noqa: ARG001
    """Fit T-squared (the distance within the kept components) together with Q (the squared distance from them).

    Each counts in proportion to its degrees of freedom: a usual row scores about 1 by either.
    """
    mean, covariance = z.mean(axis=0), np.atleast_2d(np.cov(z.T, bias=True))
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], _SMALLEST), _fixed_signs(vectors[:, ::-1])
    kept = int(np.searchsorted(np.cumsum(values) / values.sum(), SHARE_EXPLAINED)) + 1
    kept = min(kept, len(values))
    weights = values.copy()
    if kept < len(values):
        weights[kept:] = values[kept:].mean()
    return QuadraticForm(mean, vectors / np.sqrt(weights))


def _fixed_signs(vectors: Matrix) -> Matrix:
    """Make the largest entry of each eigenvector positive: its sign is an accident of the library."""
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    return np.asarray(vectors * np.where(largest < 0, -1.0, 1.0))
