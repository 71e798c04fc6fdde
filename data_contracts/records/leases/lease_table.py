"""Who holds which lease, in SQL: taken, renewed and given back, each in one transaction.

Leases use a clock that all holders share, whatever time the data are at: the server's own where the records are on one,
so that machines whose clocks differ agree on what has expired, else the machine's.
"""

import os
import re
import socket
import uuid
from dataclasses import dataclass
from typing import Final

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from data_contracts.records.record_types import Lease, LeaseToken
from data_contracts.records.records import storage_errors

_HOLDER: Final = re.compile(r"process (?P<pid>\d+) on (?P<host>.*), [0-9a-f]+")
_LEASES, _TOKENS = Lease.table, LeaseToken.table


@dataclass(frozen=True)
class LeaseRow:
    """A lease as it is stored."""

    holder: str
    expires_at: pd.Timestamp
    token: int | None  # None if an earlier version of forewarn took it, which knows no tokens


def wall_clock() -> pd.Timestamp:
    """Return the present, in UTC."""
    return pd.Timestamp.now("UTC")


def new_holder() -> str:
    """Return a name for one holding by this process, which nobody else has."""
    return f"process {os.getpid()} on {socket.gethostname()}, {uuid.uuid4().hex}"


def acquire_lease(engine: sa.Engine, name: str, holder: str, now: pd.Timestamp | None, ttl: pd.Timedelta) -> int | None:
    """Take a lease, or renew the holder's own, for `ttl`; return its token, or None if another holder has it.

    A new holder's token is higher than all before it. `now` is None for the clock that all holders share.
    """
    try:
        with storage_errors(engine), engine.begin() as connection:
            return _acquire(connection, name, holder, now, ttl)
    except _TakenError:
        return None


def renew_lease(engine: sa.Engine, name: str, holder: str, now: pd.Timestamp | None, ttl: pd.Timedelta) -> bool:
    """Prolong a holder's lease; False if it has it no more. One that expired and that nobody took is still its own."""
    with storage_errors(engine), engine.begin() as connection:
        until = _until(connection, now, ttl)
        change = sa.update(_LEASES).where(_LEASES.c.name == name, _LEASES.c.holder == holder)
        return connection.execute(change.values(expires_at=until)).rowcount > 0


def release_lease(engine: sa.Engine, name: str, holder: str) -> None:
    """Give a lease back; nothing happens if another holder has it."""
    with storage_errors(engine), engine.begin() as connection:
        connection.execute(sa.delete(_LEASES).where(_LEASES.c.name == name, _LEASES.c.holder == holder))


def release_if_dead(engine: sa.Engine, name: str) -> bool:
    """Give a lease back whose holder was a process of this machine that is no more; return whether it was."""
    row = read_lease(engine, name)
    match = None if row is None else _HOLDER.fullmatch(row.holder)
    if row is None or match is None or match["host"] != socket.gethostname() or _is_alive(int(match["pid"])):
        return False
    release_lease(engine, name, row.holder)
    return True


def read_lease(engine: sa.Engine, name: str) -> LeaseRow | None:
    """Return a lease, expired or not; None if nobody has it."""
    both = _LEASES.outerjoin(_TOKENS, _TOKENS.c.name == _LEASES.c.name)
    query = sa.select(_LEASES.c.holder, _LEASES.c.expires_at, _TOKENS.c.token).select_from(both)
    with storage_errors(engine), engine.connect() as connection:
        row = connection.execute(query.where(_LEASES.c.name == name)).first()
    return None if row is None else LeaseRow(*row)


def is_held(engine: sa.Engine, name: str, now: pd.Timestamp | None = None) -> bool:
    """Return whether a lease is held and not expired; to be sure that it stays so, acquire it."""
    with storage_errors(engine), engine.connect() as connection:
        at = shared_time(connection) if now is None else now
        held = sa.select(_LEASES.c.name).where(_LEASES.c.name == name, _LEASES.c.expires_at > at)
        return connection.execute(held).first() is not None


def shared_time(connection: sa.Connection) -> pd.Timestamp:
    """Return the time by the clock that all holders share."""
    if connection.dialect.name != "postgresql":
        return wall_clock()
    # That of the transaction's beginning would be from before it waited for a lock.
    seconds = connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
    return pd.Timestamp(int(seconds * 1_000_000), unit="us", tz="UTC")


class _TakenError(Exception):
    """Another holder has the lease; the transaction is taken back."""


def _acquire(connection: sa.Connection, name: str, holder: str, now: pd.Timestamp | None, ttl: pd.Timedelta) -> int:
    # The row of the token is the lock: whoever changes the holder holds it, and whoever writes as one (see `fencing`).
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(insert(_TOKENS).values(name=name, token=0).on_conflict_do_nothing())
    connection.execute(sa.update(_TOKENS).where(_TOKENS.c.name == name).values(token=_TOKENS.c.token))
    at = shared_time(connection) if now is None else now
    of = _LEASES.c.name == name
    own = connection.execute(sa.update(_LEASES).where(of, _LEASES.c.holder == holder).values(expires_at=at + ttl))
    if not own.rowcount:
        expired = sa.update(_LEASES).where(of, _LEASES.c.expires_at <= at)
        taken = connection.execute(expired.values(holder=holder, expires_at=at + ttl)).rowcount
        if not taken:
            if connection.execute(sa.select(_LEASES.c.name).where(of)).first() is not None:
                raise _TakenError
            connection.execute(sa.insert(_LEASES).values(name=name, holder=holder, expires_at=at + ttl))
        connection.execute(sa.update(_TOKENS).where(_TOKENS.c.name == name).values(token=_TOKENS.c.token + 1))
    return int(connection.execute(sa.select(_TOKENS.c.token).where(_TOKENS.c.name == name)).scalar_one())


def _until(connection: sa.Connection, now: pd.Timestamp | None, ttl: pd.Timedelta) -> pd.Timestamp:
    return (shared_time(connection) if now is None else now) + ttl


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
