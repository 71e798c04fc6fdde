"""Leases: locks that free themselves once their holder has died.

A holder gives a sign of life every now and then; without one, the lease ends by itself and the next may begin. Leases
go by the wall clock, whatever time the data are at.
"""

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pandas as pd
import sqlalchemy as sa

from data_contracts.errors import ModelError, StorageError
from data_contracts.records.record_tables import LEASES
from data_contracts.records.records import storage_errors

TIME_TO_LIVE = pd.Timedelta(minutes=2)
_BEATS = 6


def wall_clock() -> pd.Timestamp:
    """Return the present, in UTC."""
    return pd.Timestamp.now("UTC")


@contextmanager
def alone(
    engine: sa.Engine,
    name: str,
    what: str,
    *,
    ttl: pd.Timedelta = TIME_TO_LIVE,
    clock: Callable[[], pd.Timestamp] = wall_clock,
) -> Iterator[None]:
    """Hold a lease while the work goes on, and prolong it for as long as this process lives.

    Parameters
    ----------
    engine
        The records.
    name
        What is locked, such as ``"retrain/cnc"``.
    what
        The same in words, such as ``"retraining of cnc"``.
    ttl
        How long after its last sign of life a holder is taken for dead.
    clock
        Tells the time.

    Raises
    ------
    ModelError
        If someone else holds it; says who, and until when at most.
    StorageError
        If the database could not be asked.
    """
    holder = f"process {os.getpid()} on {socket.gethostname()}, {uuid.uuid4().hex}"
    if not acquire_lease(engine, name, holder, clock(), ttl):
        raise _taken(engine, name, what)
    ended = threading.Event()
    beats = threading.Thread(target=_prolong, args=(engine, name, holder, ttl, clock, ended), daemon=True)
    beats.start()
    try:
        yield
    finally:
        ended.set()
        beats.join()
        release_lease(engine, name, holder)


def acquire_lease(engine: sa.Engine, name: str, holder: str, now: pd.Timestamp, ttl: pd.Timedelta) -> bool:
    """Take or prolong a lease.

    Parameters
    ----------
    engine
        The records.
    name
        What is locked.
    holder
        Who wants it; the holder of a lease prolongs it.
    now
        The time.
    ttl
        After how long it frees itself.

    Returns
    -------
    bool
        False if someone else holds it.

    Raises
    ------
    StorageError
        If the database could not be asked.
    """
    lease = LEASES.c
    free = sa.or_(lease.holder == holder, lease.expires_at <= now)
    with storage_errors(engine):
        with engine.begin() as connection:
            change = sa.update(LEASES).where(lease.name == name, free).values(holder=holder, expires_at=now + ttl)
            if connection.execute(change).rowcount:
                return True
        try:
            with engine.begin() as connection:
                connection.execute(sa.insert(LEASES).values(name=name, holder=holder, expires_at=now + ttl))
        except sa.exc.IntegrityError:
            return False  # someone else has it, or was quicker
        return True


def release_lease(engine: sa.Engine, name: str, holder: str) -> None:
    """Give a lease back; nothing happens if someone else holds it.

    Parameters
    ----------
    engine
        The records.
    name
        What is locked.
    holder
        Who held it.

    Raises
    ------
    StorageError
        If the database could not be asked.
    """
    with storage_errors(engine), engine.begin() as connection:
        connection.execute(sa.delete(LEASES).where(LEASES.c.name == name, LEASES.c.holder == holder))


def is_held(engine: sa.Engine, name: str, now: pd.Timestamp) -> bool:
    """Say whether somebody alive holds a lease.

    Parameters
    ----------
    engine
        The records.
    name
        What is locked.
    now
        The time.

    Returns
    -------
    bool
        Who needs to be sure takes the lease himself: by the next moment the answer may be another.

    Raises
    ------
    StorageError
        If the database could not be asked.
    """
    held = sa.select(LEASES.c.name).where(LEASES.c.name == name, LEASES.c.expires_at > now)
    with storage_errors(engine), engine.connect() as connection:
        return connection.execute(held).first() is not None


def _prolong(
    engine: sa.Engine,
    name: str,
    holder: str,
    ttl: pd.Timedelta,
    clock: Callable[[], pd.Timestamp],
    ended: threading.Event,
) -> None:
    while not ended.wait(ttl.total_seconds() / _BEATS):
        # A database that is busy for a while is asked again at the next beat, long before the lease ends.
        with suppress(StorageError):
            acquire_lease(engine, name, holder, clock(), ttl)


def _taken(engine: sa.Engine, name: str, what: str) -> ModelError:
    with storage_errors(engine), engine.connect() as connection:
        row = connection.execute(sa.select(LEASES.c.holder, LEASES.c.expires_at).where(LEASES.c.name == name)).first()
    if row is None:
        return ModelError(f"another {what} has just ended", "one at a time", "Try again")
    who = str(row.holder).partition(",")[0]
    return ModelError(
        f"another {what} is under way, by {who}",
        "one at a time",
        f"Wait for it; should it have died, this can be run again after {row.expires_at:%Y-%m-%d %H:%M:%S} UTC",
    )
