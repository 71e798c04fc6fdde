"""Opening and querying Delta tables, for the modules of `tables` and `ingestion`."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError

from data_contracts.errors import StorageError
from data_contracts.tables.table_handles import open_latest, open_table
from data_contracts.workspace import Workspace


def location(workspace: Workspace, table: str) -> str:
    """Return a table's folder, or its address in an object store."""
    return f"{workspace.tables_url.rstrip('/')}/{table}"


def open_to_read(workspace: Workspace, table: str, version: int | None = None) -> DeltaTable | None:
    """Open a table for reading, at its latest version if None; return None if there is no table."""
    where = location(workspace, table)
    return open_latest(where) if version is None else open_table(where, version)


def query(delta: DeltaTable, statement: str) -> pa.Table:
    """Run a SELECT on a table that it calls ``t``."""
    # The query engine skips files by their statistics; building an Arrow dataset first takes ten times as long.
    try:
        return pa.table(QueryBuilder().register("t", delta).execute(statement).read_all())
    except Exception as error:  # the engine raises nothing narrower if a file is lost or damaged
        raise DeltaError(str(error)) from error


@contextmanager
def storage(workspace: Workspace, table: str) -> Iterator[None]:
    """Raise a `StorageError` in place of the storage engine's errors."""
    try:
        yield
    except (DeltaError, OSError, pa.ArrowException, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise StorageError(
            f"table {table} at {location(workspace, table)} cannot be used ({reason})",
            "a readable Delta table with that version, and a disk with room",
            "Restore the folder from a backup, free disk space, or make it writable; nothing was changed",
        ) from error
