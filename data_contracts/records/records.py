"""The records in SQL: opening the database, predictions, promotions, decisions and monitor runs.

One URL reaches them: SQLite in the workspace by default, or another database; the statements are SQLAlchemy Core and
use only what both understand.
"""

import math
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pandas as pd
import sqlalchemy as sa

from data_contracts.configuration.private_files import create_private
from data_contracts.configuration.sqlite_urls import refuse_emptied, sqlite_file
from data_contracts.errors import StorageError
from data_contracts.records.migrations.schema_version import (
    migrate,
    note_schema_version,
    read_schema_version,
    refuse_too_old,
)
from data_contracts.records.record_schema import METADATA, Instant, Json, Record
from data_contracts.records.record_types import Decision as Decision
from data_contracts.records.record_types import MonitorRun as MonitorRun
from data_contracts.records.record_types import Prediction as Prediction
from data_contracts.records.record_types import Promotion as Promotion
from data_contracts.records.twin_records import TwinEntry as TwinEntry  # its tables are created with the others

BUSY_SECONDS = 10.0  # default wait for another process that holds the database


def open_records(url: str, *, busy_seconds: float = BUSY_SECONDS) -> sa.Engine:
    """Open the database and create missing tables; `busy_seconds` is the wait before it counts as locked."""
    engine = _connect(url, busy_seconds)
    with storage_errors(engine):
        found = read_schema_version(engine)
        refuse_too_old(engine, found)
        _create_missing(engine)
        if found is None:
            note_schema_version(engine)
    return engine


def records_version(url: str) -> int | None:
    """Return the version of the tables of records; None if there are none yet."""
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return None  # to connect would create it
    engine = _connect(url, BUSY_SECONDS)
    with storage_errors(engine):
        return read_schema_version(engine)


def migrate_records(url: str) -> None:
    """Bring the tables of records to this program's version, and create missing ones."""
    engine = _connect(url, BUSY_SECONDS)
    with storage_errors(engine):
        migrate(engine, read_schema_version(engine) or 0)
        _create_missing(engine)


def _connect(url: str, busy_seconds: float) -> sa.Engine:
    refuse_emptied(url, "the records")
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise StorageError(
            f"the records' URL {url!r} is not a valid SQLAlchemy URL",
            "one such as sqlite:////var/lib/x.db",
            "Fix FOREWARN_RECORDS_URL, or records in forewarn.toml",
        ) from error
    backend = parsed.get_backend_name()
    try:
        # A server may have been restarted since a connection was last used; a file has not.
        engine = sa.create_engine(
            parsed, connect_args=_connect_args(backend, busy_seconds), pool_pre_ping=backend != "sqlite"
        )
    except (ImportError, sa.exc.ArgumentError) as error:
        raise StorageError(
            f"the records' URL {parsed} needs a driver that is missing ({error})",
            "a database whose driver is installed",
            "Install the driver, or use sqlite",
        ) from error
    if backend == "sqlite":
        create_private(url)
        sa.event.listen(engine, "connect", partial(_set_up_sqlite, busy_seconds))
    return engine


def predictions(
    engine: sa.Engine,
    *,
    model_name: str | None = None,
    since: pd.Timestamp | None = None,
    until: pd.Timestamp | None = None,
    asset: str | None = None,
) -> pd.DataFrame:
    """Read predictions with ``since < as_of <= until``, ordered by cut-off, asset and the time they were made."""
    table = Prediction.table.c
    query = sa.select(Prediction.table).order_by(table.as_of, table.asset, table.made_at, table.prediction_id)
    if model_name is not None:
        query = query.where(table.model_name == model_name)
    if since is not None:
        query = query.where(table.as_of > since)
    if until is not None:
        query = query.where(table.as_of <= until)
    if asset is not None:
        query = query.where(table.asset == asset)
    return read_frame(engine, query)


def add_promotion(engine: sa.Engine, promotion: Promotion) -> None:
    """Append a row to the ledger."""
    add_records(engine, [promotion])


def promotions(engine: sa.Engine, *, model_name: str | None = None) -> pd.DataFrame:
    """Read the ledger, in the order it was written."""
    return list_records(engine, Promotion, model_name=model_name)


def add_decision(engine: sa.Engine, decision: Decision) -> None:
    """Store a decision about retraining."""
    add_records(engine, [decision])


def decisions(engine: sa.Engine, *, model_name: str | None = None) -> pd.DataFrame:
    """Read the decisions about retraining, in the order they were written."""
    return list_records(engine, Decision, model_name=model_name)


