"""Records that are looked up and updated: predictions, promotions, decisions and monitor runs, in SQL.

One URL reaches them: SQLite under the workspace now, another database later; the statements are SQLAlchemy Core and
keep to what both understand. Instants are stored as microseconds since 1970 in UTC, which every database orders alike.
"""

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from typing import Any

import pandas as pd
import sqlalchemy as sa

from data_contracts.errors import StorageError
from data_contracts.records.record_tables import (
    DECISIONS,
    METADATA,
    MONITOR_RUNS,
    PREDICTIONS,
    PROMOTIONS,
    Instant,
    Json,
)
from data_contracts.records.record_types import Decision as Decision
from data_contracts.records.record_types import MonitorRun as MonitorRun
from data_contracts.records.record_types import Prediction as Prediction
from data_contracts.records.record_types import Promotion as Promotion

BUSY_SECONDS = 10.0
"""How long to wait, unless the caller says otherwise, for another process that holds the records."""


def open_records(url: str, *, busy_seconds: float = BUSY_SECONDS) -> sa.Engine:
    """Open the records, and create what is missing.

    Parameters
    ----------
    url
        The SQLAlchemy URL.
    busy_seconds
        How long to wait, in seconds, for another process that holds the database, before it counts as locked.

    Returns
    -------
    sqlalchemy.Engine
        The engine that the other functions take.

    Raises
    ------
    StorageError
        If the database is locked, corrupt or out of reach.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise StorageError(
            f"the records' URL {url!r} is none", "an SQLAlchemy URL such as sqlite:////var/lib/x.db", "Mend it"
        ) from error
    backend = parsed.get_backend_name()
    try:
        # A server may have been restarted since a connection was last used; a file has not.
        engine = sa.create_engine(
            parsed, connect_args=_patience(backend, busy_seconds), pool_pre_ping=backend != "sqlite"
        )
    except (ImportError, sa.exc.ArgumentError) as error:
        raise StorageError(
            f"the records' URL {parsed} needs a driver that is missing ({error})",
            "a database whose driver is installed",
            "Install the driver, or use sqlite",
        ) from error
    if backend == "sqlite":
        sa.event.listen(engine, "connect", partial(_set_up_sqlite, busy_seconds))
    with storage_errors(engine):
        _create_missing(engine)
    return engine


def predictions(
    engine: sa.Engine,
    *,
    model_name: str | None = None,
    since: pd.Timestamp | None = None,
    until: pd.Timestamp | None = None,
    asset: str | None = None,
) -> pd.DataFrame:
    """Read stored predictions.

    Parameters
    ----------
    engine
        The records.
    model_name
        Only of this model.
    since, until
        Only with ``since < as_of <= until``.
    asset
        Only of this asset.

    Returns
    -------
    pandas.DataFrame
        One row a prediction, ordered by cut-off, asset and the time it was made.

    Raises
    ------
    StorageError
        If they could not be read.
    """
    table = PREDICTIONS.c
    query = sa.select(PREDICTIONS).order_by(table.as_of, table.asset, table.made_at, table.prediction_id)
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
    """Write a row into the ledger.

    Parameters
    ----------
    engine
        The records.
    promotion
        What happened.

    Raises
    ------
    StorageError
        If it could not be stored.
    """
    _add(engine, PROMOTIONS, promotion)


def promotions(engine: sa.Engine, *, model_name: str | None = None) -> pd.DataFrame:
    """Read the ledger.

    Parameters
    ----------
    engine
        The records.
    model_name
        Only of this model.

    Returns
    -------
    pandas.DataFrame
        One row a promotion, in the order they were written.

    Raises
    ------
    StorageError
        If it could not be read.
    """
    return read_frame(engine, _of_model(PROMOTIONS, model_name))


def add_decision(engine: sa.Engine, decision: Decision) -> None:
    """Store what was decided about retraining.

    Parameters
    ----------
    engine
        The records.
    decision
        The decision.

    Raises
    ------
    StorageError
        If it could not be stored.
    """
    _add(engine, DECISIONS, decision)


def decisions(engine: sa.Engine, *, model_name: str | None = None) -> pd.DataFrame:
    """Read what was decided about retraining.

    Parameters
    ----------
    engine
        The records.
    model_name
        Only about this model.

    Returns
    -------
    pandas.DataFrame
        One row a decision, in the order they were written.

    Raises
    ------
    StorageError
        If they could not be read.
    """
    return read_frame(engine, _of_model(DECISIONS, model_name))


def add_monitor_run(engine: sa.Engine, run: MonitorRun) -> None:
    """Store the error rates that a run of the monitor found.

    Parameters
    ----------
    engine
        The records.
    run
        The run.

    Raises
    ------
    StorageError
        If it could not be stored.
    """
    _add(engine, MONITOR_RUNS, run)


def monitor_runs(engine: sa.Engine, *, model_name: str | None = None) -> pd.DataFrame:
    """Read the error rates that the runs of the monitor found.

    Parameters
    ----------
    engine
        The records.
    model_name
        Only of this model.

    Returns
    -------
    pandas.DataFrame
        One row a run, in the order they were written.

    Raises
    ------
    StorageError
        If they could not be read.
    """
    return read_frame(engine, _of_model(MONITOR_RUNS, model_name))


def record_values(record: Any) -> dict[str, Any]:
    """Return a record's fields by the names of its table's columns."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _add(engine: sa.Engine, table: sa.Table, record: Any) -> None:
    with storage_errors(engine), engine.begin() as connection:
        connection.execute(sa.insert(table).values(record_values(record)))


def _of_model(table: sa.Table, model_name: str | None) -> sa.Select[Any]:
    query = sa.select(table).order_by(table.c.id)
    return query if model_name is None else query.where(table.c.model_name == model_name)


def read_frame(engine: sa.Engine, query: sa.Select[Any]) -> pd.DataFrame:
    """Read what a query selects, every column with its type even where nothing was found."""
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


def _patience(backend: str, busy_seconds: float) -> dict[str, Any]:
    """Tell the driver how long to wait."""
    if backend == "sqlite":
        return {"timeout": busy_seconds}
    if backend == "postgresql":
        milliseconds = int(1000 * busy_seconds)
        # A server that has lost its network says nothing any more, and the system would wait for a quarter of an hour.
        alive = {"keepalives_idle": math.ceil(busy_seconds), "keepalives_interval": 1, "keepalives_count": 3}
        unheard = {"tcp_user_timeout": milliseconds, **alive}
        return {"connect_timeout": math.ceil(busy_seconds), "options": f"-c lock_timeout={milliseconds}", **unheard}
    return {}


def _create_missing(engine: sa.Engine) -> None:
    # Between looking for a table and creating it another process may have done so. Each such collision means that one
    # table more is there, so there are no more of them than tables.
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
    # Of those who switch a new database at once, SQLite turns all but one away without the wait that it otherwise
    # grants (its busy handler is not asked where two hold a read lock that both want to raise). So we wait.
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
    """Turn what the database raises into one of our own errors.

    Parameters
    ----------
    engine
        The records.

    Raises
    ------
    StorageError
        In place of what SQLAlchemy raised.
    """
    try:
        yield
    except sa.exc.IntegrityError as error:
        raise StorageError(
            f"the records at {engine.url} refused a row ({error.orig})",
            "rows with an identifier of their own and no missing value",
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
        return "See that its folder is there and may be written to"
    return "See that the database runs and FOREWARN_RECORDS_URL is right"
