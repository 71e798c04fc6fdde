"""What each feature contributes to the score of a booster: LightGBM's own figures (Tree SHAP), several times sooner.

To one leaf of one tree each feature on its path is either passed or not. With p of a feature the share of the training
samples that go its way, the leaf's value v is a game in which the players multiply: v times 1 or 0 for those that are
told, times p for those that are not. The Shapley value of feature i of such a game is an integral of a polynomial,

    v (o_i - p_i) * integral from 0 to 1 of the product over j other than i of (p_j + t (o_j - p_j)) dt,

which Gauss and Legendre's rule with half as many points as there are features gives exactly.

References
----------
Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature Machine
Intelligence 2 (2020), doi:10.1038/s42256-019-0138-9 (Tree SHAP, path-dependent). Owen, "Multilinear extensions of
games", Management Science 18 (1972), doi:10.1287/mnsc.18.5.64 (the integral).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled

Matrix = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Way:
    """What one feature has to be for a path: in (above, up_to], or NaN where that goes the same way."""

    above: float = -np.inf
    up_to: float = np.inf
    nan: bool = True
    share: float = 1.0


@dataclass(frozen=True)
class TreeContributions:
    """Hold the leaves of a booster, each as the features on its path.

    Parameters
    ----------
    n_features
        How many the booster takes.
    values : (n_leaves,)
        What each leaf adds to the score.
    begin : (n_leaves + 1,)
        Where each leaf's features begin among all.
    feature, above, up_to, nan, share : (n_entries,)
        The features on the paths: passed by a value in (above, up_to], and by NaN where `nan` is 1; by this share of
        the training samples.
    points, weights : (most + 1, n_points)
        For each number of features on a path the rule of Gauss and Legendre on [0, 1].
    n_points : (most + 1,)
        How many of them count.
    """

    n_features: int
    values: Matrix
    begin: Integers
    feature: Integers
    above: Matrix
    up_to: Matrix
    nan: Integers
    share: Matrix
    points: Matrix
    weights: Matrix
    n_points: Integers

    @classmethod
    def of_booster(cls, booster: Any) -> "TreeContributions":
        """Read the trees of a LightGBM booster.

        Parameters
        ----------
        booster
            A `lightgbm.Booster` without categorical features or linear trees.

        Returns
        -------
        TreeContributions
        """
        content = booster.dump_model()
        trees = [tree["tree_structure"] for tree in content["tree_info"]]
        leaves = [leaf for tree in trees for leaf in _leaves(tree, {})]
        ways = [(feature, way) for _, path in leaves for feature, way in path.items()]
        lengths = np.array([len(path) for _, path in leaves], dtype=np.int64)
        points, weights, n_points = _rules(int(lengths.max(initial=0)))
        return cls(
            n_features=content["max_feature_idx"] + 1,
            values=np.array([value for value, _ in leaves], dtype=np.float64),
            begin=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            feature=np.array([feature for feature, _ in ways], dtype=np.int64),
            above=np.array([way.above for _, way in ways], dtype=np.float64),
            up_to=np.array([way.up_to for _, way in ways], dtype=np.float64),
            nan=np.array([way.nan for _, way in ways], dtype=np.int64),
            share=np.array([way.share for _, way in ways], dtype=np.float64),
            points=points,
            weights=weights,
            n_points=n_points,
        )

    def of(self, x: Matrix) -> Matrix:
        """Compute what each feature adds to, or takes from, the score that the booster gives on average.

        Parameters
        ----------
        x
            Features, shape (n, n_features); NaN where missing.

        Returns
        -------
        ndarray of float64, shape (n, n_features)
            In the score's unit: log-odds, or hours. A row gets the same bits whether it comes alone or among others.
        """
        found = np.zeros((self.n_features, len(x)))
        _contribute(
            np.ascontiguousarray(x.T),
            self.values,
            self.begin,
            self.feature,
            self.above,
            self.up_to,
            self.nan,
            self.share,
            self.points,
            self.weights,
            self.n_points,
            found,
        )
        return found.T


def _leaves(node: Mapping[str, Any], path: Mapping[int, _Way]) -> Iterator[tuple[float, Mapping[int, _Way]]]:
    """Walk a tree: give each leaf's value and what the features on its path have to be."""
    if "split_feature" not in node:
        yield node["leaf_value"], path
        return
    feature, threshold, whole = node["split_feature"], node["threshold"], node["internal_count"]
    before = path.get(feature, _Way())
    # A tree that met no NaN in training takes it for zero.
    nan_left = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0.0
    for side, left in (("left_child", True), ("right_child", False)):
        child = node[side]
        way = _Way(
            above=before.above if left else max(before.above, threshold),
            up_to=min(before.up_to, threshold) if left else before.up_to,
            nan=before.nan and nan_left is left,
            share=before.share * child.get("internal_count", child.get("leaf_count", 0)) / whole,
        )
        yield from _leaves(child, {**path, feature: way})


def _rules(most: int) -> tuple[Matrix, Matrix, Integers]:
    """Give the rule that is exact for the paths of each length: polynomials of a degree one less."""
    n_points = np.maximum((np.arange(most + 1) + 1) // 2, 1)
    points, weights = np.zeros((2, most + 1, int(n_points.max())))
    for length, number in enumerate(n_points):
        at, weight = np.polynomial.legendre.leggauss(int(number))
        points[length, :number], weights[length, :number] = (at + 1) / 2, weight / 2
    return points, weights, n_points.astype(np.int64)


@compiled
def _contribute(
    x: Matrix,
    values: Matrix,
    begin: Integers,
    feature: Integers,
    above: Matrix,
    up_to: Matrix,
    nan: Integers,
    share: Matrix,
    points: Matrix,
    weights: Matrix,
    n_points: Integers,
    found: Matrix,
) -> None:
    n = x.shape[1]
    passed = np.empty((points.shape[0], n), dtype=np.bool_)
    product = np.empty(n)
    for leaf in range(values.shape[0]):
        first = begin[leaf]
        length = begin[leaf + 1] - first
        for k in range(length):
            low, high, missing = above[first + k], up_to[first + k], nan[first + k] == 1
            column = feature[first + k]
            for row in range(n):
                value = x[column, row]
                passed[k, row] = missing if np.isnan(value) else (value > low) & (value <= high)
        for q in range(n_points[length]):
            t = points[length, q]
            start = values[leaf] * weights[length, q]
            for row in range(n):
                product[row] = start
            for k in range(length):
                p = share[first + k]
                if_passed, if_not = p + t * (1.0 - p), p * (1.0 - t)
                for row in range(n):
                    product[row] *= if_passed if passed[k, row] else if_not
            for k in range(length):
                p = share[first + k]
                if_passed, if_not = (1.0 - p) / (p + t * (1.0 - p)), -1.0 / (1.0 - t)
                column = feature[first + k]
                for row in range(n):
                    found[column, row] += product[row] * (if_passed if passed[k, row] else if_not)
