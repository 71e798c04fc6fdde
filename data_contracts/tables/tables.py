"""Appending to and reading the Delta tables.

A batch is one atomic commit that has the batch's id, so appending the same batch again changes nothing, even after a
kill. Nothing is overwritten: every version stays readable, which `forewarn reproduce` needs. Upkeep rewrites the files
of telemetry, not its rows, and deletes only what is declared to be kept for a time.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

import pandas as pd
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import DeltaError

from data_contracts.contract.contract_types import STORED_VERSION, is_quality_column
from data_contracts.contract.registered import empty_table
from data_contracts.errors import StorageError
from data_contracts.tables.arrow_frames import to_arrow, to_pandas, with_stored_version
from data_contracts.tables.files.data_files import table_folder, write_file
from data_contracts.tables.files.small_files import merge_small
from data_contracts.tables.row_conditions import quoted, where
from data_contracts.tables.table_access import (
    StoredRows,
    location,
    open_stored,
    open_to_read,
    query,
    storage,
    table_names,
)
from data_contracts.tables.table_handles import CHECKPOINT_EVERY, open_table
from data_contracts.workspace import Workspace

_LOGGER = logging.getLogger("forewarn.tables")
# A daily batch is a small file, which costs every read a millisecond. So one commit in so many compacts the small ones,
# up to a size that is not rewritten each time.
_COMPACT_EVERY = 16
_COMPACTED_BYTES = 16 * 2**20
_ATTEMPTS = 100
_CONFIGURATION = {
    "delta.checkpointInterval": str(CHECKPOINT_EVERY),
    "delta.enableExpiredLogCleanup": "false",
    # Else each checkpoint lists the files that compaction removed within a week.
    "delta.deletedFileRetentionDuration": "interval 2 hours",
}
# Small row groups, in order of event time, let a read of the last days skip most of a big file.
_ROW_GROUP = 32_768


def append(
    workspace: Workspace, table: str, frame: pd.DataFrame, batch_id: str | Sequence[str], *, mark: int = 1
) -> bool:
    """Append a batch to a table, once; return False if the table has a batch with one of the ids already.

    The table is created, and columns are added to it, as needed; `stored_version` becomes the version that the batch
    makes. Several ids, such as one a row, keep the batch from being stored beside any batch that has one of them.
    `mark` is stored with the batch for `batch_mark`.
    """
    ids = (batch_id,) if isinstance(batch_id, str) else batch_id
    return _store(workspace, table, frame, dict.fromkeys(ids, mark), dict.fromkeys(ids))


def append_consumed(
    workspace: Workspace, table: str, frame: pd.DataFrame, consumer: str, *, since: int | None, upto: int
) -> bool:
    """Append what a consumer made of the versions of another table after `since`, up to `upto`, once.

    The table keeps `upto` under the consumer's name, for `batch_mark`. False if it does not keep `since` any more, so
    that somebody else has gone on from there.
    """
    return _store(workspace, table, frame, {consumer: upto}, {consumer: since})


def _store(
    workspace: Workspace, table: str, frame: pd.DataFrame, marks: Mapping[str, int], before: Mapping[str, int | None]
) -> bool:
    """Append rows with marks of their own, if the table has those `before`."""
    rows = to_arrow(frame)
    with storage(workspace, table):
        for attempt in range(_ATTEMPTS):
            delta = _open(workspace, table)
            try:
                # Another process that created the table at the same time may have stored these rows: check that too.
                target = delta or create_table(workspace, table, with_stored_version(rows, 0).schema)
                if any(target.transaction_version(name) != mark for name, mark in before.items()):
                    return False
                # Commits against the version just checked, or not at all: the rows have the version that they make.
                commit_rows(target, with_stored_version(rows, int(target.version()) + 1), marks)
            except DeltaError:
                if attempt == _ATTEMPTS - 1 or not _has_new_version(workspace, table, delta):
                    raise
                continue
            _compact_periodically(target, table)
            return True
    return False


def has_batch(workspace: Workspace, table: str, batch_id: str) -> bool:
    """Return whether a table has a batch."""
    return batch_mark(workspace, table, batch_id) is not None


def batch_mark(workspace: Workspace, table: str, batch_id: str) -> int | None:
    """Return the `mark` that a batch was appended with; None if the table does not have the batch."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        mark = None if delta is None else delta.transaction_version(batch_id)
        return None if mark is None else int(mark)


