"""Tokens: who may ask the endpoint, and for what.

A token is shown once, when it is made. The records keep its digest: whoever reads them cannot ask in its name. It has
256 random bits, so a plain SHA-256 is enough; the slow hashes are for passwords, which people think up.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa

from data_contracts.errors import NotFoundError, UsageError, did_you_mean
from data_contracts.records.record_tables import TOKENS
from data_contracts.records.records import read_frame, storage_errors
from data_contracts.records.records_handle import RecordsHandle

SCOPES = ("predict", "report", "admin")
"""Ask for predictions and worklists; report what mechanics found; everything."""
MARK = "fw_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RANDOM_BYTES = 32


@dataclass(frozen=True)
class Token:
    """What is known of a token.

    Parameters
    ----------
    name
        Whose it is: a program, as a rule.
    scopes
        What it may do.
    """

    name: str
    scopes: frozenset[str]

    def allows(self, scope: str | None) -> bool:
        """Tell whether it may do something; None is what every token may."""
        return scope is None or scope in self.scopes or "admin" in self.scopes


def create_token(
    engine: sa.Engine,
    name: str,
    scopes: Iterable[str],
    *,
    at: pd.Timestamp,
    expires_at: pd.Timestamp | None = None,
) -> str:
    """Make a token.

    Parameters
    ----------
    engine
        The records.
    name
        Whose it is; letters, digits, full stops, dashes and underscores. No other token has it.
    scopes
        Out of `SCOPES`, one at least.
    at
        When it is made.
    expires_at
        From when on it is worth nothing; None for never.

    Returns
    -------
    str
        The token itself, which nobody can read again.

    Raises
    ------
    UsageError
        If the name or a scope is none, the name is taken, or it would have expired already.
    StorageError
        If it could not be stored.
    """
    chosen = tuple(dict.fromkeys(scopes))
    _check(name, chosen, at, expires_at)
    secret = MARK + secrets.token_urlsafe(_RANDOM_BYTES)
    row = {
        "name": name,
        "digest": digest_of(secret),
        "scopes": list(chosen),
        "created_at": at,
        "expires_at": expires_at,
        "revoked_at": None,
    }
    with storage_errors(engine):
        try:
            with engine.begin() as connection:
                connection.execute(sa.insert(TOKENS).values(row))
        except sa.exc.IntegrityError as error:
            raise UsageError(
                f"a token named {name!r} is there already", "a name of its own", "Take another name; revoked ones count"
            ) from error
    return secret


def find_token(engine: sa.Engine, secret: str, *, at: pd.Timestamp) -> Token | None:
    """Find a token that is good at an instant.

    Parameters
    ----------
    engine
        The records.
    secret
        The token itself.
    at
        The instant.

    Returns
    -------
    Token or None
        None if there is no such token, or it was revoked or has expired.

    Raises
    ------
    StorageError
        If the records could not be read.
    """
    query = sa.select(TOKENS.c.name, TOKENS.c.scopes, TOKENS.c.expires_at, TOKENS.c.revoked_at).where(
        TOKENS.c.digest == digest_of(secret)
    )
    with storage_errors(engine), engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= at):
        return None
    return Token(row.name, frozenset(row.scopes))


class TokenFinder:
    """Find tokens in the records as they are now, which may have been down, or restored from a backup.

    Parameters
    ----------
    url
        The records' URL.
    busy_seconds
        How long to wait, in seconds, for a database that is locked.
    """

    def __init__(self, url: str, busy_seconds: float) -> None:
        self._records = RecordsHandle(url, busy_seconds)

    def __call__(self, secret: str, at: pd.Timestamp) -> Token | None:
        """Find a token as `find_token` does."""
        return find_token(self._records.engine(), secret, at=at)


def revoke_token(engine: sa.Engine, name: str, *, at: pd.Timestamp) -> bool:
    """Revoke a token for good.

    Parameters
    ----------
    engine
        The records.
    name
        Whose it is.
    at
        From when on it is worth nothing.

    Returns
    -------
    bool
        Whether it was good before; revoking one twice changes nothing.

    Raises
    ------
    NotFoundError
        If there is no token of that name.
    StorageError
        If the records could not be written.
    """
    change = sa.update(TOKENS).where(TOKENS.c.name == name, TOKENS.c.revoked_at.is_(None)).values(revoked_at=at)
    with storage_errors(engine), engine.begin() as connection:
        if connection.execute(change).rowcount:
            return True
        names = list(connection.execute(sa.select(TOKENS.c.name)).scalars())
    if name not in names:
        hint = did_you_mean(name, names) or "See `forewarn tokens list`"
        raise NotFoundError(f"no token named {name!r}", "the name of a token", hint)
    return False


def tokens(engine: sa.Engine) -> pd.DataFrame:
    """List the tokens.

    Parameters
    ----------
    engine
        The records.

    Returns
    -------
    pandas.DataFrame
        Columns ``name``, ``scopes``, ``created_at``, ``expires_at``, ``revoked_at``; neither tokens nor digests.

    Raises
    ------
    StorageError
        If the records could not be read.
    """
    shown = [TOKENS.c[name] for name in ("name", "scopes", "created_at", "expires_at", "revoked_at")]
    return read_frame(engine, sa.select(*shown).order_by(TOKENS.c.id))


def digest_of(secret: str) -> str:
    """Digest a token as it is kept: 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(name: str, scopes: tuple[str, ...], at: pd.Timestamp, expires_at: pd.Timestamp | None) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"the name {name[:80]!r}", "up to 64 letters, digits, full stops, dashes and underscores", "Take such a one"
        )
    for scope in scopes:
        if scope not in SCOPES:
            hint = did_you_mean(scope, SCOPES) or "Name one of them"
            raise UsageError(f"unknown scope {scope!r}", f"one of {', '.join(SCOPES)}", hint)
    if not scopes:
        raise UsageError("no scope", f"one of {', '.join(SCOPES)} at least", "Name one with --scope")
    if expires_at is not None and expires_at <= at:
        raise UsageError(f"an end at {expires_at.isoformat()}", "an instant to come", "Name a later one")
