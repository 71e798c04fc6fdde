"""Sessions of people who signed in to the pages with a token: kept as digests, ended with the token or by time."""

import hashlib
import secrets
from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.access.access_records import PageSession
from data_contracts.records.database.storage_errors import storage_errors
from data_contracts.records.record_types import TokenRow

_RANDOM_BYTES = 32


@dataclass(frozen=True)
class OpenSession:
    """Whose session it is, and what its token may do now."""

    name: str
    scopes: frozenset[str]
    used_at: pd.Timestamp  # the last time, as far as it was noted


def open_session(engine: sa.Engine, token: str, *, at: pd.Timestamp, idle: pd.Timedelta, longest: pd.Timedelta) -> str:
    """Open a session of a token, by its name, and return its secret; sessions that are over are deleted."""
    secret, table = secrets.token_urlsafe(_RANDOM_BYTES), PageSession.table
    row = PageSession(_digest(secret), token, created_at=at, used_at=at, ends_at=at + longest)
    over = sa.or_(table.c.ends_at <= at, table.c.used_at <= at - idle)
    with storage_errors(engine), engine.begin() as connection:
        connection.execute(sa.delete(table).where(over))
        connection.execute(sa.insert(table).values(row.values()))
    return secret


def find_session(engine: sa.Engine, secret: str, *, at: pd.Timestamp, idle: pd.Timedelta) -> OpenSession | None:
    """Return a session that is open at `at`.

    None once its token was revoked or has expired, nobody used it for `idle`, or its time is over.
    """
    own, token = PageSession.table, TokenRow.table.c
    query = (
        sa.select(own.c.token, own.c.used_at, token.scopes)
        .join(TokenRow.table, token.name == own.c.token)
        .where(
            own.c.digest == _digest(secret),
            own.c.ends_at > at,
            own.c.used_at > at - idle,
            token.revoked_at.is_(None),
            sa.or_(token.expires_at.is_(None), token.expires_at > at),
        )
    )
    with storage_errors(engine), engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else OpenSession(row.token, frozenset(row.scopes), row.used_at)


def note_use(engine: sa.Engine, secret: str, *, at: pd.Timestamp) -> None:
    """Note that somebody used a session."""
    own = PageSession.table
    used = sa.update(own).where(own.c.digest == _digest(secret), own.c.used_at < at).values(used_at=at)
    with storage_errors(engine), engine.begin() as connection:
        connection.execute(used)


def end_session(engine: sa.Engine, secret: str) -> bool:
    """End a session; return False if there was none."""
    table = PageSession.table
    with storage_errors(engine), engine.begin() as connection:
        return bool(connection.execute(sa.delete(table).where(table.c.digest == _digest(secret))).rowcount)


def _digest(secret: str) -> str:
    # A secret of 256 random bits: a slow hash is for what people choose.
    return hashlib.sha256(secret.encode()).hexdigest()