def read(
    workspace: Workspace,
    table: str,
    *,
    as_of: pd.Timestamp | None = None,
    version: int | None = None,
    assets: Sequence[str] | None = None,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    subject: str = "asset",
) -> pd.DataFrame:
    """Read the rows with ``known_time <= as_of`` and ``start < event_time <= end``, at the latest version if None.

    They are ordered by asset, event time and known time; `readings.read_qualities` has the qualities of telemetry.
    `assets` are values of `Contract.subject` where rows are about something else. Without a table the frame is empty,
    with its contract's columns.
    """
    frame, _ = read_versioned(
        workspace, table, as_of=as_of, version=version, assets=assets, start=start, end=end, subject=subject
    )
    return frame


def read_versioned(
    workspace: Workspace,
    table: str,
    *,
    as_of: pd.Timestamp | None = None,
    version: int | None = None,
    assets: Sequence[str] | None = None,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    subject: str = "asset",
) -> tuple[pd.DataFrame, int | None]:
    """Read as `read` does, and return the version too; None if the table does not exist."""
    condition = where(as_of, assets, start, end, subject=subject)
    with storage(workspace, table):
        stored = open_stored(workspace, table, version)
        if stored is None:
            if version is not None:
                raise DeltaError(f"the table is gone, and its version {version} with it")
            return empty_table(workspace.contracts, table), None
        statement = f"SELECT {values_of(stored)} FROM {stored.among}{condition}"  # noqa: S608
        return to_pandas(query(stored.delta, statement)), stored.version


def asset_watermarks(
    workspace: Workspace,
    table: str,
    *,
    as_of: pd.Timestamp | None = None,
    version: int | None = None,
    assets: Sequence[str] | None = None,
    start: pd.Timestamp | None = None,
    column: str = "known_time",
) -> tuple[dict[str, pd.Timestamp], int | None]:
    """Return the latest known (or event) time of each asset's rows, and the version read; see `read`."""
    condition = f"{where(as_of, assets, start, None)} GROUP BY asset"
    with storage(workspace, table):
        stored = open_stored(workspace, table, version)
        if stored is None:
            return {}, None
        latest = f"SELECT asset, max({column}) AS latest FROM {stored.among}{condition}"  # noqa: S608
        times = to_pandas(query(stored.delta, latest))
        return dict(zip(times["asset"], times["latest"], strict=True)), stored.version


def asset_spans(workspace: Workspace, table: str) -> pd.DataFrame:
    """Return the first and last event time of each asset of a table, and its rows: asset, first, last, rows."""
    spans = "SELECT asset, min(event_time) AS first, max(event_time) AS last, count(*) AS rows FROM t GROUP BY asset"
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            times = pd.Series(dtype="datetime64[us, UTC]")
            return pd.DataFrame({"asset": pd.Series(dtype="str"), "first": times, "last": times, "rows": []})
        return to_pandas(query(delta, spans)).sort_values("asset", ignore_index=True)


def count_rows(
    workspace: Workspace,
    table: str,
    *,
    start: pd.Timestamp,
    end: pd.Timestamp,
    assets: Sequence[str] | None = None,
) -> int:
    """Count the rows, of all assets or of some, with ``start < event_time <= end``."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return 0
        counted = query(delta, f"SELECT count(*) AS n FROM t{where(None, assets, start, end)}")  # noqa: S608
        return int(counted["n"][0].as_py())


def last_event(
    workspace: Workspace, table: str, column: str, value: str, *, until: pd.Timestamp | None = None
) -> pd.Timestamp | None:
    """Return the latest event time, up to `until`, of the rows that have `value` in `column`; None without any."""
    condition = where(None, None, None, until, equal={column: value})
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return None
        latest = to_pandas(query(delta, f"SELECT max(event_time) AS latest FROM t{condition}"))["latest"]  # noqa: S608
        return None if latest.isna().all() else pd.Timestamp(latest.iloc[0])


def values_since(
    workspace: Workspace, table: str, column: str, *, after: int | None
) -> tuple[frozenset[str], int | None]:
    """Return the texts in a column of the rows that versions after one stored, or all did, and the version read.

    Without a table, or without the column, there are none.
    """
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        names = [] if delta is None else [field.name for field in delta.schema().fields]
        if delta is None or column not in names:
            return frozenset(), None
        later = f" AND {STORED_VERSION} > {after}" if after is not None and STORED_VERSION in names else ""
        found = f"SELECT DISTINCT {quoted(column)} AS value FROM t WHERE {quoted(column)} IS NOT NULL{later}"  # noqa: S608
        return frozenset(map(str, query(delta, found)["value"].to_pylist())), int(delta.version())


def versions(workspace: Workspace) -> dict[str, int]:
    """Return the latest version of every table by name, sorted."""
    latest = {name: latest_version(workspace, name) for name in table_names(workspace)}
    return {name: version for name, version in latest.items() if version is not None}


def latest_version(workspace: Workspace, table: str) -> int | None:
    """Return a table's latest version; None if the table does not exist."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        return None if delta is None else int(delta.version())


