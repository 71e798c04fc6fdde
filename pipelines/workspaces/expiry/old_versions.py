"""Files of tables that only earlier versions have, and their log: rows stay, and what models were trained on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from data_contracts.tables.table_access import EVERY, table_names
from data_contracts.upkeep.table_files import has_undated_rows
from data_contracts.upkeep.unused_files import Removal, remove_unused
from data_contracts.workspace import Workspace
from pipelines.upkeep.trained_versions import trained_versions
from pipelines.upkeep.upkeep import is_kept_up

UNDATED = "files of earlier versions are kept, as it has rows from before tables noted which version stored them"


@dataclass(frozen=True)
class RemovedVersions:
    """What was removed of tables, or would be, and why nothing was of others."""

    tables: Mapping[str, Removal]
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Return the bytes by which the disk is emptier."""
        return sum(each.size + each.log_size for each in self.tables.values())

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values by table."""
        return {table: asdict(each) for table, each in self.tables.items()}


def remove_old_versions(
    workspace: Workspace, kept_for: pd.Timedelta, *, now: pd.Timestamp, dry_run: bool
) -> RemovedVersions:
    """Remove data files and log that left their tables longer ago; tables that upkeep looks after are left to it."""
    trained, removed, notes = trained_versions(workspace), dict[str, Removal](), list[str]()
    for table in table_names(workspace, EVERY):
        if is_kept_up(table):
            continue
        if has_undated_rows(workspace, table):
            notes.append(f"{table}: {UNDATED}")
            continue
        versions = {each.version for each in trained if each.table == table}
        limits = {"grace": kept_for, "log_kept": kept_for}
        removed[table] = remove_unused(workspace, table, now=now, kept_versions=versions, **limits, dry_run=dry_run)
    return RemovedVersions({table: each for table, each in removed.items() if each != Removal()}, tuple(notes))
