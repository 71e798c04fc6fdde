"""Watermarks: the latest event and known time of each asset's rows, updated from new files only.

Tables are only appended to, so the latest times are the later of those known before and those of the new files. Without
this, every ingested batch would make a request wait for a scan of the whole table.
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
_REMOTE: Final = "://"


@dataclass(frozen=True)
class Watermarks:
    """The latest times of a table's assets, in UTC."""

    version: int | None  # the table's version; None if the table does not exist
    known_times: Mapping[str, pd.Timestamp]
    event_times: Mapping[str, pd.Timestamp]
    files: frozenset[str]  # names of the table's files that were read


NO_WATERMARKS: Final = Watermarks(None, {}, {}, frozenset())


def read_watermarks(workspace: Workspace, table: str, before: Watermarks = NO_WATERMARKS) -> Watermarks:
    """Return a table's watermarks, updating `before`; `before` itself if the table has not changed."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return NO_WATERMARKS
        version = int(delta.version())
        if version == before.version:
            return before
        files = frozenset(uri.rpartition("/")[2] for uri in delta.file_uris())
        # File names are unique: a table that has none of the files read before is a different table.
        if before.files & files and _REMOTE not in location(workspace, table):
            return _merged(before, _times_of_files(location(workspace, table), files - before.files), version, files)
        return _merged(NO_WATERMARKS, _times_of_table(delta), version, files)


def _times_of_table(delta: DeltaTable) -> pd.DataFrame:
    latest = ", ".join(f"max({name}) AS {name}" for name in _TIMES)
    return to_pandas(query(delta, f"SELECT asset, {latest} FROM t GROUP BY asset"))  # noqa: S608


def _times_of_files(root: str, names: frozenset[str]) -> pd.DataFrame:
    """Read some files only, which the query engine cannot do."""
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
