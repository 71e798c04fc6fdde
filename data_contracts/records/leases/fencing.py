"""Fencing: records in SQL that commit only as long as a lease is its holder's."""

from functools import partial
from typing import Any, Final

import sqlalchemy as sa

from data_contracts.errors import LeaseLostError
from data_contracts.records.record_types import Lease, LeaseToken

_UNFENCED: Final = "forewarn_unfenced"
_OF: Final = "forewarn_leases"
_LEASES, _TOKENS = Lease.table, LeaseToken.table


def fenced(engine: sa.Engine, name: str, holder: str, token: int, what: str) -> sa.Engine:
    """Return the same records; of their transactions each is taken back unless the lease is still this holder's.

    The check is part of the transaction, right before its commit, and locks the row that taking the lease over needs:
    none can be taken over between the check and the commit. `LeaseLostError` if it was before. Fences add up: what is
    fenced by one lease can be fenced by another, too.
    """
    own = engine.execution_options(**{_UNFENCED: unfenced(engine)})
    sa.event.listen(own, "commit", partial(_check, name, holder, token, what))
    return own


def unfenced(engine: sa.Engine) -> sa.Engine:
    """Return the records without a fence: a lease is renewed, and given back, whatever became of others."""
    plain: sa.Engine = engine.get_execution_options().get(_UNFENCED, engine)
    return plain


def with_leases(engine: sa.Engine, leases: tuple[Any, ...]) -> sa.Engine:
    """Return the same records, which know the leases that fence them."""
    return engine.execution_options(**{_OF: leases})


def leases_of(engine: sa.Engine) -> tuple[Any, ...]:
    """Return the leases that fence some records, the outermost first."""
    leases: tuple[Any, ...] = engine.get_execution_options().get(_OF, ())
    return leases


def lease_lost(what: str, by: str | None) -> LeaseLostError:
    """Return the error of a holder that has lost its lease."""
    other = f"taken over by {by.partition(',')[0]}" if by else "taken over by another process, which has ended since"
    return LeaseLostError(
        f"this {what} has lost its lease: it was {other}",
        "to hold it until the end, which a process does unless it is stopped, or cut off from the records, for longer "
        "than the lease lasts",
        "It wrote nothing from then on. See what the other one has done, and run this again if that is not enough",
    )


def _check(name: str, holder: str, token: int, what: str, connection: sa.Connection) -> None:
    has_lease = sa.exists().where(_LEASES.c.name == name, _LEASES.c.holder == holder)
    lock = sa.update(_TOKENS).where(_TOKENS.c.name == name, _TOKENS.c.token == token, has_lease)
    if not connection.execute(lock.values(token=token)).rowcount:
        by = connection.execute(sa.select(_LEASES.c.holder).where(_LEASES.c.name == name)).scalar()
        raise lease_lost(what, by)
