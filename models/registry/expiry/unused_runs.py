"""Runs of trainings that no registered version came from, or whose version was deleted: with their files."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.workspace import Workspace
from models.registry.mlflow_store import storage_errors
from models.registry.store.moved_store import local_path, own_path

_PAGE = 1000
_FOLDERS = ("artifacts",)


@dataclass(frozen=True)
class UnusedRun:
    """A run that ended before a time and that no version needs."""

    run_id: str
    models: tuple[str, ...]  # that were logged in it
    folders: tuple[Path, ...]  # of its files, in this workspace
    size: int  # their bytes


def unused_runs(workspace: Workspace, *, before: pd.Timestamp) -> tuple[UnusedRun, ...]:
    """Return the runs that ended before a time, and that no registered version is from."""
    with storage_errors(workspace):
        client = _client(workspace)
        used = {version.run_id for version in _all(client.search_model_versions)}
        return tuple(
            _unused(workspace, client, run)
            for run in _runs(client)
            if run.info.run_id not in used and (run.info.end_time or run.info.start_time) < before.timestamp() * 1000
        )


def delete_unused_runs(
    workspace: Workspace, runs: tuple[UnusedRun, ...], check: Callable[[], None] = lambda: None
) -> None:
    """Delete runs from MLflow's store for good, and then their files; `check` is called before each.

    Two who delete the same are in nobody's way: a run that is unused stays so.
    """
    with storage_errors(workspace):
        store: Any = _client(workspace)._tracking_client.store  # noqa: SLF001 - MLflow deletes for good only in its own command
        for run in runs:
            check()
            for model in run.models:
                store._hard_delete_logged_model(model)  # noqa: SLF001 - as above
            store._hard_delete_run(run.run_id)  # noqa: SLF001 - as above
            for folder in run.folders:
                shutil.rmtree(folder, ignore_errors=True)


def _client(workspace: Workspace) -> Any:
    from models.registry.registry import Registry

    registry = Registry(workspace)
    return registry._client  # noqa: SLF001 - opened as the registry opens it


def _runs(client: Any) -> Iterator[Any]:
    from mlflow.entities import ViewType

    experiments = [each.experiment_id for each in client.search_experiments(view_type=ViewType.ALL)]
    for experiment in experiments:
        page = None
        while page is None or page.token:
            page = client.search_runs(
                [experiment], run_view_type=ViewType.ALL, max_results=_PAGE, page_token=page.token if page else None
            )
            yield from (run for run in page if run.info.status not in ("RUNNING", "SCHEDULED"))


def _all(search: Any) -> Iterator[Any]:
    page = None
    while page is None or page.token:
        page = search(max_results=_PAGE, page_token=page.token if page else None)
        yield from page


def _unused(workspace: Workspace, client: Any, run: Any) -> UnusedRun:
    logged = client.search_logged_models([run.info.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'")
    locations = [run.info.artifact_uri, *(model.artifact_location for model in logged)]
    artifacts = local_path(workspace.artifacts_url)
    paths = (own_path(workspace, location) for location in locations)
    # A run's files are in a folder of its own that has its name; nothing outside the artifacts is touched.
    folders = tuple(
        path.parent if path.name in _FOLDERS else path
        for path in paths
        if path is not None and artifacts is not None and path.is_relative_to(artifacts) and path != artifacts
    )
    size = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
    return UnusedRun(run.info.run_id, tuple(model.model_id for model in logged), folders, size)
