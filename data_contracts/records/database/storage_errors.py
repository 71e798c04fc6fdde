"""What a database's errors mean, and what to do about them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from data_contracts.configuration.sqlite_faults import sqlite_remedy, with_disk_state
from data_contracts.configuration.sqlite_urls import sqlite_file
from data_contracts.errors import StorageError
from data_contracts.records.database.database_url import shown_url

_URL = "FOREWARN_RECORDS_URL, or records in forewarn.toml,"
# By SQLSTATE (PostgreSQL's manual, appendix A); a connection that is refused has none, so words of the message too.
_REMEDIES = (
    (("28P01", "28000", "password authentication failed", "no password supplied", "no pg_hba.conf entry"),
     f"Check the user and the password of {_URL} or set PGPASSWORD; the server's pg_hba.conf says who may connect"),
    (("3D000", "FATAL:  database"), f"Create that database, or name another in {_URL[:-1]}"),
    (("25006", "read-only transaction"),
     f"This server takes no writes, as a standby does: name the one that does in {_URL[:-1]}"),
    (("42501",),
     "Grant its user SELECT, INSERT, UPDATE and DELETE on all tables, USAGE on all sequences, and CREATE on the "
     "schema"),
    (("42703", "42P01", "no such column", "no such table", "has no column named"),
     "These tables are not as this version of forewarn makes them: name the database that it is used with, or restore "
     "its tables"),
    (("53300", "remaining connection slots"),
     "Lower database.pool_size and database.max_overflow, or raise max_connections of the server"),
    (("55P03",), "Another process holds it for longer than database.lock_timeout_seconds: end that one, or try again"),
    (("57014",), "It takes longer than database.statement_timeout_seconds: raise that, or read a shorter time"),
    (("22001",), "Shorten that name: names of assets and models have 255 characters at most"),
    (("57P03", "starting up", "shutting down", "57P01"), "The server is starting or stopping: try again"),
)  # fmt: skip
_OTHER = "Check that the database is running and FOREWARN_RECORDS_URL is right"


@contextmanager
def storage_errors(engine: sa.Engine) -> Iterator[None]:
    """Raise a `StorageError` in place of SQLAlchemy's errors."""
    try:
        yield
    except sa.exc.IntegrityError as error:
        raise StorageError(
            f"the records at {shown_url(engine)} refused a row ({_first_line(error.orig)})",
            "rows with unique identifiers and no missing value",
            "Nothing of this call was stored",
        ) from error
    except sa.exc.DBAPIError as error:
        file = sqlite_file(engine.url.render_as_string(hide_password=False))
        reason = with_disk_state(_first_line(error.orig), file)
        raise StorageError(
            f"the records at {shown_url(engine)} cannot be used ({reason})",
            "a database that can be opened, read and written",
            remedy_for(error.orig) if file is None else sqlite_remedy(reason) or remedy_for(error.orig),
        ) from error
    except sa.exc.TimeoutError as error:
        raise StorageError(
            f"all connections of this process to the records at {shown_url(engine)} are in use",
            "one that becomes free in time",
            "Raise database.pool_size or database.max_overflow, or try again",
        ) from error


def remedy_for(error: Any) -> str:
    """Say what to do about a driver's error."""
    state, text = getattr(error, "sqlstate", None), str(error)
    # The state is what the server says; the words are for where it says none, and for SQLite.
    by_state = (remedy for marks, remedy in _REMEDIES if state in marks)
    by_words = (remedy for marks, remedy in _REMEDIES if any(mark in text for mark in marks))
    return next(by_state, None) or next(by_words, None) or sqlite_remedy(text) or _OTHER


def _first_line(error: Any) -> str:
    """Return the message without the statement that a server quotes below it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    quoted = next((place for place, line in enumerate(lines) if line.startswith("LINE ")), len(lines))
    return "; ".join(lines[:quoted])