def add_monitor_run(engine: sa.Engine, run: MonitorRun) -> None:
    """Store the error rates that a run of the monitor found."""
    add_records(engine, [run])


def insert_records(connection: sa.Connection, records: Sequence[Record]) -> None:
    """Insert records of one type within the caller's transaction."""
    if records:
        connection.execute(sa.insert(records[0].table), [record.values() for record in records])


def add_records(engine: sa.Engine, records: Sequence[Record]) -> None:
    """Store records of one type, all or none."""
    with storage_errors(engine), engine.begin() as connection:
        insert_records(connection, records)


def list_records(engine: sa.Engine, record_type: type[Record], *, model_name: str | None = None) -> pd.DataFrame:
    """Read the rows of a table with serial ids, in the order they were written."""
    table = record_type.table
    query = sa.select(table).order_by(table.c.id)
    return read_frame(engine, query if model_name is None else query.where(table.c.model_name == model_name))


def read_frame(engine: sa.Engine, query: sa.Select[Any]) -> pd.DataFrame:
    """Read the rows of a query, each column with its own type even if there are no rows."""
    with storage_errors(engine), engine.connect() as connection:
        rows = connection.execute(query).all()
    frame = pd.DataFrame([tuple(row) for row in rows], columns=[column.name for column in query.selected_columns])
    return frame.astype({column.name: _dtype(column) for column in query.selected_columns})


def _dtype(column: sa.ColumnElement[Any]) -> str:
    nullable = bool(getattr(column, "nullable", True))
    if isinstance(column.type, Instant):
        return "datetime64[us, UTC]"
    if isinstance(column.type, Json):
        return "object"
    if isinstance(column.type, sa.Boolean):
        return "bool"
    if isinstance(column.type, sa.Integer):
        return "Int64" if nullable else "int64"
    return "float64" if isinstance(column.type, sa.Float) else "str"


def _connect_args(backend: str, busy_seconds: float) -> dict[str, Any]:
    """Return the driver's options for waiting on locks and dead servers."""
    if backend == "sqlite":
        return {"timeout": busy_seconds}
    if backend == "postgresql":
        milliseconds = int(1000 * busy_seconds)
        # A server that lost its network sends nothing, and by default TCP would wait for a quarter of an hour.
        keepalive = {"keepalives_idle": math.ceil(busy_seconds), "keepalives_interval": 1, "keepalives_count": 3}
        return {
            "connect_timeout": math.ceil(busy_seconds),
            "options": f"-c lock_timeout={milliseconds}",
            "tcp_user_timeout": milliseconds,
            **keepalive,
        }
    return {}


def _create_missing(engine: sa.Engine) -> None:
    # Another process may create a table between our check and our CREATE. Each such collision means one more table
    # exists, so there are at most as many collisions as tables.
    for _ in METADATA.tables:
        try:
            return METADATA.create_all(engine)
        except (sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.IntegrityError) as error:
            if "already exists" not in str(error.orig):
                raise
    return METADATA.create_all(engine)


def _set_up_sqlite(busy_seconds: float, connection: sqlite3.Connection, _record: Any) -> None:
    # WAL lets the endpoint write while the monitor reads; FULL survives a power cut, not only a kill.
    _switch_to_wal(connection, time.monotonic() + busy_seconds)
    connection.execute("PRAGMA synchronous=FULL")


def _switch_to_wal(connection: sqlite3.Connection, deadline: float) -> None:
    # When several processes switch a new database at once, SQLite refuses all but one without waiting: it does not call
    # its busy handler where two connections hold a read lock that both want to upgrade. So we wait here.
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextmanager
def storage_errors(engine: sa.Engine) -> Iterator[None]:
    """Raise a `StorageError` in place of SQLAlchemy's errors."""
    try:
        yield
    except sa.exc.IntegrityError as error:
        raise StorageError(
            f"the records at {engine.url} refused a row ({error.orig})",
            "rows with unique identifiers and no missing value",
            "Nothing of this call was stored",
        ) from error
    except sa.exc.DBAPIError as error:
        raise StorageError(
            f"the records at {engine.url} cannot be used ({error.orig})",
            "a database that can be opened, read and written",
            _remedy(str(error.orig)),
        ) from error


def _remedy(reason: str) -> str:
    if "locked" in reason or "busy" in reason:
        return "Another program holds it: end that one, or try again. Nothing of this call was stored"
    if "malformed" in reason or "not a database" in reason:
        return "The file is damaged: move it away, and restore it from a backup"
    if "unable to open" in reason or "readonly" in reason:
        return "Check that its folder exists and is writable"
    return "Check that the database is running and FOREWARN_RECORDS_URL is right"
