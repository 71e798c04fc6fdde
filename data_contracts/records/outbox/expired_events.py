"""Deletion of events that are older than they are kept, and that no channel is to deliver any more."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.database.storage_errors import storage_errors
from data_contracts.records.outbox.outbox_records import (
    RETRYING,
    Delivery,
    OutboxChannel,
    OutboxEvent,
    ReachedAddress,
)

_AT_ONCE = 5_000  # events of a transaction: others write between two


def delete_expired_events(
    engine: sa.Engine, until: pd.Timestamp, channels: Mapping[str, Sequence[str]], *, dry_run: bool = False
) -> dict[str, int]:
    """Delete events up to a time with their deliveries and whom they reached, or only count all three, by table.

    `channels` are the kinds of events by channel. Kept are an event that one of them has not settled, an alarm's whose
    claim had not ended by then (by it the next alert of the same alarm is known for one), and the newest of all, after
    which numbers go on.
    """
    deleted, after = {each.table.name: 0 for each in (OutboxEvent, Delivery, ReachedAddress)}, 0
    while True:
        with storage_errors(engine), engine.begin() as connection:
            rows = connection.execute(_expired(until, channels, after)).all()
            numbers = [number for number, data in rows if _is_over(data, until)]
            for table, count in _remove(connection, numbers, dry_run=dry_run):
                deleted[table] += count
        if len(rows) < _AT_ONCE:
            return deleted
        after = rows[-1][0]


def _expired(until: pd.Timestamp, channels: Mapping[str, Sequence[str]], after: int) -> "sa.Select[tuple[int, str]]":
    event = OutboxEvent.table.c
    newest = sa.select(sa.func.max(event.id)).scalar_subquery()
    settled = [sa.not_(_awaits(name, kinds)) for name, kinds in channels.items()]
    query = sa.select(event.id, event.data).where(event.id > after, event.id < newest, event.at <= until, *settled)
    return query.order_by(event.id).limit(_AT_ONCE)


def _awaits(channel: str, kinds: Sequence[str]) -> "sa.ColumnElement[bool]":
    """Return the condition that a channel has begun, and an event is still to go out by it."""
    event, delivery, begun = OutboxEvent.table.c, Delivery.table.c, OutboxChannel.table.c
    settled = sa.exists().where(delivery.channel == channel, delivery.event == event.id, delivery.state != RETRYING)
    later = sa.exists().where(begun.channel == channel, begun.settled < event.id)
    return sa.and_(event.kind.in_(kinds), later, ~settled)


def _is_over(data: Mapping[str, object], until: pd.Timestamp) -> bool:
    ends = data.get("claim_ends")
    return ends is None or pd.Timestamp(str(ends)) <= until


def _remove(connection: sa.Connection, numbers: Sequence[int], *, dry_run: bool) -> Iterator[tuple[str, int]]:
    """Delete events by number, with their deliveries and whom they reached, and count each."""
    keys = (ReachedAddress.table.c.event, Delivery.table.c.event, OutboxEvent.table.c.id)
    for table, which in ((key.table, key.in_(numbers)) for key in keys):
        if dry_run:
            counted = sa.select(sa.func.count()).select_from(table).where(which)
            yield table.name, int(connection.execute(counted).scalar_one())
        else:
            yield table.name, connection.execute(sa.delete(table).where(which)).rowcount
