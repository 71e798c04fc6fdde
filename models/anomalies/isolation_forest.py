"""Isolation forests: fitted by scikit-learn, kept as plain arrays, so that a stored one runs no code.

References
----------
Liu, Ting & Zhou, "Isolation forest", ICDM 2008, doi:10.1109/ICDM.2008.17.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import IsolationForest

from models.anomalies.stored_arrays import array_from_json, array_to_json

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_TREES, _EULER = 100, 0.5772156649015329


@dataclass(frozen=True)
class Forest:
    """The nodes of all trees in one row of arrays; leaves have the feature -1."""

    roots: Indices  # (n_trees,)
    feature: Indices  # (n_nodes,)
    threshold: Vector
    left: Indices
    right: Indices
    depth: Vector  # of leaves: the length of the path, and what the rows left in it would add
    usual_depth: float  # of an average row

    def scores(self, z: Matrix) -> Vector:
        """Score standardized rows (n, n_columns): 2 to the power of minus their mean depth over the usual one."""
        # The trees compare in single precision, as they were grown.
        rows, total = z.astype(np.float32), np.zeros(len(z))
        for root in self.roots:
            node = np.full(len(z), root)
            while (inner := self.feature[node] >= 0).any():
                at = node[inner]
                goes_left = rows[inner, self.feature[at]] <= self.threshold[at]
                node[inner] = np.where(goes_left, self.left[at], self.right[at])
            total += self.depth[node]
        return np.asarray(2.0 ** (-total / (len(self.roots) * self.usual_depth)))

    def contributions(self, z: Matrix) -> Matrix:
        """Return by how much each row's score falls when a column is at its centre; (n, n_columns), >= 0."""
        scores, result = self.scores(z), np.zeros(z.shape)
        for column in range(z.shape[1]):
            usual = z.copy()
            usual[:, column] = 0.0
            result[:, column] = np.maximum(scores - self.scores(usual), 0.0)
        return result

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        arrays = {name: array_to_json(value) for name, value in vars(self).items() if name != "usual_depth"}
        return {**arrays, "usual_depth": self.usual_depth}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Forest":
        """Read what `to_json` returned."""
        arrays = {name: array_from_json(value) for name, value in content.items() if name != "usual_depth"}
        return cls(**arrays, usual_depth=float(content["usual_depth"]))


def fit_isolation_forest(z: Matrix, seed: int = 0) -> Forest:
    """Grow a forest of 100 trees on at most 256 rows each."""
    fitted = IsolationForest(n_estimators=_TREES, random_state=seed, n_jobs=1).fit(z)
    parts, roots, start = [], [], 0
    for tree, columns in zip(fitted.estimators_, fitted.estimators_features_, strict=True):
        parts.append(_nodes(tree.tree_, np.asarray(columns), start))
        roots.append(start)
        start += tree.tree_.node_count
    names = ("feature", "threshold", "left", "right", "depth")
    joined = {name: np.concatenate([part[name] for part in parts]) for name in names}
    return Forest(np.array(roots, dtype=np.int64), **joined, usual_depth=_average_path(fitted.max_samples_))


def _nodes(tree: Any, columns: Indices, start: int) -> dict[str, Any]:
    leaf = tree.children_left < 0
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # parents come before their children
        if not leaf[node]:
            depth[[tree.children_left[node], tree.children_right[node]]] = depth[node] + 1.0
    more = np.array([_average_path(int(count)) for count in tree.n_node_samples])
    return {
        "feature": np.where(leaf, -1, columns[np.maximum(tree.feature, 0)]).astype(np.int64),
        "threshold": tree.threshold.astype(np.float64),
        "left": np.where(leaf, -1, tree.children_left + start).astype(np.int64),
        "right": np.where(leaf, -1, tree.children_right + start).astype(np.int64),
        "depth": np.where(leaf, depth + more, 0.0),
    }


def _average_path(rows: int) -> float:
    """Return the average depth at which one of so many rows is alone (equation 1)."""
    if rows <= 1:
        return 0.0
    if rows == 2:
        return 1.0
    return float(2.0 * (np.log(rows - 1.0) + _EULER) - 2.0 * (rows - 1.0) / rows)
