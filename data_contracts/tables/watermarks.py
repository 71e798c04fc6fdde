"""When the latest rows of each asset happened, and became known: read once, and after that from new files alone.

A table is only ever appended to, so that the latest of all is the latest of what was known and of what has come since.
Without that every batch taken in would have someone wait for a look at all there is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from data_contracts.tables.arrow_frames import to_pandas
from data_contracts.tables.table_access import location, open_to_read, query, storage
from data_contracts.workspace import Workspace

_TIMES: Final = ("event_time", "known_time")
_ELSEWHERE: Final = "://"


@dataclass(frozen=True)
class Watermarks:
    """Hold the latest times of a table's assets.

    Parameters
    ----------
    version
        The version of the table they were read from; None when it does not exist yet.
    known_times, event_times
        When the last row of each asset became known, and when the latest of its rows happened (UTC).
    files
        The files of the table that were looked at, by name.
    """

    version: int | None
    known_times: Mapping[str, pd.Timestamp]
    event_times: Mapping[str, pd.Timestamp]
    files: frozenset[str]


NOTHING_HEARD: Final = Watermarks(None, {}, {}, frozenset())


def read_watermarks(workspace: Workspace, table: str, before: Watermarks = NOTHING_HEARD) -> Watermarks:
    """Read the latest times of each asset of a table.

    Parameters
    ----------
    workspace
        Where the tables are.
    table
        The table's name.
    before
        What was read of it before.

    Returns
    -------
    Watermarks
        What was read before itself, if there is nothing newer.

    Raises
    ------
    StorageError
        If the table is corrupt.
    """
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return NOTHING_HEARD
        version = int(delta.version())
        if version == before.version:
            return before
        files = frozenset(uri.rpartition("/")[2] for uri in delta.file_uris())
        # Files have names that never come again: a table that shares none with what was read is another one by now.
        if before.files & files and _ELSEWHERE not in location(workspace, table):
            return _merged(before, _of_files(location(workspace, table), files - before.files), version, files)
        return _merged(NOTHING_HEARD, _of_all(delta), version, files)


def _of_all(delta: DeltaTable) -> pd.DataFrame:
    latest = ", ".join(f"max({name}) AS {name}" for name in _TIMES)
    return to_pandas(query(delta, f"SELECT asset, {latest} FROM t GROUP BY asset"))  # noqa: S608


def _of_files(root: str, names: frozenset[str]) -> pd.DataFrame:
    """Look into some files only, which the query engine cannot be told to."""
    schema = pa.schema([("asset", pa.string()), *((name, pa.timestamp("us", tz="UTC")) for name in _TIMES)])
    rows = ds.dataset([f"{root}/{name}" for name in sorted(names)], schema=schema, format="parquet").to_table()
    latest = rows.group_by("asset").aggregate([(name, "max") for name in _TIMES])
    return to_pandas(latest.rename_columns({f"{name}_max": name for name in _TIMES}))


def _merged(before: Watermarks, new: pd.DataFrame, version: int, files: frozenset[str]) -> Watermarks:
    event, known = dict(before.event_times), dict(before.known_times)
    for latest, name in ((event, "event_time"), (known, "known_time")):
        for asset, time in zip(new["asset"], new[name], strict=True):
            latest[asset] = max(time, latest.get(asset, time))
    return Watermarks(version, known, event, files)
