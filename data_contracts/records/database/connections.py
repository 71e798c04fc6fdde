"""Connections to the records: for a file and for a server, which have their own ways to wait and to fail."""

import math
import os
import sqlite3
import threading
import time
import weakref
from collections import deque
from functools import partial
from typing import Any

import sqlalchemy as sa

from data_contracts.configuration.database import NAMES, DatabaseSettings, settings_in_query
from data_contracts.configuration.private_files import create_private
from data_contracts.configuration.sqlite_urls import refuse_emptied
from data_contracts.errors import StorageError
from data_contracts.records.database.database_url import parse_url

_PROBES = 3  # a second apart, before a silent connection is given up
_engines: dict[tuple[int, str, float], sa.Engine] = {}
_opening = threading.Lock()
_MOST_CONNECTED = 8  # engines of files that keep their connections
_connected_to_files: deque[weakref.ref[sa.Engine]] = deque()


def connect(url: str, busy_seconds: float) -> sa.Engine:
    """Return an engine for the records; `busy_seconds` is the wait before they count as locked.

    That of a server is one for the whole process: each has connections of its own, of which a server has few.
    """
    parsed = parse_url(url)
    refuse_emptied(url, "the records")
    create_private(url)
    if parsed.get_backend_name() != "postgresql":
        return _engine_of_file(parsed, busy_seconds)
    with _opening:
        # A connection must not be shared with a forked process.
        key = (os.getpid(), url, busy_seconds)
        if key not in _engines:
            _engines[key] = _engine_of_server(parsed, busy_seconds)
        return _engines[key]


def _engine_of_file(url: sa.URL, busy_seconds: float) -> sa.Engine:
    is_sqlite = url.get_backend_name() == "sqlite"
    try:
        engine = sa.create_engine(url, connect_args={"timeout": busy_seconds} if is_sqlite else {})
    except (ImportError, sa.exc.ArgumentError) as error:
        raise _missing_driver(url, error) from error
    if is_sqlite:
        sa.event.listen(engine, "connect", partial(_set_up_sqlite, busy_seconds))
    if is_sqlite and url.database not in (None, "", ":memory:"):
        _keep_few_connected(engine)
    return engine


def _keep_few_connected(engine: sa.Engine) -> None:
    """Close the connections of engines made long before; one that is still in use connects again.

    Engines are part of cycles, so that those no longer in use are collected late; by then a process that runs for long
    would have more files open than select() can wait for.
    """
    with _opening:
        _connected_to_files.append(weakref.ref(engine))
        earlier = [_connected_to_files.popleft()() for _ in range(len(_connected_to_files) - _MOST_CONNECTED)]
    for each in earlier:
        if each is not None:
            each.dispose()


def _engine_of_server(url: sa.URL, busy_seconds: float) -> sa.Engine:
    settings = settings_in_query(url.query)
    own = url.difference_update_query(NAMES)
    try:
        return sa.create_engine(
            own,
            connect_args=_connect_args(own, settings, busy_seconds),
            # What we rely on, whatever the server's default: a statement sees what was committed before it began.
            isolation_level="READ COMMITTED",
            # The server may have been restarted since a connection was last used.
            pool_pre_ping=True,
            pool_size=settings.pool_size,
            max_overflow=settings.max_overflow,
            pool_timeout=settings.connect_timeout_seconds or busy_seconds,
            pool_recycle=settings.recycle_seconds,
            pool_use_lifo=True,
        )
    except (ImportError, sa.exc.ArgumentError) as error:
        raise _missing_driver(url, error) from error


def _connect_args(url: sa.URL, settings: DatabaseSettings, busy_seconds: float) -> dict[str, Any]:
    """Return what libpq is to do about locks and dead servers; what the URL says itself is left to it."""
    lock = settings.lock_timeout_seconds or busy_seconds
    silence = math.ceil(settings.keepalive_seconds or busy_seconds)
    limits = {
        "lock_timeout": lock,
        "statement_timeout": settings.statement_timeout_seconds,
        "idle_in_transaction_session_timeout": settings.idle_transaction_seconds,
    }
    options = [f"-c {name}={int(1000 * seconds)}" for name, seconds in limits.items()]
    # The server's side: the locks of a machine that lost its power are freed.
    options += [
        f"-c tcp_keepalives_idle={silence}",
        "-c tcp_keepalives_interval=1",
        f"-c tcp_keepalives_count={_PROBES}",
    ]
    arguments = {
        "application_name": "forewarn",
        "client_encoding": "utf8",
        "connect_timeout": math.ceil(settings.connect_timeout_seconds or busy_seconds),
        # A server that lost its network sends nothing, and by default TCP would wait for a quarter of an hour.
        "tcp_user_timeout": int(1000 * lock),
        "keepalives_idle": silence,
        "keepalives_interval": 1,
        "keepalives_count": _PROBES,
    }
    theirs = str(url.query.get("options", ""))
    # The last one counts.
    return {name: value for name, value in arguments.items() if name not in url.query} | {
        "options": " ".join([*options, theirs]).strip()
    }


def _missing_driver(url: sa.URL, error: Exception) -> StorageError:
    if url.drivername == "postgresql+psycopg" and isinstance(error, ImportError):
        return StorageError(
            f"the records are in PostgreSQL, and its driver is not installed ({error})",
            "the extra postgres",
            "Run pip install 'forewarn[postgres]'",
        )
    return StorageError(
        f"the records' URL {url} needs a driver that is missing ({error})",
        "a database whose driver is installed: sqlite, or postgresql with pip install 'forewarn[postgres]'",
        "Fix FOREWARN_RECORDS_URL, or records in forewarn.toml",
    )


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
