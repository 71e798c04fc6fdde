"""Rows in data files that no version of their table has yet, and the one commit that makes them part of it.

Every row has the version that stores it, so that version is chosen before the first file is written. Where others have
made it since, as live telemetry does every second, the files are written once more for a later one, far enough ahead
that the versions between can be filled by commits of nothing. A process that is killed leaves files that no version
has, which `forewarn upkeep` removes.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import DeltaError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction

from data_contracts.contract.contract_types import STORED_VERSION
from data_contracts.tables.arrow_frames import with_stored_version
from data_contracts.tables.table_access import location, storage
from data_contracts.tables.table_handles import open_table
from data_contracts.tables.tables import create_table
from data_contracts.upkeep.sorted_files import write_sorted
from data_contracts.workspace import Workspace

_FILE_ROWS = 500_000
_ATTEMPTS = 100


class StagedRows:
    """Rows on their way into a table."""

    def __init__(self, workspace: Workspace, table: str) -> None:
        self._workspace, self._table = workspace, table
        self._where = location(workspace, table)
        self._files: list[AddAction] = []
        self._waiting: list[pa.Table] = []  # rows that make no file yet
        self._schema = pa.schema([])
        with storage(workspace, table):
            delta = open_table(self._where)
            self._version = 1 if delta is None else int(delta.version()) + 1

    def add(self, rows: pa.Table) -> None:
        """Write rows, in files that are large enough to stay as they are."""
        if not len(rows):
            return
        rows = with_stored_version(rows, self._version)
        self._schema = pa.unify_schemas([self._schema, rows.schema])
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= _FILE_ROWS:
            self._write()

    def _write(self) -> None:
        if self._waiting:
            rows = pa.concat_tables(self._waiting, promote_options="default")
            self._waiting = []
            with storage(self._workspace, self._table):
                self._files.append(write_sorted(_folder(self._where), rows, data_change=True))
                self._keep_fresh()

    def commit(self, marks: Mapping[str, int]) -> bool:
        """Make the rows part of the table, with marks of their batch, once; False if it has one of these already."""
        self._write()
        self._keep_fresh()
        with storage(self._workspace, self._table):
            for attempt in range(_ATTEMPTS):
                delta = open_table(self._where)
                try:
                    if delta is None:
                        delta = create_table(self._workspace, self._table, _ordered(self._schema))
                    if any(delta.transaction_version(name) is not None for name in marks):
                        self.discard()
                        return False
                    if self._take_step(delta, marks):
                        return True
                except DeltaError:
                    latest = open_table(self._where)
                    before = -1 if delta is None else int(delta.version())
                    if attempt == _ATTEMPTS - 1 or latest is None or int(latest.version()) <= before:
                        raise
        raise DeltaError(f"others changed the table during each of {_ATTEMPTS} attempts to store a batch")

    def _take_step(self, delta: DeltaTable, marks: Mapping[str, int]) -> bool:
        """Come closer to the commit, or make it; return whether it is made."""
        upcoming = int(delta.version()) + 1
        columns = {field.name for field in delta.schema().fields}
        missing = [field for field in _ordered(self._schema) if field.name not in columns]
        if missing:
            delta.alter.add_columns(list(Schema.from_arrow(pa.schema(missing)).fields))
        elif upcoming > self._version:
            # As many versions again as others made meanwhile, and once more: writing again takes less long.
            self._write_again(upcoming + 2 * (upcoming - self._version))
        elif upcoming < self._version:
            while int(delta.version()) + 1 < self._version:
                _commit(delta, [], {})
                delta.update_incremental()
        else:
            self._check_files()
            _commit(delta, self._files, marks)
            return True
        return False

    def _keep_fresh(self) -> None:
        """Keep upkeep from taking files that are waiting for long for those of a process that was killed."""
        if "://" not in self._where:
            for action in self._files:
                with suppress(FileNotFoundError):  # the commit says so
                    os.utime(Path(self._where, action.path))

    def _check_files(self) -> None:
        """Raise a `DeltaError` if upkeep has removed a file nevertheless, as that of a process that was stopped."""
        found = _folder(self._where).get_file_info([action.path for action in self._files])
        missing = [each.path for each in found if not each.is_file]
        if missing:
            raise DeltaError(
                f"{len(missing)} files of this batch were removed before it was stored, such as {missing[0]}"
            )

    def _write_again(self, version: int) -> None:
        folder = _folder(self._where)
        for number, action in enumerate(self._files):
            with folder.open_input_file(action.path) as file:
                rows = pq.read_table(file)
            self._files[number] = write_sorted(folder, with_stored_version(rows, version), data_change=True)
            folder.delete_file(action.path)
        self._version = version

    def discard(self) -> None:
        """Delete the files."""
        for action in self._files:
            with suppress(OSError):
                _folder(self._where).delete_file(action.path)
        self._files, self._waiting = [], []


def _commit(delta: DeltaTable, files: list[AddAction], marks: Mapping[str, int]) -> None:
    # On the version just seen, or not at all.
    properties = CommitProperties(
        max_commit_retries=0, app_transactions=[Transaction(name, mark) for name, mark in marks.items()]
    )
    delta.create_write_transaction(list(files), "append", delta.schema(), commit_properties=properties)


def _folder(where: str) -> pafs.FileSystem:
    if "://" not in where:
        Path(where).mkdir(parents=True, exist_ok=True)
    return pafs.PyFileSystem(DeltaStorageHandler(where))


def _ordered(schema: pa.Schema) -> pa.Schema:
    """Put the version that stored a row last, where `append` puts it."""
    last = schema.field(STORED_VERSION)
    return pa.schema([field for field in schema if field.name != STORED_VERSION] + [last])
