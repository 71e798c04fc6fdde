"""Tokens of the endpoint: who may call it, and for what.

A token is shown once, when it is created. The records keep only its digest, so reading them does not let anyone use it.
It has 256 random bits, so a plain SHA-256 is enough; slow hashes are for passwords, which people choose.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa

from data_contracts.errors import NotFoundError, UsageError, did_you_mean
from data_contracts.records.record_types import TokenRow
from data_contracts.records.records import insert_records, read_frame, storage_errors

SCOPES = ("predict", "report", "override", "admin")
"""Predictions and worklists; reporting what mechanics found; overriding what twins say; everything."""
MARK = "fw_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RANDOM_BYTES = 32


@dataclass(frozen=True)
class Token:
    """A valid token's name, as a rule that of a program, and its scopes."""

    name: str
    scopes: frozenset[str]

    def allows(self, scope: str | None) -> bool:
        """Return whether the token has a scope; None stands for what every token may do."""
        return scope is None or scope in self.scopes or "admin" in self.scopes


def create_token(
    engine: sa.Engine,
    name: str,
    scopes: Iterable[str],
    *,
    at: pd.Timestamp,
    expires_at: pd.Timestamp | None = None,
) -> str:
    """Create a token and return it; it cannot be read again.

    A name is used once, also after its token was revoked. Wrong names and scopes are a `UsageError`.
    """
    chosen = tuple(dict.fromkeys(scopes))
    _check(name, chosen, at, expires_at)
    secret = MARK + secrets.token_urlsafe(_RANDOM_BYTES)
    row = TokenRow(name, digest_of(secret), list(chosen), created_at=at, expires_at=expires_at, revoked_at=None)
    with storage_errors(engine):
        try:
            with engine.begin() as connection:
                insert_records(connection, [row])
        except sa.exc.IntegrityError as error:
            raise UsageError(
                f"a token named {name!r} already exists", "a unique name", "Choose another; revoked tokens keep theirs"
            ) from error
    return secret


def find_token(engine: sa.Engine, secret: str, *, at: pd.Timestamp) -> Token | None:
    """Return the token if it exists and at `at` is neither revoked nor expired."""
    table = TokenRow.table.c
    query = sa.select(table.name, table.scopes, table.expires_at, table.revoked_at).where(
        table.digest == digest_of(secret)
    )
    with storage_errors(engine), engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= at):
        return None
    return Token(row.name, frozenset(row.scopes))


def revoke_token(engine: sa.Engine, name: str, *, at: pd.Timestamp) -> bool:
    """Revoke a token from `at` on, for good; return False if it was revoked before."""
    table = TokenRow.table
    change = sa.update(table).where(table.c.name == name, table.c.revoked_at.is_(None)).values(revoked_at=at)
    with storage_errors(engine), engine.begin() as connection:
        if connection.execute(change).rowcount:
            return True
        names = list(connection.execute(sa.select(table.c.name)).scalars())
    if name not in names:
        hint = did_you_mean(name, names) or "See `forewarn tokens list`"
        raise NotFoundError(f"no token named {name!r}", "the name of a token", hint)
    return False


def tokens(engine: sa.Engine) -> pd.DataFrame:
    """List the tokens in the order they were created, without their digests."""
    columns = [TokenRow.table.c[name] for name in ("name", "scopes", "created_at", "expires_at", "revoked_at")]
    return read_frame(engine, sa.select(*columns).order_by(TokenRow.table.c.id))


def digest_of(secret: str) -> str:
    """Return a token's digest as it is stored: 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(name: str, scopes: tuple[str, ...], at: pd.Timestamp, expires_at: pd.Timestamp | None) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"the name {name[:80]!r}", "up to 64 letters, digits, full stops, dashes and underscores", "Choose another"
        )
    for scope in scopes:
        if scope not in SCOPES:
            hint = did_you_mean(scope, SCOPES) or "Give one of them"
            raise UsageError(f"unknown scope {scope!r}", f"one of {', '.join(SCOPES)}", hint)
    if not scopes:
        raise UsageError("no scope", f"at least one of {', '.join(SCOPES)}", "Give one with --scope")
    if expires_at is not None and expires_at <= at:
        raise UsageError(f"an expiry at {expires_at.isoformat()}", "a time in the future", "Give a later one")
