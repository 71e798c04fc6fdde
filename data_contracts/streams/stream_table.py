"""Appending to a table again and again from one process, each time with the application transactions of what is new.

The table is opened once: its handle knows the version that it made, and that nothing else was appended unless a commit
conflicts. What another process appends to other streams in the meantime is no conflict.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from data_contracts.tables.arrow_frames import with_stored_version
from data_contracts.tables.table_access import location, storage
from data_contracts.tables.table_handles import open_table
from data_contracts.tables.tables import commit_rows, create_table
from data_contracts.workspace import Workspace

_REOPEN_EVERY = 32  # commits; a handle's commits take longer and longer, half as long again after 240

_ATTEMPTS = 100
_MOST_NUMBERS = 200_000  # streams that are remembered


class TransactionConflictError(Exception):
    """Another process has stored something of the same streams since; what is new has to be found out again."""


@dataclass
class StreamTable:
    """A table that streams are appended to."""

    workspace: Workspace
    table: str
    delta: DeltaTable | None = None  # opened on first use
    commits: int = 0  # since it was opened
    numbers: dict[str, int | None] = field(default_factory=dict)  # by stream, the last number as far as known here

    def transaction(self, stream: str) -> int | None:
        """Return the last number of a stream that is stored; None without any."""
        with storage(self.workspace, self.table):
            delta = self._opened()
            last = None if delta is None else delta.transaction_version(stream)
            self.numbers[stream] = None if last is None else int(last)
            return self.numbers[stream]

    def append(self, rows: pa.Table, transactions: Mapping[str, int]) -> int:
        """Append rows and the last number of each of their streams in one commit; return the version it made.

        `TransactionConflictError` if another process has stored any of these streams since it was last asked for or
        appended to here; nothing is stored then.
        """
        with storage(self.workspace, self.table):
            for attempt in range(_ATTEMPTS):
                delta = self._opened()
                try:
                    if delta is None:
                        schema = with_stored_version(rows, 0).schema
                        self.delta = delta = create_table(self.workspace, self.table, schema)
                    if self._has_newer_version(delta):
                        delta.update_incremental()
                    self._refuse_conflict(delta, transactions)
                    version = int(delta.version()) + 1
                    commit_rows(delta, with_stored_version(rows, version), transactions)
                except DeltaError:
                    # Another process has appended something else, or this one is out of luck.
                    self.delta = None
                    latest = self._opened()
                    before = -1 if delta is None else int(delta.version())
                    if attempt == _ATTEMPTS - 1 or latest is None or int(latest.version()) <= before:
                        raise
                    continue
                self._note(transactions)
                return version
        raise AssertionError("unreachable")

    def _note(self, transactions: Mapping[str, int]) -> None:
        if len(self.numbers) > _MOST_NUMBERS:
            self.numbers.clear()
        self.numbers.update(transactions)
        self.commits += 1
        if self.commits >= _REOPEN_EVERY:
            self.delta = None

    def refresh(self) -> None:
        """Open the table again at the next use, and know of no stream."""
        self.delta = None
        self.numbers.clear()

    def _refuse_conflict(self, delta: DeltaTable, streams: Iterable[str]) -> None:
        for stream in streams:
            if stream in self.numbers and delta.transaction_version(stream) != self.numbers[stream]:
                raise TransactionConflictError(f"table {self.table} has newer rows of {stream}")

    def _opened(self) -> DeltaTable | None:
        where = location(self.workspace, self.table)
        # A folder that was removed under a running process is no table any more.
        if self.delta is not None and "://" not in where and not os.path.isdir(f"{where}/_delta_log"):  # noqa: PTH112
            self.delta = None
        if self.delta is None:
            self.delta, self.commits = open_table(where), 0
        return self.delta

    def _has_newer_version(self, delta: DeltaTable) -> bool:
        where = location(self.workspace, self.table)
        return "://" in where or os.path.exists(f"{where}/_delta_log/{int(delta.version()) + 1:020}.json")  # noqa: PTH110
