"""Backup of a workspace while others use it: all of it as it was at one moment.

For a moment nobody writes into records and registry: a snapshot of the records begins, the registry is copied, and the
tables' versions are noted. Then the rest is copied while everybody goes on: what belongs to a version of a table, and a
registered model's files, never change.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.configuration.database import is_server
from data_contracts.configuration.sqlite_urls import sqlite_file
from data_contracts.copies.database_copy import copy_database, end_leases, snapshot, writers_held
from data_contracts.copies.file_copy import FileDigest, copy_file, file_digest
from data_contracts.copies.records_copy import copy_to_file, server_snapshot, server_writers_held
from data_contracts.copies.table_copy import pinned_versions, table_copy_files
from data_contracts.errors import StorageError, UsageError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.leases import hold_lease, release_if_dead
from data_contracts.records.records import open_to_copy
from data_contracts.tables.table_access import location
from data_contracts.workspace import ARTIFACTS_FOLDER, RECORDS_FILE, REGISTRY_FILE, Workspace
from models.registry.registry import Registry
from models.registry.store.moved_store import end_running, rewrite_moved_if_writable, version_folders
from pipelines.indicators.definitions import defined
from pipelines.upkeep.upkeep import LEASE
from pipelines.workspaces.manifest import CONTENT, Manifest
from pipelines.workspaces.new_folder import new_folder, refuse_filled

if TYPE_CHECKING:
    from rich.text import Text

_MB = 1e6
LEFT_OUT = ("prefect", "serving", "backtest", "parts")
"""Folders of a workspace that come again by themselves: the runs of flows, the endpoint's state, what was computed."""
_TABLES = "tables"
_JOURNALS = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class BackupResult:
    """A backup that was made."""

    target: Path
    manifest: Manifest

    def to_dict(self) -> dict[str, Any]:
        """Return what was backed up, without the digests."""
        made = self.manifest
        return {
            "backup": str(self.target),
            "workspace": made.workspace,
            "made_at": made.made_at,
            "files": len(made.files),
            "bytes": made.size,
            "tables": dict(made.tables),
            "models": {name: list(versions) for name, versions in made.models.items()},
            "left_out": list(made.left_out),
        }

    def __rich__(self) -> "Text":
        """Render it in sentences."""
        from rich.text import Text

        made = self.manifest
        models = sum(len(versions) for versions in made.models.values())
        left_out = f" Not in it, as they come again: {', '.join(made.left_out)}." if made.left_out else ""
        return Text(
            f"Backed up {made.workspace} to {self.target}: {len(made.files):,} files, {made.size / _MB:,.1f} MB, "
            f"{len(made.tables)} tables, {models} registered versions.{left_out}"
        )


def back_up(
    workspace: Workspace, target: Path, *, now: pd.Timestamp, progress: ProgressCallback = silent
) -> BackupResult:
    """Copy records, registry, models' files, tables, contracts and settings as they are now into a new folder.

    `UsageError` if the target is not empty or inside the workspace, or a store is not in files of this machine;
    `ModelError` while upkeep runs; `StorageError` if a database is damaged or the disk is full.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 - a target that is a link stays one
    _check(workspace, target)
    rewrite_moved_if_writable(workspace)
    if not _file(workspace.mlflow_uri).exists():
        Registry(workspace).create_store()
    engine = open_to_copy(workspace.records_url)
    release_if_dead(engine, LEASE)
    # The lease keeps upkeep from removing what is being copied.
    with (
        hold_lease(engine, LEASE, "upkeep or backup of this workspace") as lease,
        new_folder(target) as filled,
    ):
        content = filled / CONTENT
        content.mkdir(mode=0o700)
        tables = _copy_databases(workspace, content)
        models = _registered(content, workspace)
        digests = {path: file_digest(content / path) for path in (RECORDS_FILE, REGISTRY_FILE)}
        digests |= _copy_files(content, list(_files(workspace, tables)), progress)
        _check_models(workspace, content)
        manifest = Manifest(
            forewarn=installed("forewarn"),
            made_at=now.isoformat(),
            workspace=str(workspace.root),
            artifacts=workspace.artifacts_url.rstrip("/"),
            tables=tables,
            models=models,
            left_out=[name for name in LEFT_OUT if (workspace.root / name).exists()],
            files={f"{CONTENT}/{path}": digest for path, digest in sorted(digests.items())},
        )
        lease.check()  # or upkeep may have removed what was still to be copied
        manifest.write(filled)
    return BackupResult(target, manifest)


def _check(workspace: Workspace, target: Path) -> None:
    stores = {
        "records": sqlite_file(workspace.records_url) is not None or is_server(workspace.records_url),
        "registry": sqlite_file(workspace.mlflow_uri) is not None,
        "tables": "://" not in workspace.tables_url,
        "artifacts": "://" not in workspace.artifacts_url,
    }
    elsewhere = [name for name, is_here in stores.items() if not is_here]
    if elsewhere:
        raise UsageError(
            f"the {' and '.join(elsewhere)} of this workspace are on a server",
            "stores in files of this machine",
            "Back servers up by their own means, such as pg_dump or the object store's versions; first the registry, "
            "then the tables. Records in PostgreSQL are no obstacle",
        )
    if target.resolve().is_relative_to(workspace.root):
        raise UsageError(f"{target} is inside the workspace", "a folder elsewhere", "Choose another, on another disk")
    refuse_filled(target)


def _copy_databases(workspace: Workspace, content: Path) -> dict[str, int]:
    """Copy records and registry, and return the tables' versions of the same moment."""
    registry = _file(workspace.mlflow_uri)
    derived = [each.plan.table for each in defined(workspace)]
    with ExitStack() as stack:
        with ExitStack() as moment:
            copy_records = _hold_records(workspace, moment, stack)
            moment.enter_context(writers_held([registry]))
            with snapshot(registry) as store:
                copy_database(store, content / REGISTRY_FILE)
            tables = pinned_versions(workspace, derived)
        copy_records(content / RECORDS_FILE)
    end_leases(content / RECORDS_FILE)
    end_running(content / REGISTRY_FILE)
    return tables


