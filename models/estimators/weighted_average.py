"""A weighted average of several learners, whose weights are chosen by predictions that none of them has learned from.

References
----------
van der Laan, Polley & Hubbard, "Super learner", Statistical Applications in Genetics and Molecular Biology 6 (2007),
doi:10.2202/1544-6115.1309, section 3 with convex weights; Breiman, "Stacked regressions", Machine Learning 24 (1996),
doi:10.1007/BF00117832 (why they are not negative).
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

MOST_MEMBERS = 8


@dataclass(frozen=True)
class Member:
    """A learner and its share of an average."""

    kind: str
    weight: float
    model: Any


@dataclass(frozen=True)
class WeightedAverage:
    """Fitted learners, with weights above zero that sum to one."""

    members: tuple[Member, ...]

    def combine(self, predictions: Sequence[Matrix]) -> Matrix:
        """Average the members' predictions, each (n_rows,): one after another, so that a row's bits are its own."""
        total = np.zeros_like(predictions[0])
        for member, predicted in zip(self.members, predictions, strict=True):
            total += member.weight * predicted
        return total


@dataclass(frozen=True)
class UnfittedAverage:
    """The learners to average, each made anew whenever it is fitted."""

    kinds: tuple[str, ...]
    makers: tuple[Callable[[], Any], ...]
    weights: tuple[float, ...] = ()  # of each, none negative, summing to one; all count alike where there are none

    def fit(self, x: Matrix, y: Matrix) -> WeightedAverage:
        """Fit the learners that have a weight."""
        weights = self.weights or (1.0 / len(self.kinds),) * len(self.kinds)
        parts = zip(self.kinds, self.makers, weights, strict=True)
        return WeightedAverage(
            tuple(Member(kind, weight, make().fit(x, y)) for kind, make, weight in parts if weight > 0.0)
        )


def best_weights(predictions: Matrix, y: Matrix) -> Matrix:
    """Return the weights (n_members,) whose average has the least squared error; none negative, their sum one.

    Takes predictions (n_samples, n_members) of the targets (n_samples,). Members are few, so every choice of those that
    have a weight is tried: on each the least error has a closed form.

    Examples
    --------
    >>> best_weights(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), np.array([0.5, 0.5, 0.5])).tolist()
    [0.5, 0.5]
    """
    errors = predictions - y[:, None]
    # Not by BLAS, whose threads add in another order each time.
    products = np.einsum("ij,ik->jk", errors, errors) / len(errors)
    best, least = np.full(len(products), 1.0 / len(products)), np.inf
    for size in range(1, len(products) + 1):
        for chosen in itertools.combinations(range(len(products)), size):
            weights = _on(products, np.array(chosen))
            error = float(weights @ products @ weights)
            if (weights >= 0.0).all() and error < least:
                best, least = weights, error
    return best


def _on(products: Matrix, chosen: npt.NDArray[np.intp]) -> Matrix:
    """Return the weights of least error among those of some members alone; some may be negative."""
    solved = np.linalg.lstsq(products[np.ix_(chosen, chosen)], np.ones(len(chosen)), rcond=None)[0]
    weights = np.zeros(len(products))
    # Where no member errs at all, each is as good as the others.
    weights[chosen] = solved / solved.sum() if solved.sum() > 0.0 else 1.0 / len(chosen)
    return weights
