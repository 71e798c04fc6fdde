"""Labels, learning, judging, the registry, and what became of predictions.

An `Experiment` and a `History` go into `train`, which gives a judged model; `Registry` keeps it in MLflow with all
that made it, and `score` applies it. The names here are loaded when they are first used: learning and plotting take
seconds to import, and who only joins predictions with outcomes needs neither.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.artifact import Artifact
    from models.error_rates import ErrorRates
    from models.estimators import register as register_estimator
    from models.evaluation import Evaluation
    from models.experiment import Experiment, load_experiment
    from models.labels import LabelState, failure_labels, remaining_life
    from models.outcomes import Outcomes, Terms
    from models.registry import LoadedModel, Registry
    from models.reproduce import Reproduction
    from models.revision import code_revision
    from models.scoring import score, score_features
    from models.training import Trained, train

_HOMES = {
    "Artifact": "artifact",
    "ErrorRates": "error_rates",
    "Evaluation": "evaluation",
    "Experiment": "experiment",
    "LabelState": "labels",
    "LoadedModel": "registry",
    "Outcomes": "outcomes",
    "Registry": "registry",
    "Reproduction": "reproduce",
    "Terms": "outcomes",
    "Trained": "training",
    "code_revision": "revision",
    "failure_labels": "labels",
    "load_experiment": "experiment",
    "register_estimator": "estimators",
    "remaining_life": "labels",
    "score": "scoring",
    "score_features": "scoring",
    "train": "training",
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
