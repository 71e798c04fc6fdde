"""Rows of tables that are kept for a time: what was refused, and the features of scoring runs."""

from collections.abc import Mapping

import pandas as pd
import pyarrow.compute as pc

from data_contracts.ingestion.quarantine_entries import TABLE
from data_contracts.tables.stored_features import latest_runs
from data_contracts.tables.table_access import FEATURES, table_names
from data_contracts.upkeep.entries_under_way import entries_under_way
from data_contracts.upkeep.row_deletion import delete_rows, up_to
from data_contracts.upkeep.table_files import has_undated_rows
from data_contracts.workspace import Workspace

_SHORTLY = pd.Timedelta(1, "us")


def delete_quarantine(workspace: Workspace, until: pd.Timestamp, *, dry_run: bool) -> int:
    """Delete what was refused up to a time, replayed or not; what a batch or a replay goes on with stays."""
    condition = up_to("known_time", until)
    if under_way := entries_under_way(workspace, until):
        condition = condition & ~pc.field("entry").isin(list(under_way))
    return delete_rows(workspace, TABLE, condition, until=until, dry_run=dry_run).rows


def delete_features(workspace: Workspace, until: pd.Timestamp, *, dry_run: bool) -> Mapping[str, int]:
    """Delete the features of scoring runs up to a cut-off; the last run of each recipe stays: the endpoint reads it."""
    deleted = {}
    for table in table_names(workspace, (FEATURES,)):
        if not table.startswith(f"{FEATURES}/") or has_undated_rows(workspace, table):
            continue
        condition = up_to("event_time", until)
        for recipe, latest in latest_runs(workspace, table).items():
            condition = condition & ~((pc.field("recipe") == recipe) & ~up_to("event_time", latest - _SHORTLY))
        deleted[table] = delete_rows(workspace, table, condition, until=until, dry_run=dry_run).rows
    return {table: rows for table, rows in deleted.items() if rows}
