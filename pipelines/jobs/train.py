"""Train and register the model that an experiment describes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.records import open_records
from data_contracts.tables.history import read_history
from data_contracts.workspace import Workspace
from models.experiment.experiment import Experiment
from models.registry.promotion import promote
from models.registry.registry import Registry
from models.registry.revision import code_revision
from models.training.training import train


@dataclass(frozen=True)
class TrainResult:
    """A new version and the metrics of its evaluation."""

    model_name: str
    version: int
    champion: bool  # whether it became the champion, being the first of its name
    estimator: str
    trained_until: pd.Timestamp  # the last training cut-off
    n_train: int
    n_test: int
    metrics: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, the metrics beside the rest."""
        return {
            "model": self.model_name,
            "version": self.version,
            "champion": self.champion,
            "estimator": self.estimator,
            "trained_until": self.trained_until.isoformat(),
            "n_train": self.n_train,
            "n_test": self.n_test,
            **self.metrics,
        }


def train_experiment(
    workspace: Workspace,
    experiment: Experiment,
    *,
    now: pd.Timestamp,
    actor: str = "forewarn",
    progress: ProgressCallback = silent,
) -> TrainResult:
    """Train a model and register it; the first version of a name becomes the champion, promoted by `actor`."""
    history = read_history(workspace, experiment.data.asset_type, plant=experiment.data.plant, as_of=now)
    trained = train(experiment, history, progress=progress)
    registry, name = Registry(workspace), experiment.model_name
    version = registry.register(trained, revision=code_revision())
    first = registry.champion(name) is None
    if first:
        promote(
            registry,
            open_records(workspace.records_url),
            name,
            expected_champion=None,
            to_version=version,
            actor=actor,
            reason="There was no champion of this name.",
            evidence={},
            now=now,
            data_versions=history.versions,
        )
    return TrainResult(
        model_name=name,
        version=version,
        champion=first,
        estimator=trained.artifact.estimator,
        trained_until=trained.trained_until,
        n_train=trained.n_train,
        n_test=trained.n_test,
        metrics=trained.evaluation.metrics,
    )
