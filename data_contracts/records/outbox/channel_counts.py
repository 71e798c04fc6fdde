"""How many events wait by a channel, and how many are dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from data_contracts.records.database.storage_errors import storage_errors
from data_contracts.records.outbox.outbox import is_open, with_delivery
from data_contracts.records.outbox.outbox_records import DEAD, Delivery, OutboxChannel, OutboxEvent


@dataclass(frozen=True)
class ChannelCounts:
    """What is left of the events of a channel."""

    waiting: int  # not tried yet, or to be tried again
    dead: int
    home: str | None  # the workspace that delivers by it


def count_open(engine: sa.Engine, channel: str, kinds: Sequence[str]) -> ChannelCounts | None:
    """Count what a channel has to deliver, of some kinds of events; None before it has begun."""
    event, delivery, channels = OutboxEvent.table.c, Delivery.table.c, OutboxChannel.table
    open_ones = sa.select(sa.func.count()).select_from(with_delivery(channel))
    dead = sa.select(sa.func.count()).where(delivery.channel == channel, delivery.state == DEAD)
    with storage_errors(engine), engine.connect() as connection:
        row = connection.execute(sa.select(channels).where(channels.c.channel == channel)).first()
        if row is None:
            return None
        waiting = open_ones.where(event.id > row.settled, event.kind.in_(kinds), is_open())
        count_waiting, count_dead = (int(connection.execute(query).scalar_one()) for query in (waiting, dead))
    return ChannelCounts(count_waiting, count_dead, row.home)
