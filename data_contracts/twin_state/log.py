"""The log in SQL: appending entries to an asset's log if nobody else has, and reading it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import sqlalchemy as sa

from data_contracts.errors import ForewarnError, StorageError
from data_contracts.records.records import insert_records, storage_errors
from data_contracts.records.twin_records import TwinEntry
from data_contracts.twin_state.fold import Newest

_ATTEMPTS = 100
_NAMES = [column.name for column in TwinEntry.table.columns if column.name != "id"]
_COLUMNS = [TwinEntry.table.c[name] for name in _NAMES]


class StaleRevisionError(ForewarnError):
    """The state has changed since the writer saw it; nothing was stored."""

    def __init__(self, asset: str, expected: int, current: int) -> None:
        super().__init__(
            f"revision {expected} of {asset}, which is at revision {current}",
            "a change of the current revision",
            f"Look at revision {current} and decide again: somebody else has changed it",
        )
        self.current = current


@dataclass(frozen=True)
class LogHead:
    """Where an asset's log ends."""

    number: int = 0
    revision: int = 0
    known_time: pd.Timestamp | None = None  # of the last entry


@dataclass(frozen=True)
class LogView:
    """What a writer needs of an asset's log: its head, and the accepted entries that count."""

    head: LogHead
    newest: Newest  # by property and source
    last: Newest  # the same, of entries with a value

    def known_time(self, now: pd.Timestamp) -> pd.Timestamp:
        """Return when new entries become known: now, or when the last one did if this clock has gone back since."""
        return now if self.head.known_time is None else max(now, self.head.known_time)


Compose = Callable[[LogView], Sequence[TwinEntry]]
"""Makes the entries to append from the log so far."""
Beside = Callable[[sa.Connection, LogView, Sequence[TwinEntry]], None]
"""Writes what belongs to new entries, in their transaction."""


def append(
    engine: sa.Engine, asset: str, compose: Compose, *, expected: int | None, beside: Beside = lambda *_: None
) -> tuple[TwinEntry, ...]:
    """Append what `compose` makes of an asset's log, all in one transaction; `StaleRevisionError` if it has moved on.

    The entries get their numbers here. Who appends first wins: another writer's numbers collide, so that what was read
    is what is appended to, in any database and at any isolation.
    """
    for attempt in range(_ATTEMPTS):
        with storage_errors(engine), engine.connect() as connection:
            view = read_view(connection, asset)
        if expected is not None and view.head.revision != expected:
            raise StaleRevisionError(asset, expected, view.head.revision)
        start = view.head.number + 1
        entries = tuple(replace(entry, number=start + place) for place, entry in enumerate(compose(view)))
        try:
            with engine.begin() as connection:
                insert_records(connection, entries)
                beside(connection, view, entries)
        except sa.exc.IntegrityError as error:
            if attempt == _ATTEMPTS - 1:
                raise StorageError(
                    f"the log of {asset} grew during each of {_ATTEMPTS} attempts to append to it",
                    "fewer writers at once",
                    "Try again. Nothing of this call was stored",
                ) from error
        except sa.exc.DBAPIError:
            with storage_errors(engine):
                raise
        else:
            return entries
    raise AssertionError("unreachable")


def read_view(connection: sa.Connection, asset: str, as_of: pd.Timestamp | None = None) -> LogView:
    """Read an asset's log, as it was known at a time if one is given."""
    return LogView(
        head=_head(connection, asset, as_of),
        newest=_newest(connection, asset, as_of, with_value=False),
        last=_newest(connection, asset, as_of, with_value=True),
    )


def read_log(
    engine: sa.Engine,
    asset: str,
    *,
    rejected: bool | None = None,
    upto_revision: int | None = None,
    before: int | None = None,
    limit: int | None = None,
) -> list[TwinEntry]:
    """Read an asset's entries, the newest first: all, or the rejected or the accepted ones only."""
    table = TwinEntry.table.c
    statement = sa.select(*_COLUMNS).where(table.asset == asset).order_by(table.number.desc()).limit(limit)
    if rejected is not None:
        statement = statement.where(table.rejection.is_not(None) if rejected else table.rejection.is_(None))
    if upto_revision is not None:
        statement = statement.where(table.revision <= upto_revision)
    if before is not None:
        statement = statement.where(table.number < before)
    with storage_errors(engine), engine.connect() as connection:
        return [_entry(row) for row in connection.execute(statement)]


def read_message(engine: sa.Engine, asset: str, source: str, epoch: int, sequence: int) -> list[TwinEntry]:
    """Read the entries that one message of a program's session made."""
    table = TwinEntry.table.c
    own = (table.asset == asset, table.source == source, table.epoch == epoch, table.sequence == sequence)
    with storage_errors(engine), engine.connect() as connection:
        return [_entry(row) for row in connection.execute(sa.select(*_COLUMNS).where(*own).order_by(table.number))]


def revisions(engine: sa.Engine) -> dict[str, int]:
    """Return the revision of every asset that has a log."""
    table = TwinEntry.table.c
    statement = sa.select(table.asset, sa.func.max(table.revision)).group_by(table.asset)
    with storage_errors(engine), engine.connect() as connection:
        return dict(connection.execute(statement).tuples().all())


def _head(connection: sa.Connection, asset: str, as_of: pd.Timestamp | None) -> LogHead:
    table = TwinEntry.table.c
    statement = sa.select(table.number, table.revision, table.known_time).where(table.asset == asset)
    if as_of is not None:
        statement = statement.where(table.known_time <= as_of)
    row = connection.execute(statement.order_by(table.number.desc()).limit(1)).one_or_none()
    return LogHead() if row is None else LogHead(*row)


def _newest(connection: sa.Connection, asset: str, as_of: pd.Timestamp | None, *, with_value: bool) -> Newest:
    table = TwinEntry.table.c
    counts = [table.asset == asset, table.rejection.is_(None)]
    if as_of is not None:
        counts += [table.known_time <= as_of, table.event_time <= as_of]
    if with_value:
        counts.append(sa.cast(table.value, sa.Text) != "null")
    order = (table.event_time.desc(), table.known_time.desc(), table.number.desc())
    place = sa.func.row_number().over(partition_by=(table.property, table.source), order_by=order)
    ranked = sa.select(table.number, place.label("place")).where(*counts).subquery()
    statement = sa.select(*_COLUMNS).join(ranked, ranked.c.number == table.number)
    rows = connection.execute(statement.where(table.asset == asset, ranked.c.place == 1))
    entries: Iterable[TwinEntry] = map(_entry, rows)
    return {(entry.property, entry.source): entry for entry in entries}


def _entry(row: sa.Row[tuple[object, ...]]) -> TwinEntry:
    return TwinEntry(**dict(zip(_NAMES, row, strict=True)))
