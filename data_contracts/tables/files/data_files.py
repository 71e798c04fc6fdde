"""Writing data files, each with its statistics for the log and its checksum in its name."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction

from data_contracts.contract.contract_types import STORED_VERSION
from data_contracts.tables.files.checksums import checksum_of, file_name

LIMITED: Final = ("asset", "event_time", "known_time", "source", STORED_VERSION)
"""The columns whose limits are in the log: those that reads choose by."""

_PART: Final = 2**20


def table_folder(delta: DeltaTable) -> pafs.FileSystem:
    """Return the table's folder as a file system, wherever it is."""
    return pafs.PyFileSystem(DeltaStorageHandler(delta.table_uri))


def local_folder(folder: Path) -> pafs.FileSystem:
    """Return a folder of this machine as a file system."""
    return pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem())


def write_file(folder: pafs.FileSystem, rows: pa.Table, kind: str, *, data_change: bool, **options: Any) -> AddAction:
    """Write rows into a new file of a table's folder; return the action that makes it part of the table.

    `options` are those of `pyarrow.parquet.write_table`. The file is made in memory first: its name tells its content.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd", compression_level=1, **options)
    content = sink.getvalue()
    path = file_name(kind, checksum_of(memoryview(content)))
    _put(folder, path, content)
    now = int(pd.Timestamp.now("UTC").timestamp() * 1000)
    return AddAction(path, content.size, {}, now, data_change, statistics(rows))


def statistics(rows: pa.Table) -> str:
    """Return what the log says of a file: counts, and the limits of the columns that reads choose by."""
    limits = {name: pc.min_max(rows[name]).as_py() for name in LIMITED if name in rows.column_names}
    known = {name: both for name, both in limits.items() if both["min"] is not None}
    return json.dumps(
        {
            "numRecords": len(rows),
            "minValues": {name: _written(both["min"]) for name, both in known.items()},
            "maxValues": {name: _written(both["max"]) for name, both in known.items()},
            "nullCount": {name: rows[name].null_count for name in rows.column_names},
        }
    )


def _put(folder: pafs.FileSystem, path: str, content: pa.Buffer) -> None:
    # Through a buffer larger than the parts: Arrow would pass a part on as an object of its own, which Delta's stream
    # does not take.
    with folder.open_output_stream(path) as file, pa.BufferedOutputStream(file, 2 * _PART) as buffered:
        for begin in range(0, content.size, _PART):
            buffered.write(content[begin : begin + _PART])


def _written(value: object) -> object:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else value
