"""Train and register the model that an experiment describes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.records import open_records
from data_contracts.tables.history import read_history
from data_contracts.workspace import Workspace
from features.names import format_duration
from models.experiment.experiment import Experiment
from models.registry.promotion import promote
from models.registry.registry import Registry
from models.registry.revision import code_revision
from models.training.left_out import booked_again_sentence, left_out_sentence
from models.training.samples import observation_rule
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
    left_out: Mapping[str, int] = field(default_factory=dict)  # how many cut-offs are no samples, by reason
    booked_again: int = 0  # failures that only book a breakdown again
    breakdown: str = ""  # failures of an asset up to this long after the first of a breakdown are that one

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was left out."""
        again = (booked_again_sentence(self.booked_again, self.breakdown),) if self.booked_again else ()
        return (left_out_sentence(self.left_out), *again)

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
            "left_out": dict(self.left_out),
            "booked_again": self.booked_again,
            "breakdown": self.breakdown,
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
        left_out=trained.left_out,
        booked_again=trained.booked_again,
        breakdown=format_duration(observation_rule(experiment).breakdown),
    )
