"""Deletion of rows of a table that no model is trained on, in one commit."""

import pandas as pd
import pyarrow.compute as pc

from data_contracts.tables.table_access import DELETED, DELETED_FROM, DELETED_UNTIL, REWRITTEN, open_to_read, storage
from data_contracts.upkeep.deletion import Deletion, instant
from data_contracts.upkeep.exchange import exchange
from data_contracts.upkeep.sorted_files import write_sorted
from data_contracts.upkeep.table_files import dataset, file_system, table_files
from data_contracts.workspace import Workspace


def up_to(column: str, time: pd.Timestamp) -> pc.Expression:
    """Return the condition that a column's time is not after another."""
    return pc.field(column) <= instant(time)


def delete_rows(
    workspace: Workspace, table: str, condition: pc.Expression, *, until: pd.Timestamp, dry_run: bool = False
) -> Deletion:
    """Delete the rows for which a condition is true; versions before say afterwards that they are no longer whole.

    `until` is noted as the time up to which rows were deleted.
    """
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return Deletion()
        # A row of which nothing is known stays.
        expired = pc.coalesce(condition, pc.scalar(False))
        counts = {file: dataset(delta, [file]).count_rows(filter=expired) for file in table_files(delta)}
        old = [file for file, rows in counts.items() if rows]
        rows, size = sum(counts.values()), sum(file.size for file in old)
        if dry_run or not old:
            return Deletion(rows, len(old), size)
        new = [
            write_sorted(file_system(delta), rest, data_change=True)
            for file in old
            if len(rest := dataset(delta, [file]).to_table(filter=~expired))
        ]
        before = delta.transaction_version(DELETED_UNTIL) or 0
        marks = {
            REWRITTEN: None,
            DELETED: None,
            DELETED_FROM: 0,
            DELETED_UNTIL: max(before, int(until.as_unit("us").asm8.astype("int64"))),
        }
        if exchange(workspace, table, old, new, marks, data_change=True) is None:
            return Deletion(postponed=True)
        return Deletion(rows, len(old), size - sum(action.size for action in new))
