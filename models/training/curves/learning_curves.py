"""The loss of a boosted learner as its trees were added, on what a fold learned from and on what it predicted.

Nothing is chosen by it: it shows whether more trees would have helped, or fewer.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from models.estimators.lightgbm_learner import LightGBM

Matrix = npt.NDArray[np.float64]
_POINTS = 40
_MOST_ROWS = 4000
_NEAREST = 1e-15
# Set for a random forest, whose trees are averaged and not added.
_MEAN_OF_TREES = "average_output\n"


@dataclass(frozen=True)
class LearningCurve:
    """The loss after so many trees."""

    loss: str  # logloss or rmse
    trees: tuple[int, ...]
    train: tuple[float, ...]
    validation: tuple[float, ...]


@dataclass
class CurveOfLastFold:
    """Keep the learning curve of the fold that was fitted last, which is the latest in time."""

    curve: LearningCurve | None = field(default=None)

    def record(self, model: Any, learned: tuple[Matrix, Matrix], predicted: tuple[Matrix, Matrix]) -> None:
        """Take the curve of a fitted model from the features and targets it learned from, and those it predicted."""
        if not isinstance(model, LightGBM) or len(model.seeds) > 1 or _MEAN_OF_TREES in model.text:
            return
        loss = "logloss" if " objective=binary" in f" {model.text}".replace("\n", " ") else "rmse"
        n_trees = model.booster.num_trees()
        trees = np.unique(np.linspace(1, n_trees, min(_POINTS, n_trees)).astype(int))
        train, validation = (_losses(model, *_thinned(*rows), trees, loss) for rows in (learned, predicted))
        self.curve = LearningCurve(loss, tuple(trees.tolist()), train, validation)


def _thinned(x: Matrix, y: Matrix) -> tuple[Matrix, Matrix]:
    known = ~np.isnan(y)
    every = -(-int(known.sum()) // _MOST_ROWS) or 1
    return x[known][::every], y[known][::every]


def _losses(model: LightGBM, x: Matrix, y: Matrix, trees: npt.NDArray[np.int64], loss: str) -> tuple[float, ...]:
    score, begin, losses = np.zeros(len(y)), 0, []
    for end in trees.tolist():
        score += np.asarray(
            model.booster.predict(x, start_iteration=begin, num_iteration=end - begin, raw_score=True, num_threads=1)
        )
        begin = end
        losses.append(_log_loss(expit(score), y) if loss == "logloss" else float(np.sqrt(((score - y) ** 2).mean())))
    return tuple(losses)


def _log_loss(probability: Matrix, y: Matrix) -> float:
    clipped = np.clip(probability, _NEAREST, 1.0 - _NEAREST)
    return float(-(y * np.log(clipped) + (1.0 - y) * np.log(1.0 - clipped)).mean())
