"""Leases: locks that expire by themselves once their holder has died.

A holder renews its lease every few seconds; a lease that is not renewed expires, and the next process may take it.
Leases use the wall clock, whatever time the data are at.
"""

import os
import re
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pandas as pd
import sqlalchemy as sa

from data_contracts.errors import ModelError, StorageError
from data_contracts.records.record_types import Lease
from data_contracts.records.records import storage_errors

TIME_TO_LIVE = pd.Timedelta(minutes=2)
_RENEWALS_PER_LIFE = 6
_HOLDER = re.compile(r"process (?P<pid>\d+) on (?P<host>.*), [0-9a-f]+")


def wall_clock() -> pd.Timestamp:
    """Return the present, in UTC."""
    return pd.Timestamp.now("UTC")


@contextmanager
def hold_lease(
    engine: sa.Engine,
    name: str,
    what: str,
    *,
    ttl: pd.Timedelta = TIME_TO_LIVE,
    clock: Callable[[], pd.Timestamp] = wall_clock,
) -> Iterator[None]:
    """Hold a lease during the block and renew it in the background; a `ModelError` says who holds it otherwise.

    `name` is the lease, such as ``"retrain/cnc"``, and `what` the same in words, such as ``"retraining of cnc"``.
    """
    holder = f"process {os.getpid()} on {socket.gethostname()}, {uuid.uuid4().hex}"
    if not acquire_lease(engine, name, holder, clock(), ttl):
        raise _already_held(engine, name, what)
    ended = threading.Event()
    renewals = threading.Thread(target=_renew, args=(engine, name, holder, ttl, clock, ended), daemon=True)
    renewals.start()
    try:
        yield
    finally:
        ended.set()
        renewals.join()
        release_lease(engine, name, holder)


def acquire_lease(engine: sa.Engine, name: str, holder: str, now: pd.Timestamp, ttl: pd.Timedelta) -> bool:
    """Take a lease, or renew the holder's own, for `ttl`; return False if another holder has it."""
    table, lease = Lease.table, Lease.table.c
    available = sa.or_(lease.holder == holder, lease.expires_at <= now)
    with storage_errors(engine):
        with engine.begin() as connection:
            change = sa.update(table).where(lease.name == name, available).values(holder=holder, expires_at=now + ttl)
            if connection.execute(change).rowcount:
                return True
        try:
            with engine.begin() as connection:
                connection.execute(sa.insert(table).values(name=name, holder=holder, expires_at=now + ttl))
        except sa.exc.IntegrityError:
            return False  # another holder has it, or was quicker
        return True


def release_lease(engine: sa.Engine, name: str, holder: str) -> None:
    """Give a lease back; nothing happens if another holder has it."""
    with storage_errors(engine), engine.begin() as connection:
        connection.execute(sa.delete(Lease.table).where(Lease.table.c.name == name, Lease.table.c.holder == holder))


def release_if_dead(engine: sa.Engine, name: str) -> bool:
    """Give a lease back whose holder was a process of this machine that is no more; return whether it was."""
    query = sa.select(Lease.table.c.holder).where(Lease.table.c.name == name)
    with storage_errors(engine), engine.connect() as connection:
        row = connection.execute(query).first()
    match = None if row is None else _HOLDER.fullmatch(str(row.holder))
    if row is None or match is None or match["host"] != socket.gethostname() or _is_alive(int(match["pid"])):
        return False
    release_lease(engine, name, str(row.holder))
    return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_held(engine: sa.Engine, name: str, now: pd.Timestamp) -> bool:
    """Return whether a lease is held and not expired; to be sure that it stays so, acquire it."""
    held = sa.select(Lease.table.c.name).where(Lease.table.c.name == name, Lease.table.c.expires_at > now)
    with storage_errors(engine), engine.connect() as connection:
        return connection.execute(held).first() is not None


def _renew(
    engine: sa.Engine,
    name: str,
    holder: str,
    ttl: pd.Timedelta,
    clock: Callable[[], pd.Timestamp],
    ended: threading.Event,
) -> None:
    while not ended.wait(ttl.total_seconds() / _RENEWALS_PER_LIFE):
        # If the database is busy, the next renewal comes long before the lease expires.
        with suppress(StorageError):
            acquire_lease(engine, name, holder, clock(), ttl)


def _already_held(engine: sa.Engine, name: str, what: str) -> ModelError:
    query = sa.select(Lease.table.c.holder, Lease.table.c.expires_at).where(Lease.table.c.name == name)
    with storage_errors(engine), engine.connect() as connection:
        row = connection.execute(query).first()
    if row is None:
        return ModelError(f"another {what} has just ended", "one at a time", "Try again")
    process = str(row.holder).partition(",")[0]
    return ModelError(
        f"another {what} is under way, by {process}",
        "one at a time",
        f"Wait for it; if it has died, this can be run again after {row.expires_at:%Y-%m-%d %H:%M:%S} UTC",
    )
