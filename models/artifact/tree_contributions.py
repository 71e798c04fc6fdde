"""Feature contributions to the score of a booster: the values of LightGBM's Tree SHAP, computed several times faster.

At one leaf of one tree each feature on its path is either passed or not. With p of a feature the share of the training
samples that pass it, the leaf's value v defines a game in which the players multiply: v times 1 or 0 for features that
are known, times p for those that are not. The Shapley value of feature i of such a game is an integral of a polynomial,

    v (o_i - p_i) * integral from 0 to 1 of the product over j other than i of (p_j + t (o_j - p_j)) dt,

which Gauss-Legendre quadrature with half as many points as there are features computes exactly.

References
----------
Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature Machine
Intelligence 2 (2020), doi:10.1038/s42256-019-0138-9 (Tree SHAP, path-dependent). Owen, "Multilinear extensions of
games", Management Science 18 (1972), doi:10.1287/mnsc.18.5.64 (the integral).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled
from models.artifact.tree_paths import TreePaths, read_paths

Matrix = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
_SMALLEST_BOOSTER = """max_feature_idx=0
num_leaves=2
split_feature=0
threshold=0.5
decision_type=2
left_child=-1
right_child=-2
internal_count=2
leaf_value=-1 1
leaf_count=1 1
is_linear=0
end of trees
"""


@dataclass(frozen=True)
class TreeContributions:
    """The leaves of a booster, with the quadrature rules for their contributions."""

    paths: TreePaths
    # Gauss-Legendre rules on [0, 1] by the number of features on a path: both (most + 1, n_points), and how many of the
    # points count, (most + 1,).
    points: Matrix
    weights: Matrix
    n_points: Integers

    @classmethod
    def from_text(cls, text: str) -> "TreeContributions":
        """Read the trees of a booster in LightGBM's text; refuses categorical features and linear trees."""
        paths = read_paths(text)
        return cls(paths, *_quadrature_rules(int(np.diff(paths.begin).max(initial=0))))

    def compute(self, x: Matrix) -> Matrix:
        """Compute each feature's contribution, in log-odds or hours, relative to the mean score; shape of x.

        Features are (n, n_features), NaN where missing. A row gets the same bits whether alone or among others.
        """
        paths, contributions = self.paths, np.zeros((self.paths.n_features, len(x)))
        _contribute(
            np.ascontiguousarray(x.T),
            paths.values,
            paths.begin,
            paths.feature,
            paths.above,
            paths.up_to,
            paths.nan,
            paths.share,
            self.points,
            self.weights,
            self.n_points,
            contributions,
        )
        return contributions.T


def warm_up() -> None:
    """Compile what explains a prediction ahead of time, so that no first explanation waits for it."""
    TreeContributions.from_text(_SMALLEST_BOOSTER).compute(np.zeros((1, 1)))


def _quadrature_rules(most: int) -> tuple[Matrix, Matrix, Integers]:
    """Return the rule that is exact for the paths of each length: polynomials of a degree one less."""
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
    contributions: Matrix,
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
                    contributions[column, row] += product[row] * (if_passed if passed[k, row] else if_not)
