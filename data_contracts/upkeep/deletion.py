"""Deletion of raw telemetry that is older than it is kept, once its indicators have read it."""

import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from data_contracts.contract.contract_types import STORED_VERSION
from data_contracts.tables import tables
from data_contracts.tables.arrow_frames import to_pandas
from data_contracts.tables.files.verification import refuse_damaged
from data_contracts.tables.row_conditions import where
from data_contracts.tables.table_access import (
    DELETED,
    DELETED_FROM,
    DELETED_UNTIL,
    REWRITTEN,
    open_to_read,
    query,
    storage,
)
from data_contracts.upkeep.exchange import exchange
from data_contracts.upkeep.sorted_files import write_sorted
from data_contracts.upkeep.table_files import TableFile, dataset, file_system, table_files
from data_contracts.workspace import Workspace


@dataclass(frozen=True)
class Expired:
    """Which rows of a telemetry table are no longer kept."""

    until: pd.Timestamp  # event times up to this one,
    read_upto: int  # of rows that this version or one before stored: indicators have read them,
    kept_upto: int = -1  # but this version or one before did not: no registered model was trained on them,
    tails: Mapping[str, pd.Timestamp] = field(default_factory=dict)  # nor are they later than this, of some assets

    @property
    def condition(self) -> pc.Expression:
        """Return it as a condition on rows."""
        stored = pc.coalesce(pc.field(STORED_VERSION), pc.scalar(pa.scalar(0, pa.int64())))
        until = pc.field("event_time") <= instant(self.until)
        kept = [
            (pc.field("asset") == asset) & (pc.field("event_time") > instant(last))
            for asset, last in self.tails.items()
        ]
        tail = functools.reduce(operator.or_, kept, pc.scalar(False))
        return until & (stored <= self.read_upto) & (stored > self.kept_upto) & ~tail

    def has_all_of(self, file: TableFile) -> bool:
        """Return whether a file's statistics say that none of its rows is kept."""
        if file.last is None or file.first_stored is None or file.last_stored is None:
            return False
        limit = min([self.until, *self.tails.values()])
        return file.last <= limit and file.last_stored <= self.read_upto and file.first_stored > self.kept_upto

    def has_none_of(self, file: TableFile) -> bool:
        """Return whether a file's statistics say that all of its rows are kept."""
        if file.first is not None and file.first > self.until:
            return True
        if file.first_stored is not None and file.first_stored > self.read_upto:
            return True
        return file.last_stored is not None and file.last_stored <= self.kept_upto


@dataclass(frozen=True)
class Deletion:
    """What was deleted, or would be."""

    rows: int = 0
    files: int = 0  # that are no longer needed
    size: int = 0  # their bytes, less what was written of them again
    postponed: bool = False  # another process rewrote one of the files meanwhile


@dataclass(frozen=True)
class _Part:
    """A file with expired rows."""

    file: TableFile
    rows: int  # that are expired
    first_stored: int  # the version that stored the first of them
    is_whole: bool  # whether all are


def delete_expired(workspace: Workspace, table: str, expired: Expired, *, dry_run: bool = False) -> Deletion:
    """Delete rows of a telemetry table in one commit, which also notes what; see `table_access.is_whole`."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        parts = [] if delta is None else [part for file in table_files(delta) if (part := _part(delta, file, expired))]
        rows, size = sum(part.rows for part in parts), sum(part.file.size for part in parts)
        if delta is None or dry_run or not parts:
            return Deletion(rows, len(parts), size)
        refuse_damaged(delta, table, paths={part.file.path for part in parts if not part.is_whole})
        new = [_rest(delta, part.file, expired) for part in parts if not part.is_whole]
        before = delta.transaction_version(DELETED_FROM), delta.transaction_version(DELETED_UNTIL)
        first = min(part.first_stored for part in parts)
        marks = {
            REWRITTEN: None,  # the version of this commit
            DELETED: None,
            DELETED_FROM: first if before[0] is None else min(first, before[0]),
            DELETED_UNTIL: max(_microseconds(expired.until), before[1] or 0),
        }
        if exchange(workspace, table, [part.file for part in parts], new, marks, data_change=True) is None:
            return Deletion(postponed=True)
        return Deletion(rows, len(parts), size - sum(action.size for action in new))


def first_unread(workspace: Workspace, table: str, read_upto: int) -> pd.Timestamp | None:
    """Return an event time that no row has before it which later versions than this one stored; None without any."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None or int(delta.version()) <= read_upto:
            return None
        unread = [file.first for file in table_files(delta) if file.last_stored is None or file.last_stored > read_upto]
        # Without statistics a file may have any time.
        return min((time or pd.Timestamp(0, tz="UTC") for time in unread), default=None)


def silent_assets(
    workspace: Workspace, table: str, *, until: pd.Timestamp, since: pd.Timestamp
) -> dict[str, pd.Timestamp]:
    """Return the last event times of the assets that have rows up to one time, and none after another."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return {}
        latest = f"SELECT asset, max(event_time) AS last FROM t{where(None, None, None, until)} GROUP BY asset"  # noqa: S608
        rows = to_pandas(query(delta, latest))
        last = dict(zip(rows["asset"], rows["last"], strict=True))
    # Of few assets the engine reads little, as files are sorted by them.
    active, _ = tables.asset_watermarks(workspace, table, start=since, column="event_time")
    silent = [asset for asset in last if asset not in active]
    if not silent:
        return {}
    later, _ = tables.asset_watermarks(workspace, table, assets=silent, start=until, column="event_time")
    return {asset: time for asset, time in (last | later).items() if asset not in active}


def _rest(delta: DeltaTable, file: TableFile, expired: Expired) -> AddAction:
    kept = dataset(delta, [file]).to_table(filter=~expired.condition)
    return write_sorted(file_system(delta), kept, data_change=True)


def _part(delta: DeltaTable, file: TableFile, expired: Expired) -> _Part | None:
    if expired.has_none_of(file):
        return None
    if expired.has_all_of(file) and file.rows is not None and file.first_stored is not None:
        return _Part(file, file.rows, file.first_stored, is_whole=True)
    stored = dataset(delta, [file]).to_table([STORED_VERSION], filter=expired.condition)[STORED_VERSION]
    if not len(stored):
        return None
    first = pc.min(pc.coalesce(stored, pa.scalar(0, pa.int64()))).as_py()
    return _Part(file, len(stored), int(first), is_whole=len(stored) == dataset(delta, [file]).count_rows())


def instant(time: pd.Timestamp) -> pc.Expression:
    """Return a time to compare a table's times with."""
    return pc.scalar(pa.scalar(_microseconds(time), pa.int64()).cast(pa.timestamp("us", tz="UTC")))


def _microseconds(time: pd.Timestamp) -> int:
    return int(time.as_unit("us").asm8.astype("int64"))
