"""What is searched of each learner where an experiment declares no space."""

from collections.abc import Mapping
from typing import Any, Final

from data_contracts.errors import UsageError
from models.experiment.experiment import Experiment
from models.experiment.sweep_plan import SearchRange

_SPACES: Final[Mapping[str, Mapping[str, SearchRange | tuple[Any, ...]]]] = {
    "lightgbm": {
        "num_leaves": SearchRange(3, 63, True),
        "n_estimators": SearchRange(50, 800, True),
        "learning_rate": SearchRange(0.01, 0.2, True),
        "min_child_samples": SearchRange(10, 300, True),
        "feature_fraction": SearchRange(0.2, 1.0),
        "lambda_l2": SearchRange(0.01, 100.0, True),
        "extra_trees": (False, True),
    },
    "logistic": {"C": SearchRange(0.0001, 100.0, True)},
    "ridge": {"alpha": SearchRange(0.01, 10000.0, True)},
    "random_forest": {"min_samples_leaf": SearchRange(1, 100, True), "max_features": SearchRange(0.1, 1.0)},
    "extremely_randomized_trees": {
        "min_samples_leaf": SearchRange(1, 100, True),
        "max_features": SearchRange(0.1, 1.0),
    },
    "hist_gradient_boosting": {
        "max_leaf_nodes": SearchRange(3, 63, True),
        "max_iter": SearchRange(50, 400, True),
        "learning_rate": SearchRange(0.01, 0.2, True),
        "min_samples_leaf": SearchRange(10, 300, True),
        "l2_regularization": SearchRange(0.01, 100.0, True),
    },
}
# LightGBM's other names of what is searched: two of them at once would contradict each other.
_OTHER_NAMES: Final = {
    "min_child_samples": "min_data_in_leaf",
    "feature_fraction": "colsample_bytree",
    "lambda_l2": "reg_lambda",
}


def default_space(experiment: Experiment) -> dict[str, SearchRange | tuple[Any, ...]]:
    """Return the space of the experiment's learner, its parameters named as the experiment names them."""
    kind, given = experiment.estimator.kind, experiment.estimator.params
    if kind not in _SPACES:
        raise UsageError(
            f"no default space for the estimator {kind!r}",
            f"[sweep.space], or one of {', '.join(_SPACES)}",
            'Write what to vary, such as "estimator.params.C" = {low = 0.01, high = 100.0, log = true}',
        )
    named = {
        _OTHER_NAMES[name] if _OTHER_NAMES.get(name) in given else name: own for name, own in _SPACES[kind].items()
    }
    return {f"estimator.params.{name}": own for name, own in named.items()}
