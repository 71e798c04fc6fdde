"""Machine learning: labels, training, evaluation, the model registry, and the outcomes of predictions.

`train` turns an `Experiment` and a `History` into an evaluated model; `Registry` stores it in MLflow with everything
needed to reproduce it, and `score` applies it. Names are loaded on first use: training and plotting libraries take
seconds to import, and joining predictions with outcomes needs neither.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.artifact.artifact import Artifact
    from models.artifact.scoring import score, score_features
    from models.estimators.estimators import register_estimator
    from models.experiment.experiment import Experiment, load_experiment
    from models.labels.labels import LabelState, failure_labels, remaining_life
    from models.outcomes.error_rates import ErrorRates
    from models.outcomes.outcomes import Outcomes, Terms
    from models.registry.registry import LoadedModel, Registry
    from models.registry.reproduce import Reproduction
    from models.registry.revision import code_revision
    from models.training.evaluation import Evaluation
    from models.training.training import Trained, train

_MODULES = {
    "Artifact": "artifact.artifact",
    "ErrorRates": "outcomes.error_rates",
    "Evaluation": "training.evaluation",
    "Experiment": "experiment.experiment",
    "LabelState": "labels.labels",
    "LoadedModel": "registry.registry",
    "Outcomes": "outcomes.outcomes",
    "Registry": "registry.registry",
    "Reproduction": "registry.reproduce",
    "Terms": "outcomes.outcomes",
    "Trained": "training.training",
    "code_revision": "registry.revision",
    "failure_labels": "labels.labels",
    "load_experiment": "experiment.experiment",
    "register_estimator": "estimators.estimators",
    "remaining_life": "labels.labels",
    "score": "artifact.scoring",
    "score_features": "artifact.scoring",
    "train": "training.training",
}

__all__ = [
    "Artifact",
    "ErrorRates",
    "Evaluation",
    "Experiment",
    "LabelState",
    "LoadedModel",
    "Outcomes",
    "Registry",
    "Reproduction",
    "Terms",
    "Trained",
    "code_revision",
    "failure_labels",
    "load_experiment",
    "register_estimator",
    "remaining_life",
    "score",
    "score_features",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'models' has no attribute {name!r}")
    return getattr(importlib.import_module(f"models.{_MODULES[name]}"), name)
