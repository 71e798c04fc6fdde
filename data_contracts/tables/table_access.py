"""How the Delta tables are opened and asked: for the modules that know tables, and for nobody else."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError

from data_contracts.errors import StorageError
from data_contracts.tables.table_handles import open_latest, open_table
from data_contracts.workspace import Workspace


def location(workspace: Workspace, table: str) -> str:
    """Say where a table is.

    Parameters
    ----------
    workspace
        Where the tables are.
    table
        The table's name.

    Returns
    -------
    str
        Its folder, or its address in an object store.
    """
    return f"{workspace.tables_url.rstrip('/')}/{table}"


def open_to_read(workspace: Workspace, table: str, version: int | None = None) -> DeltaTable | None:
    """Open a table that is not to be changed.

    Parameters
    ----------
    workspace
        Where the tables are.
    table
        The table's name.
    version
        The version; the latest if None.

    Returns
    -------
    DeltaTable or None
        None when there is no table.

    Raises
    ------
    DeltaError
        If the table is corrupt or does not have that version.
    """
    where = location(workspace, table)
    return open_latest(where) if version is None else open_table(where, version)


def query(delta: DeltaTable, statement: str) -> pa.Table:
    """Ask a table.

    Parameters
    ----------
    delta
        The table.
    statement
        A SELECT that calls it ``t``.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    DeltaError
        If a file of the table is lost or damaged.
    """
    # The query engine skips files by their statistics; building an Arrow dataset first takes ten times as long.
    try:
        return pa.table(QueryBuilder().register("t", delta).execute(statement).read_all())
    except Exception as error:  # it raises nothing narrower when a file is lost or damaged
        raise DeltaError(str(error)) from error


@contextmanager
def storage(workspace: Workspace, table: str) -> Iterator[None]:
    """Turn what the storage engine raises into one of our own errors.

    Parameters
    ----------
    workspace
        Where the tables are.
    table
        The table's name.

    Raises
    ------
    StorageError
        In place of whatever the engine raised.
    """
    try:
        yield
    except (DeltaError, OSError, pa.ArrowException, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise StorageError(
            f"table {table} at {location(workspace, table)} cannot be used ({reason})",
            "a readable Delta table with that version, and a disk with room",
            "Restore the folder from a backup, make room, or let it be written to; nothing was changed",
        ) from error
