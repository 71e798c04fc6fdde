"""Training what an experiment describes, and registering it."""

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
    """A new version and how good it is.

    Parameters
    ----------
    model_name, version
        As registered.
    champion : bool
        Whether it became the champion, being the first of its name.
    estimator : str
        What learned.
    trained_until : pd.Timestamp
        The last training cut-off.
    n_train, n_test : int
        Samples it learned from and was judged on.
    metrics : mapping of str to float
        Its evaluation.
    """

    model_name: str
    version: int
    champion: bool
    estimator: str
    trained_until: pd.Timestamp
    n_train: int
    n_test: int
    metrics: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values, the figures of the evaluation beside the rest."""
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
    """Train a model and register it; the first version of a name becomes the champion.

    Parameters
    ----------
    workspace : Workspace
        Telemetry, registry and records.
    experiment : Experiment
        What to train.
    now : pd.Timestamp
        Nothing known later is used.
    actor : str
        For the ledger, if it becomes the champion.
    progress : ProgressCallback
        Takes word of how far the work is.

    Returns
    -------
    TrainResult
        The version and its figures.

    Raises
    ------
    ModelError
        If there is nothing to learn from.
    """
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
