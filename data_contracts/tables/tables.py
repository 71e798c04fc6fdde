"""The Delta tables: the only door to what has arrived.

A batch is one atomic commit that carries the batch's id, so the same batch again changes nothing, whatever was killed
in between. Nothing is ever overwritten or vacuumed: every version stays readable, which `forewarn reproduce` needs.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError

from data_contracts.contract.contract import empty_table
from data_contracts.tables.arrow_frames import to_arrow, to_pandas
from data_contracts.tables.row_conditions import where
from data_contracts.tables.table_access import location, open_to_read, query, storage
from data_contracts.tables.table_handles import CHECKPOINT_EVERY, open_table
from data_contracts.workspace import Workspace

_LOGGER = logging.getLogger("forewarn.tables")
# A daily batch is a small file, and a millisecond of every read: one commit in so many gathers the small ones, up to a
# size that need not be written anew each time.
_COMPACT_EVERY = 16
_COMPACTED_BYTES = 16 * 2**20
_ATTEMPTS = 10
_CONFIGURATION = {"delta.checkpointInterval": str(CHECKPOINT_EVERY), "delta.enableExpiredLogCleanup": "false"}
# Small row groups, in order of event time, let a read of the last days skip nearly all of a big file.
_WRITER = WriterProperties(max_row_group_size=32_768, compression="ZSTD", compression_level=1)


def append(
    workspace: Workspace, table: str, frame: pd.DataFrame, batch_id: str | Sequence[str], *, mark: int = 1
) -> bool:
    """Append one batch to a table, once.

    Parameters
    ----------
    workspace
        Where the tables are.
    table
        The table's name, such as ``"failures"`` or ``"telemetry/cnc_machine"``; it is created when missing.
    frame
        The rows. A column that the table does not have yet is added to it.
    batch_id
        What tells this batch from every other of the table. Several ids, such as one a row, if it shall not be stored
        beside any batch that has one of them.
    mark
        A number to keep with the batch, for `batch_mark` to return.

    Returns
    -------
    bool
        False if the table holds the batch, or one with the same id, already.

    Raises
    ------
    StorageError
        If the table is corrupt or cannot be written.
    """
    rows = to_arrow(frame)
    ids = (batch_id,) if isinstance(batch_id, str) else batch_id
    with storage(workspace, table):
        for attempt in range(_ATTEMPTS):
            delta = _open(workspace, table)
            try:
                # Of those who create a table at once one may come after another's first batch, so it is looked at too.
                target = delta or _create(workspace, table, rows.schema)
                if any(target.transaction_version(each) is not None for each in ids):
                    return False
                # Against the version just looked at: had another process stored this batch since, it would conflict.
                _commit(target, rows, ids, mark)
            except DeltaError:
                if attempt == _ATTEMPTS - 1 or not _has_moved(workspace, table, delta):
                    raise
                continue
            _compact_now_and_then(target, table)
            return True
    return False


def has_batch(workspace: Workspace, table: str, batch_id: str) -> bool:
    """Say whether a table holds a batch.

    Parameters
    ----------
    workspace
        Where the tables are.
    table
        The table's name.
    batch_id
        The batch.

    Returns
    -------
    bool
        Whether the batch has been committed.

    Raises
    ------
    StorageError
        If the table is corrupt.
    """
    return batch_mark(workspace, table, batch_id) is not None


def batch_mark(workspace: Workspace, table: str, batch_id: str) -> int | None:
    """Return the number that a batch was committed with.

    Parameters
    ----------
    workspace
        Where the tables are.
    table
        The table's name.
    batch_id
        The batch.

    Returns
    -------
    int or None
        The number; None if the table does not hold the batch.

    Raises
    ------
    StorageError
        If the table is corrupt.
    """
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
) -> pd.DataFrame:
    """Read what a table holds, or held, about some assets and a span of time.

    Parameters
    ----------
    workspace
        Where the tables are.
    table
        The table's name.
    as_of
        Leave out rows whose known time is later.
    version
        The version of the table to read; the latest if None.
    assets
        The assets to read; all if None.
    start, end
        Read rows with ``start < event_time <= end``.

    Returns
    -------
    pandas.DataFrame
        The rows, ordered by asset, event time and known time; times in UTC. Empty, with the contract's columns, when
        the table does not exist yet.

    Raises
    ------
    StorageError
        If the table is corrupt or does not have that version.
    """
    frame, _ = read_versioned(workspace, table, as_of=as_of, version=version, assets=assets, start=start, end=end)
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
) -> tuple[pd.DataFrame, int | None]:
    """Read as `read` does, and tell which version of the table it was.

    Parameters
    ----------
    workspace, table, as_of, version, assets, start, end
        As `read` takes them.

    Returns
    -------
    frame : pandas.DataFrame
        The rows.
    version : int or None
        The version they were read from; None when the table does not exist yet.

    Raises
    ------
    StorageError
        If the table is corrupt or does not have that version.
    """
    condition = where(as_of, assets, start, end)
    with storage(workspace, table):
        delta = open_to_read(workspace, table, version)
        if delta is None:
            if version is not None:
                raise DeltaError(f"the table is gone, and its version {version} with it")
            return empty_table(table), None
        return to_pandas(query(delta, f"SELECT * FROM t{condition}")), int(delta.version())  # noqa: S608


def last_heard(
    workspace: Workspace,
    table: str,
    *,
    as_of: pd.Timestamp | None = None,
    version: int | None = None,
    assets: Sequence[str] | None = None,
    start: pd.Timestamp | None = None,
    column: str = "known_time",
) -> tuple[dict[str, pd.Timestamp], int | None]:
    """Tell of each asset when the last of its rows became known.

    Parameters
    ----------
    workspace, table, as_of, version, start
        As `read` takes them.
    assets
        Look for these only; for any if None.
    column
        The time that is asked for; ``"event_time"`` for when the latest row happened.

    Returns
    -------
    times : dict of str to Timestamp
        The assets that the table has such rows of, ordered, with the latest known time (UTC).
    version : int or None
        The version this was read from; None when the table does not exist yet.

    Raises
    ------
    StorageError
        If the table is corrupt or does not have that version.
    """
    latest = f"SELECT asset, max({column}) AS heard FROM t{where(as_of, assets, start, None)} GROUP BY asset"  # noqa: S608
    with storage(workspace, table):
        delta = open_to_read(workspace, table, version)
        if delta is None:
            return {}, None
        found = to_pandas(query(delta, latest))
        return dict(zip(found["asset"], found["heard"], strict=True)), int(delta.version())


def last_event(
    workspace: Workspace, table: str, column: str, value: str, *, until: pd.Timestamp | None = None
) -> pd.Timestamp | None:
    """Tell the latest event time of the rows that have a value.

    Parameters
    ----------
    workspace, table
        As `read` takes them.
    column, value
        Look at rows with this text in this column.
    until
        Pass over later ones.

    Returns
    -------
    Timestamp or None
        In UTC; None if there is no such row, or no such table.

    Raises
    ------
    StorageError
        If the table is corrupt.
    """
    condition = where(None, None, None, until, equal={column: value})
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return None
        found = to_pandas(query(delta, f"SELECT max(event_time) AS latest FROM t{condition}"))["latest"]  # noqa: S608
        return None if found.isna().all() else pd.Timestamp(found.iloc[0])


def versions(workspace: Workspace) -> dict[str, int]:
    """List the tables with their latest versions.

    Parameters
    ----------
    workspace
        Where the tables are.

    Returns
    -------
    dict of str to int
        Table names to versions, ordered by name.

    Raises
    ------
    StorageError
        If a table is corrupt.
    """
    root = Path(workspace.tables_url)
    logs = (*root.glob("*/_delta_log"), *root.glob("telemetry/*/_delta_log"))
    names = sorted(log.parent.relative_to(root).as_posix() for log in logs)
    found = {name: latest_version(workspace, name) for name in names}
    return {name: version for name, version in found.items() if version is not None}


def latest_version(workspace: Workspace, table: str) -> int | None:
    """Tell a table's latest version.

    Parameters
    ----------
    workspace
        Where the tables are.
    table
        The table's name.

    Returns
    -------
    int or None
        The version; None when the table does not exist yet.

    Raises
    ------
    StorageError
        If the table is corrupt.
    """
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        return None if delta is None else int(delta.version())


def _open(workspace: Workspace, table: str) -> DeltaTable | None:
    return open_table(location(workspace, table))


def _create(workspace: Workspace, table: str, schema: pa.Schema) -> DeltaTable:
    # Empty, as a commit of its own: the first batch then conflicts with itself like every other.
    return DeltaTable.create(location(workspace, table), schema, mode="error", configuration=_CONFIGURATION)


def _commit(target: DeltaTable, rows: pa.Table, ids: Sequence[str], mark: int) -> None:
    write_deltalake(
        target,
        rows,
        mode="append",
        schema_mode="merge",
        writer_properties=_WRITER,
        commit_properties=CommitProperties(app_transactions=[Transaction(each, mark) for each in ids]),
    )


def _has_moved(workspace: Workspace, table: str, seen: DeltaTable | None) -> bool:
    latest = _open(workspace, table)
    return latest is not None and (seen is None or latest.version() > seen.version())


def _compact_now_and_then(delta: DeltaTable, table: str) -> None:
    if (delta.version() + 1) % _COMPACT_EVERY:
        return
    try:
        delta.optimize.compact(target_size=_COMPACTED_BYTES, writer_properties=_WRITER)
    except DeltaError as error:
        # The batch is stored all the same. Mostly another process gathers the same files.
        _LOGGER.info("the small files of %s were not gathered: %s", table, error)
