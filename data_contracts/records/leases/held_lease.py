"""Holding a lease: renewed in the background, checked before whatever is written."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pandas as pd
import sqlalchemy as sa

from data_contracts.errors import ModelError, StorageError
from data_contracts.records.leases.fencing import fenced, lease_lost, leases_of, unfenced, with_leases
from data_contracts.records.leases.lease_table import (
    acquire_lease,
    new_holder,
    read_lease,
    release_lease,
    renew_lease,
    wall_clock,
)

TIME_TO_LIVE = pd.Timedelta(minutes=2)
_RENEWALS_PER_LIFE = 6
Clock = Callable[[], pd.Timestamp]


@dataclass
class HeldLease:
    """A lease of this process; lost once another process has taken it, which is possible only after it has expired."""

    name: str
    what: str  # in words
    holder: str
    token: int  # higher than that of every holder before
    records: sa.Engine = field(repr=False)  # whose transactions commit only while the lease is held
    ttl: pd.Timedelta = TIME_TO_LIVE
    clock: Clock = wall_clock
    outer: "tuple[HeldLease, ...]" = ()  # within which it was taken
    lost: threading.Event = field(default_factory=threading.Event, repr=False)
    _renewed: float = field(default_factory=time.monotonic, repr=False)

    def check(self) -> None:
        """Raise a `LeaseLostError` if another process has taken the lease; prolong it where little of it is left.

        For what is not written to `records`: as near before the write as can be. What is written there needs none.
        The leases within which this one was taken are checked, too.
        """
        for lease in self.outer:
            lease.check()
        row = read_lease(unfenced(self.records), self.name)
        is_own = row is not None and (row.holder, row.token) == (self.holder, self.token)
        if is_own and time.monotonic() - self._renewed > self.ttl.total_seconds() / 2:
            is_own = self.renew()
        if not is_own:
            self.lost.set()
            raise lease_lost(self.what, None if row is None or row.holder == self.holder else row.holder)

    def renew(self) -> bool:
        """Prolong the lease; False, and `lost` is set, if another process has taken it."""
        at = time.monotonic()
        if not renew_lease(unfenced(self.records), self.name, self.holder, shared_or(self.clock), self.ttl):
            self.lost.set()
            return False
        self._renewed = at
        return True


@contextmanager
def hold_lease(
    engine: sa.Engine, name: str, what: str, *, ttl: pd.Timedelta = TIME_TO_LIVE, clock: Clock = wall_clock
) -> Iterator[HeldLease]:
    """Hold a lease during the block and renew it in the background; a `ModelError` says who holds it otherwise.

    `name` is the lease, such as ``"retrain/cnc"``, and `what` the same in words, such as ``"retraining of cnc"``. The
    block writes to ``records`` of what is yielded, and calls its ``check`` before it writes anything else.
    """
    with try_lease(engine, name, what, ttl=ttl, clock=clock) as lease:
        if lease is None:
            raise _already_held(engine, name, what)
        yield lease


@contextmanager
def try_lease(
    engine: sa.Engine, name: str, what: str, *, ttl: pd.Timedelta = TIME_TO_LIVE, clock: Clock = wall_clock
) -> Iterator[HeldLease | None]:
    """Hold a lease as `hold_lease` does; None if another process has it."""
    holder = new_holder()
    token = acquire_lease(engine, name, holder, shared_or(clock), ttl)
    if token is None:
        yield None
        return
    records = fenced(engine, name, holder, token, what)
    lease = HeldLease(name, what, holder, token, records, ttl, clock, leases_of(engine))
    lease.records = with_leases(records, (*lease.outer, lease))
    ended = threading.Event()
    renewals = threading.Thread(target=_renew, args=(lease, ended), daemon=True, name=f"lease {name}")
    renewals.start()
    try:
        yield lease
    finally:
        ended.set()
        renewals.join()
        release_lease(unfenced(engine), name, holder)


def shared_or(clock: Clock) -> pd.Timestamp | None:
    """Return a clock's time; None for the one that all holders share, as only the database can tell that."""
    return None if clock is wall_clock else clock()


def _renew(lease: HeldLease, ended: threading.Event) -> None:
    while not ended.wait(lease.ttl.total_seconds() / _RENEWALS_PER_LIFE):
        # If the database is busy, the next renewal comes long before the lease expires.
        with suppress(StorageError):
            if not lease.renew():
                return


def _already_held(engine: sa.Engine, name: str, what: str) -> ModelError:
    row = read_lease(engine, name)
    if row is None:
        return ModelError(f"another {what} has just ended", "one at a time", "Try again")
    process = row.holder.partition(",")[0]
    return ModelError(
        f"another {what} is under way, by {process}",
        "one at a time",
        f"Wait for it; if it has died, this can be run again after {row.expires_at:%Y-%m-%d %H:%M:%S} UTC",
    )