def values_of(stored: StoredRows) -> str:
    """Return the columns of a table but for the qualities of readings, which nothing computes with."""
    return ", ".join(quoted(name) for name in stored.columns if not is_quality_column(name))


def _open(workspace: Workspace, table: str) -> DeltaTable | None:
    return open_table(location(workspace, table))


def create_table(workspace: Workspace, table: str, schema: pa.Schema) -> DeltaTable:
    """Create a table; a `DeltaError` if there is one."""
    # An empty commit of its own, so that the first batch, like any other, conflicts if it is appended twice.
    return DeltaTable.create(location(workspace, table), schema, mode="error", configuration=_CONFIGURATION)


def commit_rows(target: DeltaTable, rows: pa.Table, marks: Mapping[str, int], *, checkpoints: bool = True) -> None:
    """Append rows and marks, of batches or of streams, in one commit on the version of `target`, or not at all.

    A `DeltaError` too where columns had to be added to the table first, which is a version of its own. Without
    `checkpoints` the caller writes those.
    """
    rows = _as_stored(target, rows)
    target.create_write_transaction(
        [write_file(table_folder(target), rows, "part", data_change=True, row_group_size=_ROW_GROUP)]
        if len(rows)
        else [],
        "append",
        target.schema(),
        commit_properties=CommitProperties(
            max_commit_retries=0, app_transactions=[Transaction(name, mark) for name, mark in marks.items()]
        ),
        post_commithook_properties=None if checkpoints else PostCommitHookProperties(create_checkpoint=False),
    )
    with suppress(DeltaError):  # the rows are stored; who uses the table again opens it anew
        target.update_incremental()


def _as_stored(target: DeltaTable, rows: pa.Table) -> pa.Table:
    """Give rows the types of the table's columns; a `DeltaError` after columns were added."""
    types = {field.name: field.type for field in pa.schema(target.schema().to_arrow())}
    missing = [field for field in rows.schema if field.name not in types]
    if missing:
        # Through another handle: the caller sees by its own that there is a new version, and tries again.
        DeltaTable(target.table_uri).alter.add_columns(list(Schema.from_arrow(pa.schema(missing)).fields))
        raise DeltaError(f"the columns {', '.join(field.name for field in missing)} were added first")
    schema = pa.schema([field.with_type(types[field.name]) for field in rows.schema])
    return rows if schema.equals(rows.schema) else rows.cast(schema)


def _has_new_version(workspace: Workspace, table: str, seen: DeltaTable | None) -> bool:
    latest = _open(workspace, table)
    return latest is not None and (seen is None or latest.version() > seen.version())


def _compact_periodically(delta: DeltaTable, table: str) -> None:
    if (delta.version() + 1) % _COMPACT_EVERY:
        return
    try:
        merge_small(delta, table, _COMPACTED_BYTES, row_group_size=_ROW_GROUP)
    except StorageError as error:
        _LOGGER.warning("the small files of %s were not compacted: %s", table, error)
    except (DeltaError, OSError) as error:
        # The batch is stored nevertheless. Mostly another process is compacting the same files.
        _LOGGER.info("the small files of %s were not compacted: %s", table, error)
