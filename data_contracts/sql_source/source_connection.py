"""Connections to a database that somebody else keeps: it is read, and never written to."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from data_contracts.configuration.database import is_server, without_password
from data_contracts.errors import NotFoundError, StorageError, UsageError

PASSWORD_VARIABLE = "FOREWARN_SOURCE_PASSWORD"  # noqa: S105 - the name of a variable
_DRIVER = "postgresql+psycopg"
_SECONDS = 10
_SERVER_OPTIONS = {
    "application_name": "forewarn import",
    "client_encoding": "utf8",
    "connect_timeout": _SECONDS,
    "keepalives_idle": _SECONDS,
    "keepalives_interval": _SECONDS,
    "keepalives_count": 3,
}


@contextmanager
def connect_source(url: str, password: str | None) -> Iterator[sa.Connection]:
    """Connect to a source during the block, for reading only; the URL's own password wins over `password`."""
    engine = _engine(url, password)
    try:
        with source_errors(engine), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def source_errors(engine: sa.Engine) -> Iterator[None]:
    """Raise our errors in place of SQLAlchemy's: wrong usage for what the query gets wrong."""
    shown = without_password(str(engine.url))
    try:
        yield
    except (sa.exc.ProgrammingError, sa.exc.DataError, sa.exc.NotSupportedError) as error:
        raise _wrong_query(shown, error) from error
    except sa.exc.OperationalError as error:
        if isinstance(error.orig, sqlite3.OperationalError) and "unable to open" not in str(error.orig):
            raise _wrong_query(shown, error) from error
        raise StorageError(
            f"{shown} cannot be read ({_line(error.orig)})",
            "a database that can be reached and read",
            f"Check host, database and user of the URL, and {PASSWORD_VARIABLE}; run it again to go on",
        ) from error
    except sa.exc.DBAPIError as error:
        raise StorageError(
            f"{shown} cannot be read ({_line(error.orig)})", "a database that can be read", "Run it again to go on"
        ) from error


def _engine(url: str, password: str | None) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise UsageError(
            f"the URL {without_password(url)!r}",
            "an SQLAlchemy URL such as postgresql://reader@historian:5432/plant or sqlite:////srv/plant.db",
            "Correct it; the password is best left to FOREWARN_SOURCE_PASSWORD",
        ) from error
    if is_server(f"{parsed.drivername}:") and "+" not in parsed.drivername:
        parsed = parsed.set(drivername=_DRIVER)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        _check_file(parsed)
    elif password and parsed.password is None:
        parsed = parsed.set(password=password)
    options: dict[str, Any] = {}
    if parsed.drivername == _DRIVER:
        options = {name: value for name, value in _SERVER_OPTIONS.items() if name not in parsed.query}
        options["options"] = f"-c default_transaction_read_only=on {parsed.query.get('options', '')}".strip()
    try:
        engine = sa.create_engine(parsed, connect_args=options, poolclass=sa.NullPool)
    except (ImportError, sa.exc.ArgumentError) as error:
        raise StorageError(
            f"{without_password(str(parsed))} needs a driver that is missing ({error})",
            "a database whose driver is installed",
            "Run pip install 'forewarn[postgres]', or install the driver that SQLAlchemy names for yours",
        ) from error
    if backend == "sqlite":
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only=ON"))
    return engine


def _check_file(url: sa.URL) -> None:
    """Raise if an SQLite file is missing: connecting would make an empty one."""
    if not url.database or not Path(url.database).is_file():
        raise NotFoundError(f"no file {url.database or ''}", "an SQLite database", "Check the path: four slashes for /")


def _wrong_query(shown: str, error: sa.exc.DBAPIError) -> UsageError:
    return UsageError(
        f"{shown} does not execute the query ({_line(error.orig)})", "a SELECT that it executes", "Correct --query"
    )


def _line(error: Any) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
