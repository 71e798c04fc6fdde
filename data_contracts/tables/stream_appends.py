"""Appending to a table again and again from one process, each time with the application transactions of what is new.

The table is opened once: its handle knows the version that it made, and that nothing else was appended unless a commit
conflicts. What another process appends to other streams in the meantime is no conflict.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from data_contracts.tables.arrow_frames import with_stored_version
from data_contracts.tables.table_access import location, storage
from data_contracts.tables.table_handles import open_table
from data_contracts.tables.tables import commit_rows, create_table
from data_contracts.workspace import Workspace


class TransactionConflictError(Exception):
    """Another process has stored something of the same streams since; what is new has to be found out again."""


@dataclass
class StreamTable:
    """A table that streams are appended to."""

    workspace: Workspace
    table: str
    delta: DeltaTable | None = None  # opened on first use

    def transaction(self, stream: str) -> int | None:
        """Return the last number of a stream that is stored; None without any."""
        with storage(self.workspace, self.table):
            delta = self._opened()
            last = None if delta is None else delta.transaction_version(stream)
            return None if last is None else int(last)

    def append(self, rows: pa.Table, transactions: Mapping[str, int]) -> int:
        """Append rows and the last number of each of their streams in one commit; return the version it made.

        `TransactionConflictError` if another process has stored any of these streams since; nothing is stored then.
        """
        with storage(self.workspace, self.table):
            delta = self._opened()
            if delta is None:
                self.delta = delta = create_table(self.workspace, self.table, with_stored_version(rows, 0).schema)
            seen = _numbers(delta, transactions)
            if self._has_newer_version(delta):
                delta.update_incremental()
            if _numbers(delta, transactions) != seen:
                raise TransactionConflictError(f"table {self.table} has newer rows of the same streams")
            try:
                commit_rows(delta, with_stored_version(rows, int(delta.version()) + 1), transactions)
            except DeltaError as error:
                self.delta = None
                latest = self._opened()
                if latest is not None and _numbers(latest, transactions) != seen:
                    raise TransactionConflictError(str(error)) from error
                raise
            return int(delta.version())

    def refresh(self) -> None:
        """Open the table again at the next use, as other processes may have changed it."""
        self.delta = None

    def _opened(self) -> DeltaTable | None:
        where = location(self.workspace, self.table)
        # A folder that was removed under a running process is no table any more.
        if self.delta is not None and "://" not in where and not os.path.isdir(f"{where}/_delta_log"):  # noqa: PTH112
            self.delta = None
        if self.delta is None:
            self.delta = open_table(where)
        return self.delta

    def _has_newer_version(self, delta: DeltaTable) -> bool:
        where = location(self.workspace, self.table)
        return "://" in where or os.path.exists(f"{where}/_delta_log/{int(delta.version()) + 1:020}.json")  # noqa: PTH110


def _numbers(delta: DeltaTable, streams: Iterable[str]) -> dict[str, int | None]:
    return {stream: delta.transaction_version(stream) for stream in streams}
