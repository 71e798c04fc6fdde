"""Labels, learning, judging, the registry, and what became of predictions.

An `Experiment` and a `History` go into `train`, which gives a judged model; `Registry` keeps it in MLflow with all
that made it, and `score` applies it. The names here are loaded when they are first used: learning and plotting take
seconds to import, and who only joins predictions with outcomes needs neither.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.artifact.artifact import Artifact
    from models.artifact.scoring import score, score_features
    from models.estimators.estimators import register as register_estimator
    from models.experiment.experiment import Experiment, load_experiment
    from models.labels.labels import LabelState, failure_labels, remaining_life
    from models.outcomes.error_rates import ErrorRates
    from models.outcomes.outcomes import Outcomes, Terms
    from models.registry.registry import LoadedModel, Registry
    from models.registry.reproduce import Reproduction
    from models.registry.revision import code_revision
    from models.training.evaluation import Evaluation
    from models.training.training import Trained, train

_HOMES = {
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
    if name not in _HOMES:
        raise AttributeError(f"module 'models' has no attribute {name!r}")
    home = importlib.import_module(f"models.{_HOMES[name]}")
    return getattr(home, "register" if name == "register_estimator" else name)
