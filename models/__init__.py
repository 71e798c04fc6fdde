"""Machine learning: labels, training, evaluation, the model registry, and the outcomes of predictions.

`train` turns an `Experiment` and a `History` into an evaluated model; `Registry` stores it in MLflow with everything
needed to reproduce it, and `score` applies it. Names are loaded on first use: training and plotting libraries take
seconds to import, and joining predictions with outcomes needs neither.
"""

from typing import TYPE_CHECKING

from data_contracts.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from models.artifact.artifact import Artifact
    from models.artifact.scoring import score, score_features
    from models.estimators.estimators import register_estimator
    from models.experiment.experiment import Experiment
    from models.experiment.experiment_file import load_experiment
    from models.labels.labels import LabelState, failure_labels, remaining_life
    from models.outcomes.error_rates import ErrorRates
    from models.outcomes.outcomes import Outcomes, Terms
    from models.registry.registry import LoadedModel, Registry
    from models.registry.reproduce import Reproduction
    from models.registry.revision import code_revision
    from models.training.evaluation import Evaluation
    from models.training.training import Trained, train

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

__getattr__ = lazy_exports(
    __name__,
    {
        "artifact.artifact": ("Artifact",),
        "artifact.scoring": ("score", "score_features"),
        "estimators.estimators": ("register_estimator",),
        "experiment.experiment": ("Experiment",),
        "experiment.experiment_file": ("load_experiment",),
        "labels.labels": ("LabelState", "failure_labels", "remaining_life"),
        "outcomes.error_rates": ("ErrorRates",),
        "outcomes.outcomes": ("Outcomes", "Terms"),
        "registry.registry": ("LoadedModel", "Registry"),
        "registry.reproduce": ("Reproduction",),
        "registry.revision": ("code_revision",),
        "training.evaluation": ("Evaluation",),
        "training.training": ("Trained", "train"),
    },
)
