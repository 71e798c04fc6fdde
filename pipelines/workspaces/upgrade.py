"""Upgrade of a workspace to the versions that this program writes; repeated, it goes on where it is due."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.configuration.private_files import make_private
from data_contracts.configuration.sqlite_urls import refuse_emptied
from data_contracts.configuration.workspace_version import (
    WORKSPACE_VERSION,
    read_workspace_version,
    write_workspace_version,
)
from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.migrations.migrate import pending_revisions
from data_contracts.records.records import migrate_records, records_revision
from data_contracts.workspace import Workspace
from models.registry.mlflow_store import storage_errors
from models.registry.store.moved_store import find_moved, rewrite_moved
from models.registry.store.store_schema import migrate_store, other_schema, read_store_schema
from pipelines.workspaces.backup import back_up

if TYPE_CHECKING:
    from rich.text import Text


@dataclass(frozen=True)
class UpgradeStep:
    """A part of the workspace that is of an earlier version."""

    part: str
    found: str
    becomes: str
    what: str  # is done


@dataclass(frozen=True)
class UpgradeResult:
    """What was upgraded, or would be."""

    workspace: Path
    dry_run: bool
    steps: tuple[UpgradeStep, ...]
    backup: Path | None

    def to_dict(self) -> Mapping[str, Any]:
        """Return JSON values."""
        return {
            "workspace": str(self.workspace),
            "dry_run": self.dry_run,
            "steps": [asdict(step) for step in self.steps],
            "backup": None if self.backup is None else str(self.backup),
        }

    def __rich__(self) -> "Text":
        """Render a line for each step."""
        from rich.text import Text

        if not self.steps:
            return Text(f"The workspace at {self.workspace} is up to date.")
        head = "This would be done" if self.dry_run else "Done"
        lines = [f"{step.part}: {step.found} becomes {step.becomes} ({step.what})" for step in self.steps]
        backed_up = "" if self.backup is None else f"\nBacked up before to {self.backup}."
        advice = (
            "\nMake a backup on the way: forewarn upgrade --backup FOLDER" if self.dry_run and not backed_up else ""
        )
        return Text("\n".join([f"{head}:", *lines]) + backed_up + advice)


def upgrade(
    workspace: Workspace,
    *,
    now: pd.Timestamp,
    dry_run: bool = False,
    backup: Path | None = None,
    progress: ProgressCallback = silent,
) -> UpgradeResult:
    """Bring layout, records and registry to this program's versions, or only say what would be done.

    With `backup` a backup is made there first, if there is anything to do. `StorageError` if a part is of a version
    that this program does not know, or cannot be written.
    """
    due = list(_due(workspace))
    steps = tuple(step for step, _ in due)
    if dry_run or not due:
        return UpgradeResult(workspace.root, dry_run, steps, None)
    made = None if backup is None else back_up(workspace, backup, now=now, progress=progress).target
    for number, (step, apply) in enumerate(due):
        progress(step.part, number, len(due))
        with storage_errors(workspace):
            apply()
    return UpgradeResult(workspace.root, dry_run, steps, made)


def _due(workspace: Workspace) -> Iterator[tuple[UpgradeStep, Callable[[], object]]]:
    records = records_revision(workspace.records_url)
    if records is not None and (pending := pending_revisions(records)):
        what = "; ".join(f"{each.revision}: {each.what[0].lower()}{each.what[1:].rstrip('.')}" for each in pending)
        step = UpgradeStep("records", f"revision {records}", f"revision {pending[-1].revision}", what)
        yield step, lambda: migrate_records(workspace.records_url)
    refuse_emptied(workspace.mlflow_uri, "MLflow's store")
    with storage_errors(workspace):
        schema = read_store_schema(workspace)
        moved = find_moved(workspace)
    if schema is not None and not schema.is_known:
        raise other_schema(workspace)
    if schema is not None and not schema.is_current:
        what = "MLflow's own migrations"
        yield UpgradeStep("registry", schema.found, schema.expected, what), lambda: migrate_store(workspace)
    if moved:
        homes, what = ", ".join(each.old for each in moved), "paths of models' files"
        yield UpgradeStep("registry", homes, str(workspace.root), what), lambda: rewrite_moved(workspace)
    version = read_workspace_version(workspace.root)
    if version < WORKSPACE_VERSION:
        what = "the version is noted, and nobody but the owner may read what holds data"
        step = UpgradeStep("workspace", f"version {version}", f"version {WORKSPACE_VERSION}", what)
        yield step, lambda: _bring_layout(workspace)


def _bring_layout(workspace: Workspace) -> None:
    make_private(workspace.root)
    write_workspace_version(workspace.root)
