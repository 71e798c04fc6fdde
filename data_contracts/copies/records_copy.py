"""Copies of the records between databases of any kind: a server's into a file, and a file's into a server."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from data_contracts.configuration.sqlite_urls import sqlite_url
from data_contracts.errors import StorageError, UsageError
from data_contracts.records.database.connections import connect
from data_contracts.records.database.database_url import shown_url
from data_contracts.records.migrations.revisions import head, note_head, read_revision
from data_contracts.records.outbox.channel_homes import withhold_channels
from data_contracts.records.outbox.outbox_records import OutboxChannel
from data_contracts.records.record_schema import METADATA
from data_contracts.records.records import BUSY_SECONDS, migrate_records, open_to_copy, storage_errors

_ROWS = 5_000
_WAIT = "300ms"  # for one table; less than the second after which PostgreSQL ends a transaction of a circle of waiting
_PATIENCE_S = 60.0


@contextmanager
def server_writers_held(engine: sa.Engine) -> Iterator[None]:
    """Keep every process from writing to records on a server; they wait, and readers go on. For moments only."""
    connection = _locked(engine)
    try:
        yield
    finally:
        connection.close()


@contextmanager
def server_snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Yield a connection that reads the state of now, whatever is written meanwhile."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with storage_errors(engine), engine.connect().execution_options(**options) as connection:
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
        revision = read_revision(connection)
        if revision != head():
            raise UsageError(
                f"the records at {shown_url(engine)} have revision {revision}",
                f"revision {head()}",
                "Copy them with pg_dump, and then run `forewarn upgrade`",
            )
        yield connection


def copy_to_file(source: sa.Connection, file: Path) -> None:
    """Copy the records that a connection reads into a new SQLite database."""
    file.touch(mode=0o600)
    engine = sa.create_engine(sqlite_url(file))
    try:
        with storage_errors(source.engine), storage_errors(engine), engine.begin() as target:
            _fill(source, target)
    finally:
        engine.dispose()


def refuse_filled_database(url: str) -> None:
    """Raise a `UsageError` if a database has records already."""
    engine = connect(url, BUSY_SECONDS)
    with storage_errors(engine), engine.connect() as connection:
        tables = METADATA.tables.keys() & set(sa.inspect(connection).get_table_names())
        if tables or read_revision(connection) is not None:
            raise UsageError(
                f"the database at {shown_url(engine)} has records already, such as {min(tables, default='a revision')}",
                "a database without records",
                "Create an empty database, and name that",
            )


def copy_from_file(file: Path, url: str) -> Mapping[str, int]:
    """Copy the records of an SQLite database that nobody uses into an empty one, all or none; return rows by table."""
    refuse_filled_database(url)
    migrate_records(sqlite_url(file))
    engines = connect(sqlite_url(file), BUSY_SECONDS), connect(url, BUSY_SECONDS)
    try:
        errors = storage_errors(engines[0]), storage_errors(engines[1])
        with errors[0], errors[1], engines[0].connect() as source, engines[1].begin() as target:
            return _fill(source, target)
    finally:
        engines[0].dispose()


def _locked(engine: sa.Engine) -> sa.Connection:
    names = ", ".join(engine.dialect.identifier_preparer.quote(name) for name in sorted(METADATA.tables))
    ends = time.monotonic() + _PATIENCE_S
    while True:
        connection = engine.connect()
        try:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT}'")
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            connection.exec_driver_sql(f"LOCK TABLE {names} IN SHARE MODE")
        except sa.exc.DBAPIError as error:
            connection.close()
            if getattr(error.orig, "sqlstate", None) not in ("55P03", "40P01") or time.monotonic() > ends:
                raise StorageError(
                    f"the records at {shown_url(engine)} cannot be held for a moment ({error.orig})",
                    "a moment in which no long transaction writes, and a user who may write to all tables",
                    "Try again later",
                ) from error
            # Whoever waited for us goes on first.
            time.sleep(0.05)
        else:
            return connection


def _fill(source: sa.Connection, target: sa.Connection) -> dict[str, int]:
    METADATA.create_all(target, checkfirst=False)
    note_head(target)
    return {table.name: _copy(source, target, table) for table in METADATA.sorted_tables}


def _copy(source: sa.Connection, target: sa.Connection, table: sa.Table) -> int:
    plain, copied = _as_stored(table), 0
    reading = source.execution_options(stream_results=True).execute(sa.select(plain))
    for rows in reading.mappings().partitions(_ROWS):
        target.execute(sa.insert(plain), [dict(row) for row in rows])
        copied += len(rows)
    if copied and "id" in table.c and target.dialect.name == "postgresql":
        last = sa.select(sa.func.max(table.c.id)).scalar_subquery()
        target.execute(sa.select(sa.func.setval(sa.func.pg_get_serial_sequence(table.name, "id"), last)))
    return copied


def _as_stored(table: sa.Table) -> sa.TableClause:
    """Return a table whose values are read and written as they are stored."""
    kinds: dict[str, Any] = {column.name: column.type for column in table.columns}
    return sa.table(
        table.name,
        *(
            sa.column(name, kind.impl_instance if isinstance(kind, sa.types.TypeDecorator) else kind)
            for name, kind in kinds.items()
        ),
    )


def withhold_restored(url: str) -> int:
    """Have nobody deliver by the channels of records that were restored; count them. Others stay untouched."""
    engine = connect(url, BUSY_SECONDS)
    with storage_errors(engine):
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table(OutboxChannel.table.name):
                return 0
            if connection.execute(sa.select(OutboxChannel.table.c.channel)).first() is None:
                return 0
        open_to_copy(url)
        with engine.begin() as connection:
            count = withhold_channels(connection)
    engine.dispose()  # the file is about to be moved
    return count
