"""The telemetry that registered versions were trained on, and whether it is still there."""

import json
from collections.abc import Mapping

from data_contracts.tables.table_access import has_whole_version
from data_contracts.workspace import Workspace


def trained_on(tags: Mapping[str, str]) -> dict[str, int]:
    """Return the versions of the tables that a version was trained on, by its tags."""
    return {str(table): int(version) for table, version in json.loads(tags.get("data_version", "{}")).items()}


def deleted_tables(workspace: Workspace, tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the tables of which rows were deleted that a version may have been trained on."""
    return tuple(
        table for table, version in trained_on(tags).items() if not has_whole_version(workspace, table, version)
    )
