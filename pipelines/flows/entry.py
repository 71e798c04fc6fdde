"""What the flows start with: open the workspace, parse times, choose the models."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from data_contracts.errors import StorageError
from data_contracts.workspace import Workspace, open_workspace
from models.registry.registry import Registry
from pipelines.settings.settings import Settings, read_settings
from pipelines.settings.timestamps import parse_timestamp


def open_workspace_and_settings(folder: str) -> tuple[Workspace, Settings]:
    """Open a workspace and read its settings, both with this process's environment."""
    workspace = open_workspace(Path(folder), os.environ)
    return workspace, read_settings(workspace, os.environ)


def time_or_now(text: str | None) -> pd.Timestamp:
    """Parse an ISO 8601 time (UTC where it names no zone), or return the present."""
    return pd.Timestamp.now("UTC") if text is None else parse_timestamp(text)


def models_to_run(workspace: Workspace, model: str | None, *, alarms_only: bool = False) -> list[str]:
    """Return the model named, or else all that have a champion, with `alarms_only` those that predict failures."""
    if model is not None:
        return [model]
    registry = Registry(workspace)
    names = [name for name in registry.names() if registry.champion(name) is not None]
    return [name for name in names if not alarms_only or registry.tags(name, "champion").get("target") == "failure"]


def is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return whether a retry may help: a store may be locked for a while, any other error would come again."""
    return isinstance(state.result(raise_on_failure=False), StorageError)
