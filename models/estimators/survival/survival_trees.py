"""Survival trees as arrays: they predict and are stored without the library that grew them, and without pickle."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data_contracts.errors import ModelError
from models.anomalies.stored_arrays import array_from_json, array_to_json

Matrix = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

# Trees compare in single precision, which no larger value fits; no sensor measures one.
_LARGEST = 1e30
_LEAF = -1
_ARRAYS = ("times", "roots", "feature", "threshold", "left", "right", "missing_left", "curves")


@dataclass(frozen=True, eq=False)
class SurvivalTrees:
    """A forest whose leaves hold survival functions; the nodes of all trees stand in one list, parents first."""

    times: Matrix  # (n_times,) hours, ascending, at which the survival functions are kept
    roots: Places  # (n_trees,)
    feature: Places  # (n_nodes,) the column that a node compares, -1 for a leaf
    threshold: Matrix  # (n_nodes,) at most this goes left
    left: Places  # (n_nodes,) the children; a leaf's left is the row of its survival function
    right: Places
    missing_left: Places  # (n_nodes,) 1 where a missing value goes left
    curves: Matrix  # (n_leaves, n_times) the probability to survive each time

    def survival(self, x: Matrix) -> Matrix:
        """Return the probability of surviving each time, never rising along a row; shape (n_rows, n_times).

        A row gets the same bits alone and among others: trees are added one after another.
        """
        total = np.zeros((len(x), len(self.times)))
        for leaves in self._leaves(x).T:
            total += self.curves[leaves]
        return total / len(self.roots)

    def _leaves(self, x: Matrix) -> Places:
        """Return the row in `curves` that each row falls into in each tree, (n_rows, n_trees)."""
        values = np.clip(x, -_LARGEST, _LARGEST).astype(np.float32)
        nodes = np.broadcast_to(self.roots, (len(x), len(self.roots))).copy()
        rows = np.broadcast_to(np.arange(len(x))[:, None], nodes.shape)
        while (inner := self.feature[nodes] != _LEAF).any():
            at = nodes[inner]
            value = values[rows[inner], self.feature[at]]
            goes_left = np.where(np.isnan(value), self.missing_left[at] == 1, value <= self.threshold[at])
            nodes[inner] = np.where(goes_left, self.left[at], self.right[at])
        return self.left[nodes]

    def to_bytes(self) -> bytes:
        """Return the trees as JSON, bit for bit the same for the same trees."""
        return json.dumps({name: array_to_json(getattr(self, name)) for name in _ARRAYS}).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "SurvivalTrees":
        """Read what `to_bytes` returned; `ModelError` for what is no forest."""
        try:
            content = json.loads(stored)
            trees = cls(**{name: array_from_json(content[name]) for name in _ARRAYS})
            if not trees._is_whole():
                raise ValueError("a node without its children or its survival function")
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"the stored survival trees cannot be read ({error!r})", "what was registered", "Register it again"
            ) from error
        return trees

    def _is_whole(self) -> bool:
        """Return whether every walk ends in a leaf: children come after their parents, and leaves have functions."""
        n_nodes, number = len(self.feature), np.arange(len(self.feature))
        inner = self.feature >= 0
        nodes = (self.threshold, self.left, self.right, self.missing_left)
        children = (self.left[inner], self.right[inner])
        return (
            all(array.shape == (n_nodes,) for array in nodes)
            and self.curves.shape[1:] == self.times.shape
            and bool(len(self.roots) and ((self.roots >= 0) & (self.roots < n_nodes)).all())
            and bool((self.feature >= _LEAF).all())
            and all(bool(((child > number[inner]) & (child < n_nodes)).all()) for child in children)
            and bool(((self.left[~inner] >= 0) & (self.left[~inner] < len(self.curves))).all())
        )


def survival_trees(forest: Any, times: Matrix) -> SurvivalTrees:
    """Take the trees out of a fitted forest of scikit-survival, with their survival functions at some times."""
    # The last time of the forest's own that is not later; it has none before the first, where all survive.
    places = np.searchsorted(forest.unique_times_, times, side="right") - 1
    parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in _ARRAYS[2:]}
    roots, n_nodes, n_leaves = [], 0, 0
    for tree in (each.tree_ for each in forest.estimators_):
        leaf = tree.children_left == _LEAF
        number = n_leaves + np.cumsum(leaf) - 1
        survived = tree.value[leaf, :, 1]
        parts["feature"].append(np.where(leaf, _LEAF, tree.feature))
        parts["threshold"].append(tree.threshold)
        parts["left"].append(np.where(leaf, number, tree.children_left + n_nodes))
        parts["right"].append(np.where(leaf, _LEAF, tree.children_right + n_nodes))
        parts["missing_left"].append(tree.missing_go_to_left)
        parts["curves"].append(np.where(places >= 0, survived[:, np.maximum(places, 0)], 1.0))
        roots.append(n_nodes)
        n_nodes, n_leaves = n_nodes + tree.node_count, n_leaves + int(leaf.sum())
    arrays = {name: np.concatenate(each) for name, each in parts.items()}
    arrays = {name: each.astype(np.float64 if each.dtype.kind == "f" else np.int64) for name, each in arrays.items()}
    return SurvivalTrees(times=times, roots=np.array(roots, dtype=np.int64), **arrays)
