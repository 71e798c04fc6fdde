"""Which addresses have an event's message already, while others of the same channel do not."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from data_contracts.records.database.storage_errors import storage_errors
from data_contracts.records.outbox.outbox_records import ReachedAddress


def reached_addresses(engine: sa.Engine, channel: str, numbers: Sequence[int]) -> dict[int, set[str]]:
    """Return the digests of the addresses that have some events by a channel, by the events' numbers."""
    reached: dict[int, set[str]] = {number: set() for number in numbers}
    table = ReachedAddress.table.c
    between = sa.select(table.event, table.address).where(
        table.channel == channel, table.event.between(min(numbers, default=0), max(numbers, default=0))
    )
    with storage_errors(engine), engine.connect() as connection:
        for number, address in connection.execute(between):
            if number in reached:
                reached[number].add(address)
    return reached


def note_reached(engine: sa.Engine, channel: str, numbers: Sequence[int], address: str) -> None:
    """Note that an address has some events, all or none."""
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(ReachedAddress.table).on_conflict_do_nothing()
    with storage_errors(engine), engine.begin() as connection:
        connection.execute(insert, [ReachedAddress(channel, number, address).values() for number in numbers])
