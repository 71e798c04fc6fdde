"""What the flows start with: open the workspace, parse times, choose the models."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from prefect.client.schemas.objects import State, TaskRun
from prefect.logging import get_logger
from prefect.tasks import Task

from data_contracts.contract.registered import find_telemetry_contract
from data_contracts.errors import StorageError
from data_contracts.tracing.export import start_tracing
from data_contracts.workspace import Workspace, open_workspace
from features.clock import clock_of
from models.registry.registry import CHAMPION, Registry
from pipelines.settings.settings import Settings, read_settings
from pipelines.settings.timestamps import parse_timestamp


def open_workspace_and_settings(folder: str) -> tuple[Workspace, Settings]:
    """Open a workspace and read its settings, both with this process's environment."""
    workspace = open_workspace(Path(folder), os.environ)
    refused = start_tracing("forewarn", os.environ)
    if refused:
        get_logger().warning(refused)
    return workspace, read_settings(workspace, os.environ)


def time_or_now(text: str | None) -> pd.Timestamp:
    """Parse an ISO 8601 time (UTC where it names no zone), or return the present."""
    return pd.Timestamp.now("UTC") if text is None else parse_timestamp(text)


MONITORED = ("failure", "condition", "anomaly")
RETRAINED = ("failure", "anomaly")
"""The targets of the champions that the flows of these names run for; of those that count cycles none is retrained."""


def models_to_run(workspace: Workspace, model: str | None, *, only: Sequence[str] = ()) -> list[str]:
    """Return the model named, or else all that have a champion, or one of the targets in `only`."""
    if model is not None:
        return [model]
    registry = Registry(workspace)
    names = [name for name in registry.names() if registry.champion(name) is not None]
    if not only:
        return names
    tags = {name: registry.tags(name, CHAMPION) for name in names}
    names = [name for name in names if tags[name].get("target") in only]
    return [name for name in names if only != RETRAINED or not _counts_cycles(workspace, tags[name])]


def _counts_cycles(workspace: Workspace, tags: Mapping[str, str]) -> bool:
    asset_type = json.loads(tags.get("experiment", "{}")).get("data", {}).get("asset_type", "")
    return clock_of(find_telemetry_contract(workspace.contracts, asset_type)).cycle is not None


def is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return whether a retry may help: a store may be locked for a while, any other error would come again."""
    return isinstance(state.result(raise_on_failure=False), StorageError)
