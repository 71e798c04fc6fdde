"""Into how many partitions the listeners of a workspace divide the assets at present, and which nobody holds."""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from data_contracts.records.leases.lease_table import shared_time
from data_contracts.records.record_types import Lease, ListenLayout
from data_contracts.records.records import storage_errors

LISTEN: Final = "listen"
_LAYOUTS, _LEASES = ListenLayout.table, Lease.table


@dataclass(frozen=True)
class ListenPartitions:
    """The partitions of a workspace's listeners."""

    partitions: int
    unheld: tuple[int, ...]  # that no listener holds at present


def listen_lease(number: int, of: int) -> str:
    """Return the name of a partition's lease."""
    return LISTEN if of == 1 else f"{LISTEN}/{number}"


def read_layout(engine: sa.Engine) -> int:
    """Return the number of partitions by which messages wait at the broker; one where nothing else was ever set."""
    query = sa.select(_LAYOUTS.c.partitions).where(_LAYOUTS.c.name == LISTEN)
    with storage_errors(engine), engine.connect() as connection:
        return int(connection.execute(query).scalar() or 1)


def write_layout(engine: sa.Engine, partitions: int) -> None:
    """Note the number of partitions, once nothing waits at the broker by another one."""
    with storage_errors(engine), engine.begin() as connection:
        changed = sa.update(_LAYOUTS).where(_LAYOUTS.c.name == LISTEN).values(partitions=partitions)
        if not connection.execute(changed).rowcount:
            connection.execute(sa.insert(_LAYOUTS).values(name=LISTEN, partitions=partitions))


def listen_partitions(engine: sa.Engine) -> ListenPartitions:
    """Return the partitions, and which of them nobody holds."""
    of = read_layout(engine)
    names = [listen_lease(number, of) for number in range(of)]
    with storage_errors(engine), engine.connect() as connection:
        current = sa.select(_LEASES.c.name).where(_LEASES.c.expires_at > shared_time(connection))
        held = set(connection.execute(current.where(_LEASES.c.name.in_(names))).scalars())
    return ListenPartitions(of, tuple(number for number, name in enumerate(names) if name not in held))
