"""The models of a what-if comparison: registered versions, or those that the back-test trains, with their scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError, UsageError
from data_contracts.progress import ProgressCallback
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from features.names import format_duration
from models.artifact.artifact import Artifact
from models.experiment.experiment import Experiment
from models.registry.registry import CHAMPION, Registry
from models.what_if.alternatives import Alternative
from models.what_if.replay import ScoredModel
from pipelines.backtesting.backtest_versions import CachedModels, cache_folder
from pipelines.backtesting.cache_files import digest
from pipelines.evidence.champion import monitored_model
from pipelines.settings.settings import Settings
from pipelines.what_if.score_cache import cached_scores, horizon_column

Key = tuple[int | None, pd.Timedelta | None]
"""A registered version, None for the champion or what is trained, and a horizon that has to be trained for."""


@dataclass(frozen=True)
class UnscoredModel:
    """A model before it is applied."""

    name: str
    version: int | None
    artifact: Artifact
    experiment: Experiment
    from_time: pd.Timestamp  # what it predicts from here on knows nothing of its outcomes


@dataclass(frozen=True)
class ModelSource:
    """Where the models come from: the registry, or the back-test, which trains them at a time."""

    workspace: Workspace
    settings: Settings
    history: History
    experiment: Experiment  # today's
    registered: str | None  # the name of the model; None where models are trained
    train_at: pd.Timestamp | None  # set where they are
    progress: ProgressCallback

    @property
    def watched(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Return the times of the first and the last reading."""
        stored = self.history.stored
        if stored is None or stored.event_span is None:
            raise ModelError(
                f"no telemetry of any {self.history.asset_type}",
                "telemetry to replay",
                "Bring it in with `forewarn import`",
            )
        return stored.event_span

    def key_of(self, alternative: Alternative) -> Key:
        """Return which model raises an alternative's alarms; `UsageError` if there is none."""
        if self.registered is not None:
            return alternative.version, None
        if alternative.version is not None:
            raise UsageError(
                f"version {alternative.version} of an experiment that is trained for this",
                "a registered model, without --train-at",
                "Name the model, or leave out --version",
            )
        known = self.experiment.label.several or (self.experiment.label.horizon,)
        return None, None if alternative.horizon in (None, *known) else alternative.horizon

    def model(self, key: Key) -> UnscoredModel:
        """Load or train a model."""
        return self._registered(key[0]) if self.registered is not None else self._trained(key[1])

    def scored(self, model: UnscoredModel, span: tuple[pd.Timestamp, pd.Timestamp]) -> ScoredModel:
        """Apply a model to the cut-offs of a span."""
        artifact, versions = model.artifact, repr(sorted(self.history.versions.items()))
        inputs = [artifact.digest, model.experiment.to_json(), versions]
        folder = self.workspace.root / "backtest" / f"whatif-{digest(inputs)}"
        scores = cached_scores(artifact, model.experiment, self.history, folder, span, self.progress)
        columns = {horizon: horizon_column(horizon) for horizon in artifact.horizons}
        if artifact.threshold is None or artifact.horizon is None:
            raise ModelError(f"{model.name} raises no alerts", "a model with a horizon and a threshold", "Name another")
        return ScoredModel(model.name, model.version, artifact.threshold, artifact.horizon, columns, scores)

    def _registered(self, version: int | None) -> UnscoredModel:
        name = str(self.registered)
        loaded = monitored_model(Registry(self.workspace).load(name, CHAMPION if version is None else version))
        experiment = loaded.experiment
        # The label of its last training sample looked so far ahead.
        seen = loaded.trained_until + experiment.purge
        title = f"{name} version {loaded.model.version}"
        return UnscoredModel(title, loaded.model.version, loaded.model.artifact, experiment, seen)

    def _trained(self, horizon: pd.Timedelta | None) -> UnscoredModel:
        experiment, at = self.experiment, self.train_at
        if at is None:
            raise ValueError("no time to train at")
        if horizon is not None:
            experiment = replace(experiment, label=replace(experiment.label, horizon=horizon, horizons=None))
        folder = cache_folder(self.workspace.root, experiment, self.history, self.settings)
        models = CachedModels(self.workspace, experiment, self.history, self.settings, folder, progress=self.progress)
        artifact = models.artifact(models.train(at))
        title = f"{experiment.name} trained at {at:%Y-%m-%d}"
        return UnscoredModel(title, None, artifact, experiment, at)


def check_horizon(alternative: Alternative, model: UnscoredModel) -> None:
    """Raise `UsageError` if a model does not predict an alternative's horizon."""
    if alternative.horizon is None or alternative.horizon in model.artifact.horizons:
        return
    raise UsageError(
        f"a horizon of {format_duration(alternative.horizon)}, which {model.name} does not predict",
        f"one of {', '.join(map(format_duration, model.artifact.horizons))}",
        "Have a model trained for it with --train-at, a time or days after the first reading",
    )


def models_of(
    source: ModelSource, alternatives: tuple[Alternative, ...], say: Callable[[str], None]
) -> Mapping[Key, UnscoredModel]:
    """Load or train each model that is needed, once."""
    models: dict[Key, UnscoredModel] = {}
    for alternative in alternatives:
        key = source.key_of(alternative)
        if key not in models:
            if source.registered is None:
                say(f"Training {source.experiment.name} at {source.train_at:%Y-%m-%d}, unless that is cached.")
            models[key] = source.model(key)
        check_horizon(alternative, models[key])
    return models


def check_target(artifact_or_experiment: Any) -> None:
    """Raise `ModelError` unless failures are predicted."""
    if artifact_or_experiment.target != "failure":
        raise ModelError(
            f"target {artifact_or_experiment.target}",
            "a model of failures, whose probabilities a threshold can be set on",
            "Name a model or an experiment with target failure",
        )
