"""A random survival forest: the remaining life of an asset as a distribution, learned from lives that may be cut off.

Each leaf of a tree holds the Kaplan-Meier estimate of the lives in it, so that an asset that had not failed when it was
last seen counts for as long as it was seen. From the mean of the leaves' survival functions follow the probability of a
failure by each horizon, which never falls from one to the next, and the remaining life.

References
----------
Ishwaran, Kogalur, Blackstone & Lauer, "Random survival forests", The Annals of Applied Statistics 2 (2008),
doi:10.1214/08-AOAS169. Restricted mean survival time: Royston & Parmar, BMC Medical Research Methodology 13 (2013),
doi:10.1186/1471-2288-13-152.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data_contracts.errors import ModelError, UsageError
from models.estimators.survival.survival_trees import SurvivalTrees, survival_trees
from models.estimators.survival.time_grid import round_lives, time_grid
from models.estimators.targets import Target

Matrix = npt.NDArray[np.float64]

_LARGEST = 1e30
_DEFAULTS: Final = {"n_estimators": 100, "min_samples_leaf": 15, "max_features": "sqrt"}
_LIFE: Final = ("mean", "median")


class SurvivalForest:
    """Learn from lives: `fit` takes (n, 2) hours and 1.0 where they ended in a failure, 0.0 where they were cut off.

    Parameters are those of scikit-survival's RandomSurvivalForest, and two more: ``times`` (32 by default), how many
    times failures are told apart at, and ``life``, the remaining life that is predicted: ``"mean"`` of the hours up to
    the cap, or ``"median"``.
    """

    def __init__(self, target: Target, params: Mapping[str, Any], seed: int) -> None:
        own = {**_DEFAULTS, **params}
        self._life, self._n_times = own.pop("life", _LIFE[0]), own.pop("times", 32)
        if self._life not in _LIFE:
            raise UsageError(f"estimator.params.life is {self._life!r}", 'one of "mean", "median"', "Fix or remove it")
        if not isinstance(self._n_times, int) or isinstance(self._n_times, bool) or self._n_times < 2:
            raise UsageError(f"estimator.params.times is {self._n_times!r}", "a whole number from 2 on", "Fix it")
        self._forest = _forest_class()(**{**own, "random_state": seed, "n_jobs": 1})
        self._target, self._ends = target, np.empty(0)

    def ending(self, ends: Sequence[float]) -> "SurvivalForest":
        """Set the hours, ascending, that the survival function is needed at; its last is as far as it goes."""
        self._ends = np.asarray(ends, dtype=np.float64)
        return self

    def fit(self, x: Matrix, y: Matrix) -> "FittedSurvivalForest":
        """Grow the trees; what was cut off before the first time that is told apart says nothing, and is left out."""
        failed = y[:, 1] > 0.0
        grid = time_grid(y[:, 0], failed, self._ends, self._n_times)
        hours, fails = round_lives(y[:, 0], failed, grid)
        followed = hours > 0.0
        lives = np.array(
            list(zip(fails[followed], hours[followed], strict=True)), dtype=[("fails", "?"), ("hours", "f8")]
        )
        self._forest.fit(np.clip(x[followed], -_LARGEST, _LARGEST), lives)
        times = self._ends if self._target == "failure" else grid
        life = None if self._target == "failure" else self._life
        return FittedSurvivalForest(survival_trees(self._forest, times), life)


class FittedSurvivalForest:
    """A forest that predicts: probabilities of a failure (`life` is None), or hours of remaining life."""

    def __init__(self, trees: SurvivalTrees, life: str | None) -> None:
        self.trees, self.life = trees, life

    def hazards(self, x: Matrix) -> Matrix:
        """Return the probability of failing in each interval between the times, of those alive; (n_rows, n_times)."""
        survived = self.trees.survival(x)
        before = np.hstack([np.ones((len(x), 1)), survived[:, :-1]])
        # Where none is left alive, the rest fail.
        share = np.divide(survived, before, out=np.zeros_like(survived), where=before > 0.0)
        return np.asarray(1.0 - share, dtype=np.float64)

    def predict(self, x: Matrix) -> Matrix:
        """Predict the probability of a failure by the first time, or hours of remaining life; (n_rows,)."""
        if self.life is None:
            return np.asarray(self.hazards(x)[:, 0], dtype=np.float64)
        survived = np.hstack([np.ones((len(x), 1)), self.trees.survival(x)])
        times = np.concatenate([[0.0], self.trees.times])
        return _means(survived, times) if self.life == _LIFE[0] else _medians(survived, times)

    def to_bytes(self) -> bytes:
        """Return it as JSON."""
        return json.dumps({"life": self.life, "trees": self.trees.to_bytes().decode()}).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "FittedSurvivalForest":
        """Read what `to_bytes` returned."""
        try:
            content = json.loads(stored)
            return cls(SurvivalTrees.from_bytes(content["trees"].encode()), content["life"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"the stored survival forest cannot be read ({error!r})", "what was registered", "Register it again"
            ) from error


def _means(survived: Matrix, times: Matrix) -> Matrix:
    """Integrate survival functions (n_rows, n_times) up to the last time, linear between times."""
    total = np.zeros(len(survived))
    for number, width in enumerate(np.diff(times)):
        total += width * (survived[:, number] + survived[:, number + 1]) / 2.0
    return total


def _medians(survived: Matrix, times: Matrix) -> Matrix:
    """Return when half are left, linear between times; the last time where more are left then."""
    half = survived <= 0.5
    place = np.where(half.any(axis=1), half.argmax(axis=1), len(times) - 1)
    rows = np.arange(len(survived))
    before, after = survived[rows, place - 1], survived[rows, place]
    share = np.divide(before - 0.5, before - after, out=np.ones(len(survived)), where=half.any(axis=1))
    return np.asarray(times[place - 1] + share * (times[place] - times[place - 1]), dtype=np.float64)


def _forest_class() -> Any:
    try:
        from sksurv.ensemble import RandomSurvivalForest
    except ImportError as error:
        raise UsageError(
            "estimator.kind = random_survival_forest without the package scikit-survival",
            "the packages of the extra forewarn[survival]",
            "pip install 'forewarn[survival]', or choose another estimator",
        ) from error
    return RandomSurvivalForest
