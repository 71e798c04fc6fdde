"""Opening and querying Delta tables, for the modules of `tables` and `ingestion`."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler

from data_contracts.contract.contract_types import STORED_VERSION
from data_contracts.contract.registered import empty_table
from data_contracts.errors import StorageError
from data_contracts.tables.table_handles import open_latest, open_table
from data_contracts.workspace import Workspace

REWRITTEN: Final = "upkeep: rewritten by version"
DELETED: Final = "upkeep: rows deleted by version"
DELETED_FROM: Final = "upkeep: rows deleted from version"
DELETED_UNTIL: Final = "upkeep: rows deleted until"
"""What upkeep notes in a telemetry table, as the transactions of its commits.

Rows of versions from `DELETED_FROM` on, of event times up to `DELETED_UNTIL` (microseconds since 1970), were deleted,
the last of them by the version `DELETED`.
"""
_GROUP: Final = "telemetry"  # the folder of a table for each asset type
FEATURES: Final = "features"
"""The folder of a table for each model, of what scoring runs computed."""
EVERY: Final = (_GROUP, FEATURES)
"""All folders that have several tables."""
_ARROW: Final = re.compile(r"^\s*(?:\x1b\[\d*m)*↳(?:\x1b\[\d*m)*")


@dataclass(frozen=True)
class StoredRows:
    """The rows of a version of a table."""

    delta: DeltaTable
    version: int
    among: str  # what stands in place of the table in a query that calls it t
    columns: tuple[str, ...]


def location(workspace: Workspace, table: str) -> str:
    """Return a table's folder, or its address in an object store."""
    return f"{workspace.tables_url.rstrip('/')}/{table}"


def table_names(workspace: Workspace, groups: Sequence[str] = (_GROUP,)) -> list[str]:
    """Return what may be tables, in a folder or in an object store, sorted; `groups` are folders that have several."""
    root = workspace.tables_url
    if "://" not in root:
        patterns = ("*/_delta_log", *(f"{group}/*/_delta_log" for group in groups))
        logs = [log for pattern in patterns for log in Path(root).glob(pattern)]
        return sorted(log.parent.relative_to(root).as_posix() for log in logs)
    with storage(workspace, ""):
        try:
            files = pafs.PyFileSystem(DeltaStorageHandler(root))
        except TableNotFoundError:
            return []
        folders = [pafs.FileSelector(folder, allow_not_found=True) for folder in ("", *groups)]
        found = [each.path for folder in folders for each in files.get_file_info(folder) if not each.is_file]
        return sorted(name for name in found if name not in (_GROUP, FEATURES))


def open_to_read(workspace: Workspace, table: str, version: int | None = None) -> DeltaTable | None:
    """Open a table for reading, at its latest version if None; return None if there is no table."""
    where = location(workspace, table)
    return open_latest(where) if version is None else open_table(where, version)


def open_stored(workspace: Workspace, table: str, version: int | None) -> StoredRows | None:
    """Open the rows of a version, the latest if None, for a query; None if there is no table.

    Upkeep rewrites the files of telemetry, and removes those of before: then a version is the rows that it and those
    before it stored, which are in the latest as they were. A `DeltaError` if some of them have been deleted.
    """
    latest = open_to_read(workspace, table)
    if latest is None or version is None or latest.transaction_version(REWRITTEN) is None:
        delta = latest if version is None else open_to_read(workspace, table, version)
        return None if delta is None else StoredRows(delta, int(delta.version()), "t", _columns(delta))
    if version > latest.version():
        raise DeltaError(f"it has no version {version}, only up to {latest.version()}")
    if not is_whole(latest, version):
        raise DeltaError(f"rows of its version {version} were deleted, as they were older than they are kept")
    stored = f"coalesce({STORED_VERSION}, 0) <= {version}"
    columns = _columns_then(workspace, table, latest, version, stored)
    return StoredRows(latest, version, f"(SELECT * FROM t WHERE {stored}) AS t", columns)  # noqa: S608


def is_whole(latest: DeltaTable, version: int) -> bool:
    """Return whether an open table still has all rows of an earlier version."""
    deleted = latest.transaction_version(DELETED)
    return deleted is None or version >= deleted or version < (latest.transaction_version(DELETED_FROM) or 0)


def has_whole_version(workspace: Workspace, table: str, version: int) -> bool:
    """Return whether a table, if there is one, still has all rows of a version."""
    with storage(workspace, table):
        latest = open_to_read(workspace, table)
        return latest is None or is_whole(latest, version)


def _columns(delta: DeltaTable) -> tuple[str, ...]:
    return tuple(field.name for field in delta.schema().fields)


def _columns_then(workspace: Workspace, table: str, latest: DeltaTable, version: int, stored: str) -> tuple[str, ...]:
    """Return the columns that a version had: by its log, or else those of the contract and those with values."""
    names = _columns(latest)
    try:
        then = open_to_read(workspace, table, version)
    except DeltaError:  # its log is removed
        declared = (*empty_table(workspace.contracts, table).columns, STORED_VERSION)
        added = [name for name in names if name not in declared]
        counts = ", ".join(f'count("{name}") AS "{name}"' for name in added) or "1"
        counted = query(latest, f"SELECT {counts} FROM t WHERE {stored}")  # noqa: S608
        return tuple(name for name in names if name not in added or counted[name][0].as_py())
    return names if then is None else _columns(then)


def query(delta: DeltaTable, statement: str) -> pa.Table:
    """Run a SELECT on a table that it calls ``t``."""
    # The query engine skips files by their statistics; building an Arrow dataset first takes ten times as long.
    try:
        return pa.table(QueryBuilder().register("t", delta).execute(statement).read_all())
    except Exception as error:  # the engine raises nothing narrower if a file is lost or damaged
        raise DeltaError(str(error)) from error


def stream(delta: DeltaTable, statement: str) -> pa.RecordBatchReader:
    """Run a SELECT as `query` does; the rows come in small batches, while the table is read."""
    try:
        return pa.RecordBatchReader.from_stream(QueryBuilder().register("t", delta).execute(statement))
    except Exception as error:
        raise DeltaError(str(error)) from error


@contextmanager
def storage(workspace: Workspace, table: str) -> Iterator[None]:
    """Raise a `StorageError` in place of the storage engine's errors."""
    try:
        yield
    except (DeltaError, OSError, pa.ArrowException, ValueError) as error:
        raise StorageError(
            f"table {table} at {location(workspace, table)} cannot be used ({_reason(error)})",
            "a readable Delta table with that version, and a disk with room",
            "Restore the folder from a backup, free disk space, or make it writable; nothing was changed",
        ) from error


def _reason(error: Exception) -> str:
    """Return an engine's message in one line: it writes each cause below what it caused, behind a coloured arrow."""
    first, *below = str(error).strip().splitlines() or [type(error).__name__]
    return ": ".join([first, *(_ARROW.sub("", line).strip() for line in below if _ARROW.match(line))])
