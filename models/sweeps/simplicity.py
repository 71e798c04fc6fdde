"""How simple a fitted model is: fewer columns first, then fewer leaves, or coefficients."""

import re
from typing import Any, Final

import numpy as np
from sklearn.pipeline import Pipeline

from models.estimators.lightgbm_learner import LightGBM

_LEAVES: Final = re.compile(r"^num_leaves=(\d+)$", re.MULTILINE)


def fitted_size(model: Any, n_columns: int) -> int:
    """Return how many numbers a fitted model predicts by: the leaves of its trees, or its coefficients.

    A learner that has neither counts its columns.
    """
    if isinstance(model, LightGBM):
        return sum(map(int, _LEAVES.findall(model.text)))
    if isinstance(model, Pipeline):
        return int(np.count_nonzero(getattr(model[-1], "coef_", np.ones(n_columns))))
    if hasattr(model, "estimators_"):
        return sum(int(tree.get_n_leaves()) for tree in np.ravel(model.estimators_) if hasattr(tree, "get_n_leaves"))
    if hasattr(model, "n_iter_") and hasattr(model, "max_leaf_nodes"):
        # Of histogram boosting the most that it may have: what it has is private.
        return int(np.max(model.n_iter_)) * int(model.max_leaf_nodes or 31)
    return n_columns
