"""The data files of a table's version, with what their statistics say."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import RemoveAction

from data_contracts.contract.contract_types import STORED_VERSION
from data_contracts.tables.table_access import open_to_read, storage
from data_contracts.workspace import Workspace


@dataclass(frozen=True)
class TableFile:
    """A data file; what its statistics do not say is None."""

    path: str  # within the table
    size: int  # bytes
    rows: int | None
    first: pd.Timestamp | None  # event times
    last: pd.Timestamp | None
    last_known: pd.Timestamp | None  # known time
    first_stored: int | None  # the versions that stored its rows
    last_stored: int | None
    stored: int | None  # rows that have such a version

    def removal(self, *, data_change: bool) -> RemoveAction:
        """Return the action that takes it out of the table."""
        now = int(pd.Timestamp.now("UTC").timestamp() * 1000)
        return RemoveAction(self.path, data_change, now, size=self.size)


def table_files(delta: DeltaTable) -> tuple[TableFile, ...]:
    """Return the files of an open table, by event time."""
    actions = pa.table(delta.get_add_actions(flatten=True))
    names = {
        "rows": "num_records",
        "first": "min.event_time",
        "last": "max.event_time",
        "last_known": "max.known_time",
        "first_stored": f"min.{STORED_VERSION}",
        "last_stored": f"max.{STORED_VERSION}",
    }
    columns = {name: _values(actions, column) for name, column in names.items()}
    nulls = _values(actions, f"null_count.{STORED_VERSION}")
    columns["stored"] = [
        None if rows is None or missing is None else rows - missing
        for rows, missing in zip(columns["rows"], nulls, strict=True)
    ]
    paths, sizes = actions["path"].to_pylist(), actions["size_bytes"].to_pylist()
    files = [
        TableFile(path, size, **{name: values[place] for name, values in columns.items()})
        for place, (path, size) in enumerate(zip(paths, sizes, strict=True))
    ]
    never = pd.Timestamp.max.tz_localize("UTC")
    return tuple(sorted(files, key=lambda file: (file.first or never, file.path)))


def has_undated_rows(workspace: Workspace, table: str) -> bool:
    """Return whether a table has rows without the version that stored them, as tables once did not note it."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return False
        # Statistics are of the first 32 columns only; a null is in none of them.
        unknown = [file for file in table_files(delta) if file.rows != file.stored]
        if not unknown:
            return False
        if STORED_VERSION not in (field.name for field in delta.schema().fields):
            return True
        return bool(dataset(delta, unknown).count_rows(filter=pc.is_null(pc.field(STORED_VERSION))))


def file_system(delta: DeltaTable) -> pafs.FileSystem:
    """Return the table's folder as a file system, wherever it is."""
    return pafs.PyFileSystem(DeltaStorageHandler(delta.table_uri))


def dataset(delta: DeltaTable, files: Iterable[TableFile]) -> ds.Dataset:
    """Return some files of a table with the columns that the table has now."""
    schema = pa.schema(delta.schema().to_arrow())
    return ds.dataset([file.path for file in files], schema=schema, filesystem=file_system(delta), format="parquet")


def _values(actions: pa.Table, column: str) -> list[Any]:
    if column not in actions.column_names:
        return [None] * len(actions)
    values = actions[column]
    if pa.types.is_timestamp(values.type):
        zoned = values.cast(pa.timestamp("us", tz="UTC"))
        return [None if value is None else pd.Timestamp(value) for value in zoned.to_pylist()]
    return list(values.to_pylist())
