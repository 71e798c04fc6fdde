"""Watermarks: the latest event, known and reading time of each asset's rows, updated from new files only.

Tables are only appended to, so the latest times are the later of those known before and those of the new files. Without
this, every ingested batch would make a request wait for a scan of the whole table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

from data_contracts.contract.contract_types import STORED_VERSION
from data_contracts.tables.arrow_frames import to_pandas
from data_contracts.tables.readings import has_value, is_reading
from data_contracts.tables.table_access import location, open_to_read, query, storage
from data_contracts.workspace import Workspace

_TIMES: Final = ("event_time", "known_time", "reading_time")
_REMOTE: Final = "://"


@dataclass(frozen=True)
class Watermarks:
    """The latest times of a table's assets, in UTC."""

    version: int | None  # the table's version; None if the table does not exist
    known_times: Mapping[str, pd.Timestamp]
    event_times: Mapping[str, pd.Timestamp]
    reading_times: Mapping[str, pd.Timestamp]  # event times of the rows that hold a value
    files: frozenset[str]  # names of the table's files that were read


NO_WATERMARKS: Final = Watermarks(None, {}, {}, {}, frozenset())


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
            schema = pa.schema(delta.schema().to_arrow())
            new = _times_of_files(
                location(workspace, table), files - before.files - _read_before(delta, before), schema
            )
            return _merged(before, new, version, files)
        return _merged(NO_WATERMARKS, _times_of_table(delta), version, files)


def _read_before(delta: DeltaTable, before: Watermarks) -> frozenset[str]:
    """Return the files of rows that were all stored by the version read before: upkeep wrote them anew."""
    actions = pa.table(delta.get_add_actions(flatten=True))
    name = f"max.{STORED_VERSION}"
    if name not in actions.column_names:
        return frozenset()
    stored = zip(actions["path"].to_pylist(), actions[name].to_pylist(), strict=True)
    return frozenset(path for path, last in stored if last is not None and last <= (before.version or 0))


def _times_of_table(delta: DeltaTable) -> pd.DataFrame:
    reading = f"max(CASE WHEN {has_value(delta)} THEN event_time END)"
    latest = f"max(event_time) AS event_time, max(known_time) AS known_time, {reading} AS reading_time"
    return to_pandas(query(delta, f"SELECT asset, {latest} FROM t GROUP BY asset"))  # noqa: S608


def _times_of_files(root: str, names: frozenset[str], schema: pa.Schema) -> pd.DataFrame:
    """Read some files only, which the query engine cannot do."""
    files = ds.dataset([f"{root}/{name}" for name in sorted(names)], schema=schema, format="parquet")
    event = pc.field("event_time")
    reading = pc.if_else(is_reading(schema.names), event, pa.scalar(None, schema.field("event_time").type))
    rows = files.to_table(
        {"asset": pc.field("asset"), "event_time": event, "known_time": pc.field("known_time"), "reading_time": reading}
    )
    latest = rows.group_by("asset").aggregate([(name, "max") for name in _TIMES])
    return to_pandas(latest.rename_columns({f"{name}_max": name for name in _TIMES}))


def _merged(before: Watermarks, new: pd.DataFrame, version: int, files: frozenset[str]) -> Watermarks:
    event, known, reading = dict(before.event_times), dict(before.known_times), dict(before.reading_times)
    for latest, name in ((event, "event_time"), (known, "known_time"), (reading, "reading_time")):
        times = new[["asset", name]].dropna()
        for asset, time in zip(times["asset"], times[name], strict=True):
            latest[asset] = max(time, latest.get(asset, time))
    return Watermarks(version, known, event, reading, files)
