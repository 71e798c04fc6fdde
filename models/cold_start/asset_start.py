"""How an asset is answered for: not yet, by its type's model, or by a baseline of its own; in a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from data_contracts.contract.registered import recorded_type
from data_contracts.tables.readings import first_readings
from data_contracts.workspace import Workspace
from models.artifact.artifact import Artifact
from models.cold_start.readiness import type_readiness
from models.cold_start.type_models import TypeModel, type_models
from models.labels.observation import observation_window
from models.registry.registry import Registry

Stage = Literal["no_telemetry", "no_model", "first_window", "type_model", "own_baseline"]


@dataclass(frozen=True)
class AssetStart:
    """How an asset is answered for at one time."""

    asset: str
    asset_type: str
    stage: Stage
    words: str
    model: str | None = None
    version: int | None = None
    own_from: pd.Timestamp | None = (
        None  # when it can have a baseline of its own at the earliest; None if it has, or never
    )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**vars(self), "own_from": None if self.own_from is None else self.own_from.isoformat()}


def asset_starts(
    workspace: Workspace,
    registry: Registry,
    asset: str,
    asset_type: str,
    *,
    now: pd.Timestamp,
    span: pd.Timedelta | None,
    plant: str | None = None,
) -> tuple[AssetStart, ...]:
    """Return how each champion of an asset's type answers for it; one that says what is missing where there is none.

    `span` is how long an asset has to be quiet for a baseline of its own; None for never.
    """
    models = models_for(workspace, type_models(registry), asset_type, plant)
    if not models:
        words = type_readiness(workspace, asset_type, now=now).words
        return (AssetStart(asset, asset_type, "no_model", words),)
    return tuple(_by_model(workspace, registry, asset, model, now=now, span=span) for model in models)


def models_for(
    workspace: Workspace, models: Sequence[TypeModel], asset_type: str, plant: str | None = None
) -> list[TypeModel]:
    """Return the models for assets recorded as of a type, those of derived telemetry included."""
    return [
        model
        for model in models
        if recorded_type(workspace.contracts, model.asset_type) == asset_type and model.plant in (None, plant)
    ]


def _by_model(
    workspace: Workspace,
    registry: Registry,
    asset: str,
    model: TypeModel,
    *,
    now: pd.Timestamp,
    span: pd.Timedelta | None,
) -> AssetStart:
    artifact = registry.load(model.name, model.version).artifact
    name = f"{model.name} version {model.version}"
    first = first_readings(workspace, f"telemetry/{model.asset_type}", as_of=now, assets=[asset]).get(asset)
    if first is None:
        words = f"{name} answers from its first complete window on; no telemetry is stored yet"
        return AssetStart(asset, model.asset_type, "no_telemetry", words, model.name, model.version)
    stage, words, own_from = _stage(artifact, asset, name, first, now, span)
    return AssetStart(asset, model.asset_type, stage, words, model.name, model.version, own_from)


def _stage(
    artifact: Artifact, asset: str, name: str, first: pd.Timestamp, now: pd.Timestamp, span: pd.Timedelta | None
) -> tuple[Stage, str, pd.Timestamp | None]:
    if artifact.target != "anomaly" or artifact.clock.cycle is not None:
        return "type_model", f"{name}, a model of its type", None
    own = artifact.baselines.get(asset)
    if own is not None:
        since, until = (pd.Timestamp(time) for time in (own.since, own.until))
        return "own_baseline", f"{name}, by its own baseline of {since:%Y-%m-%d} to {until:%Y-%m-%d}", None
    window = observation_window(artifact.recipe.windows)
    complete = first + window
    own_from = None if span is None else complete + span + artifact.claim
    if now < complete:
        hours = (now - first) / pd.Timedelta(hours=1)
        needed = window / pd.Timedelta(hours=1)
        return (
            "first_window",
            f"{name} answers from its first complete window on: {hours:.3g} of {needed:.3g} h",
            own_from,
        )
    if own_from is None:
        return "type_model", f"{name}, by the baseline of its type", None
    when = f"from {own_from:%Y-%m-%d} at the earliest" if own_from > now else "once enough of its windows were quiet"
    return "type_model", f"{name}, by the baseline of its type; by its own {when}", own_from
