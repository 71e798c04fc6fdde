"""What every flow does first: turn its parameters, which are plain text, into what the functions take."""

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


def opened(workspace: str) -> tuple[Workspace, Settings]:
    """Open a workspace and read its settings.

    Parameters
    ----------
    workspace : str
        Its folder.

    Returns
    -------
    tuple of Workspace and Settings
    """
    place = open_workspace(Path(workspace), os.environ)
    return place, read_settings(place, os.environ)


def moment(text: str | None) -> pd.Timestamp:
    """Read a time; the present if there is none.

    Parameters
    ----------
    text : str or None
        A time in ISO 8601; without a zone it is UTC.

    Returns
    -------
    pd.Timestamp
        In UTC.

    Raises
    ------
    UsageError
        If it is no time.
    """
    return pd.Timestamp.now("UTC") if text is None else parse_timestamp(text)


def on_duty(workspace: Workspace, model: str | None, *, alarms: bool = False) -> list[str]:
    """Return the models to work on: the one named, or all that have a champion.

    Parameters
    ----------
    workspace : Workspace
        Where the registry is.
    model : str or None
        A model's name.
    alarms : bool
        Leave out those that foretell remaining life, unless named.

    Returns
    -------
    list of str
        Names of registered models.
    """
    if model is not None:
        return [model]
    registry = Registry(workspace)
    names = [name for name in registry.names() if registry.champion(name) is not None]
    return [name for name in names if not alarms or registry.tags(name, "champion").get("target") == "failure"]


def is_passing(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Say whether to try again: a store may be locked for a while, everything else stays as it is."""
    return isinstance(state.result(raise_on_failure=False), StorageError)