def _hold_records(workspace: Workspace, moment: ExitStack, until_copied: ExitStack) -> Callable[[Path], None]:
    """Keep the records from being written to for a moment; return what copies them as they are in it."""
    file = sqlite_file(workspace.records_url)
    if file is None:
        engine = open_to_copy(workspace.records_url)
        moment.enter_context(server_writers_held(engine))
        return partial(copy_to_file, until_copied.enter_context(server_snapshot(engine)))
    moment.enter_context(writers_held([file]))
    return partial(copy_database, until_copied.enter_context(snapshot(file)))


def _file(url: str) -> Path:
    file = sqlite_file(url)
    if file is None:
        raise UsageError(f"{url} is no file", "a database in a file", "Back it up by its own means")
    return file


def _files(workspace: Workspace, tables: dict[str, int]) -> Iterator[tuple[Path, str]]:
    """Yield what is to be copied, and where to within the backup's workspace."""
    artifacts = Path(workspace.artifacts_url)
    for name, version in tables.items():
        folder = Path(location(workspace, name))
        for path in table_copy_files(workspace, name, version):
            yield folder / path, f"{_TABLES}/{name}/{path}"
    for file in _regular(artifacts):
        yield file, f"{ARTIFACTS_FOLDER}/{file.relative_to(artifacts).as_posix()}"
    databases = {sqlite_file(workspace.records_url), sqlite_file(workspace.mlflow_uri)}
    elsewhere = {Path(workspace.tables_url), artifacts, *(workspace.root / name for name in LEFT_OUT)}
    for file in _regular(workspace.root):
        database = file.with_name(_without_journal(file.name))
        if database not in databases and not any(file.is_relative_to(folder) for folder in elsewhere):
            yield file, file.relative_to(workspace.root).as_posix()


def _regular(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _without_journal(name: str) -> str:
    return next((name.removesuffix(ending) for ending in _JOURNALS if name.endswith(ending)), name)


def _copy_files(content: Path, files: Sequence[tuple[Path, str]], progress: ProgressCallback) -> dict[str, FileDigest]:
    digests = {}
    for number, (source, path) in enumerate(files):
        progress("copying files", number, len(files))
        try:
            digests[path] = copy_file(source, content / path)
        except FileNotFoundError:
            # A run in progress has deleted it; what the tables need is there, by the lease.
            if path.startswith(f"{_TABLES}/"):
                raise
    progress("copying files", len(files), len(files))
    return digests


def _registered(content: Path, workspace: Workspace) -> dict[str, list[int]]:
    found = version_folders(content / REGISTRY_FILE, workspace)
    return {name: [number for model, number, _ in found if model == name] for name, _, _ in found}


def _check_models(workspace: Workspace, content: Path) -> None:
    """Raise a `StorageError` if files of a registered version are not among those that were copied."""
    artifacts = Path(workspace.artifacts_url)
    for name, number, folder in version_folders(content / REGISTRY_FILE, workspace):
        inside = folder is not None and folder.is_relative_to(artifacts)
        if folder is not None and inside and (content / ARTIFACTS_FOLDER / folder.relative_to(artifacts)).is_dir():
            continue
        raise StorageError(
            f"the files of {name} version {number} are not in {artifacts}, but at {folder}",
            "every registered version there",
            "Delete that version with `forewarn models delete`, or put its files there",
        )
