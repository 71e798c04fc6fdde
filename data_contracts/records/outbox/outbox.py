"""Write events within the transaction of what they tell, and follow their delivery.

Delivery is at least once, and in order for each subject: of a subject's events only the first that is not settled may
go out. A channel's deliverer holds a lease, so that there is one; should two be at work for a moment after all, a
receiver sees an event twice, with the same id. Transactions may commit in another order than their numbers were given
out, so a channel never skips a number because a later one went out; it only forgets what has been settled for long.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from data_contracts.records.database.frames import read_frame
from data_contracts.records.database.storage_errors import storage_errors
from data_contracts.records.outbox.outbox_records import (
    DEAD,
    DELIVERED,
    RETRYING,
    SILENCED,
    Delivery,
    OutboxChannel,
    OutboxEvent,
)

_LONGEST_TRANSACTION = pd.Timedelta(hours=1)
"""No transaction that wrote an event takes longer to commit."""
_CUT_OFF = "its sender ended before the answer came"


@dataclass(frozen=True)
class Due:
    """An event that is to go out now, and how often it was tried before."""

    number: int
    event: OutboxEvent
    attempts: int
    due_at: pd.Timestamp | None = None  # when it is to be tried again; None before the first attempt


def add_events(connection: sa.Connection, events: Sequence[OutboxEvent]) -> None:
    """Write events within the caller's transaction; one whose id is there already stays as it is."""
    if events:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(OutboxEvent.table).on_conflict_do_nothing(index_elements=["event_id"])
        connection.execute(insert, [event.values() for event in events])


def open_channel(engine: sa.Engine, channel: str, now: pd.Timestamp, *, home: str | None = None) -> None:
    """Have a channel begin with the events after those that are there; one that has begun goes on."""
    newest = sa.select(sa.func.coalesce(sa.func.max(OutboxEvent.table.c.id), 0))
    with storage_errors(engine), engine.begin() as connection:
        if settled_number(connection, channel) is not None:
            return
        begins = OutboxChannel(channel, int(connection.execute(newest).scalar_one()), now, home)
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(dialect.insert(OutboxChannel.table).values(begins.values()).on_conflict_do_nothing())


def due_events(engine: sa.Engine, channel: str, kinds: Sequence[str], now: pd.Timestamp, limit: int) -> list[Due]:
    """Return the events of some kinds that are to go out now: of each subject its first that is not settled."""
    event, delivery = OutboxEvent.table.c, Delivery.table.c
    with storage_errors(engine), engine.connect() as connection:
        settled = settled_number(connection, channel)
        if settled is None:
            return []
        first = (
            sa.select(sa.func.min(event.id).label("id"))
            .select_from(with_delivery(channel))
            .where(event.id > settled, event.kind.in_(kinds), is_open())
            .group_by(event.subject)
            .subquery()
        )
        query = (
            sa.select(OutboxEvent.table, sa.func.coalesce(delivery.attempts, 0).label("attempts"))
            .select_from(with_delivery(channel).join(first, first.c.id == event.id))
            .where(sa.or_(delivery.due_at.is_(None), delivery.due_at <= now))
            .order_by(event.id)
            .limit(limit)
        )
        rows = [dict(row) for row in connection.execute(query).mappings()]
    return [Due(row.pop("id"), attempts=row.pop("attempts"), event=OutboxEvent(**row)) for row in rows]


def open_events(engine: sa.Engine, channel: str, kinds: Sequence[str], limit: int) -> list[Due]:
    """Return the events of some kinds that are not settled, due or not, in the order of their numbers."""
    event, delivery = OutboxEvent.table.c, Delivery.table.c
    with storage_errors(engine), engine.connect() as connection:
        settled = settled_number(connection, channel)
        if settled is None:
            return []
        query = (
            sa.select(OutboxEvent.table, sa.func.coalesce(delivery.attempts, 0).label("attempts"), delivery.due_at)
            .select_from(with_delivery(channel))
            .where(event.id > settled, event.kind.in_(kinds), is_open())
            .order_by(event.id)
            .limit(limit)
        )
        rows = [dict(row) for row in connection.execute(query).mappings()]
    return [
        Due(row.pop("id"), attempts=row.pop("attempts"), due_at=row.pop("due_at"), event=OutboxEvent(**row))
        for row in rows
    ]


def newest_number(engine: sa.Engine) -> int:
    """Return the number of the newest event, whatever its kind; 0 without one."""
    newest = sa.select(sa.func.coalesce(sa.func.max(OutboxEvent.table.c.id), 0))
    with storage_errors(engine), engine.connect() as connection:
        return int(connection.execute(newest).scalar_one())


def note_delivered(engine: sa.Engine, channel: str, due: Due, now: pd.Timestamp) -> None:
    """Note that an event has gone out."""
    _note(engine, Delivery(channel, due.number, DELIVERED, due.attempts + 1, now, None, None))


def note_failed(
    engine: sa.Engine, channel: str, due: Due, now: pd.Timestamp, *, problem: str, again_at: pd.Timestamp | None
) -> None:
    """Note that an event could not go out; without a time to try it again it is a dead letter."""
    state = DEAD if again_at is None else RETRYING
    _note(engine, Delivery(channel, due.number, state, due.attempts + 1, now, again_at, problem))


def note_silenced(engine: sa.Engine, channel: str, due: Due, now: pd.Timestamp, *, why: str) -> None:
    """Note that an event is not sent, as somebody has silenced what it tells of."""
    _note(engine, Delivery(channel, due.number, SILENCED, due.attempts, now, None, why))


def note_begun(engine: sa.Engine, channel: str, number: int, now: pd.Timestamp, *, until: pd.Timestamp) -> None:
    """Note that an event is being sent: should the process die meanwhile, it is not due again before `until`.

    For receivers at which a request may yet take effect after its sender has died.
    """
    table = Delivery.table.c
    values = Delivery(channel, number, RETRYING, 1, now, until, _CUT_OFF).values()
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(Delivery.table).values(values)
    again = values | {"attempts": table.attempts + 1}
    upsert = insert.on_conflict_do_update(index_elements=["channel", "event"], set_=again)
    with storage_errors(engine), engine.begin() as connection:
        connection.execute(upsert)


def replay_events(engine: sa.Engine, channel: str, numbers: Sequence[int] | None = None) -> int:
    """Have dead letters go out again, all or some, and count them; they keep their ids and their order."""
    table = Delivery.table.c
    dead = [table.channel == channel, table.state == DEAD]
    if numbers is not None:
        dead.append(table.event.in_(numbers))
    with storage_errors(engine), engine.begin() as connection:
        again = connection.execute(sa.select(table.event).where(*dead)).scalars().all()
        if again:
            # The channel may have forgotten them.
            channels = OutboxChannel.table.c
            lower = sa.update(OutboxChannel.table).where(channels.channel == channel, channels.settled >= min(again))
            connection.execute(lower.values(settled=min(again) - 1))
            connection.execute(sa.delete(Delivery.table).where(*dead))
    return len(again)


def forget_settled(engine: sa.Engine, channel: str, kinds: Sequence[str], now: pd.Timestamp) -> None:
    """Have a channel look no longer at numbers below its first open event, unless one may still be committed."""
    event, channels = OutboxEvent.table.c, OutboxChannel.table.c
    with storage_errors(engine), engine.begin() as connection:
        settled = settled_number(connection, channel)
        if settled is None:
            return
        first_open = sa.select(sa.func.min(event.id)).select_from(with_delivery(channel))
        first = connection.execute(first_open.where(event.id > settled, event.kind.in_(kinds), is_open())).scalar_one()
        old = [event.id > settled, event.at <= now - _LONGEST_TRANSACTION]
        old += [] if first is None else [event.id < first]
        last = connection.execute(sa.select(sa.func.max(event.id)).where(*old)).scalar_one()
        if last is not None:
            higher = sa.update(OutboxChannel.table).where(channels.channel == channel, channels.settled < last)
            connection.execute(higher.values(settled=last))


def outbox_frame(engine: sa.Engine, channel: str, *, state: str | None = None, limit: int = 100) -> pd.DataFrame:
    """Read the latest events with what became of each by a channel; `state` may also be "waiting"."""
    event, delivery = OutboxEvent.table.c, Delivery.table.c
    query = (
        sa.select(
            event.id,
            event.event_id,
            event.kind,
            event.subject,
            event.at,
            sa.func.coalesce(delivery.state, "waiting").label("state"),
            sa.func.coalesce(delivery.attempts, 0).label("attempts"),
            delivery.tried_at,
            delivery.due_at,
            delivery.problem,
        )
        .select_from(with_delivery(channel))
        .order_by(event.id.desc())
        .limit(limit)
    )
    if state is not None:
        query = query.where(sa.func.coalesce(delivery.state, "waiting") == state)
    return read_frame(engine, query)


def with_delivery(channel: str) -> sa.Join:
    """Join the events with what became of each by a channel."""
    event, delivery = OutboxEvent.table, Delivery.table
    return event.outerjoin(delivery, sa.and_(delivery.c.channel == channel, delivery.c.event == event.c.id))


def is_open() -> "sa.ColumnElement[bool]":
    """Return the condition that a delivery is not settled: not tried yet, or to be tried again."""
    return sa.or_(Delivery.table.c.state.is_(None), Delivery.table.c.state == RETRYING)


def settled_number(connection: sa.Connection, channel: str) -> int | None:
    """Return up to which number events are none of a channel's business; None before it has begun."""
    table = OutboxChannel.table.c
    return connection.execute(sa.select(table.settled).where(table.channel == channel)).scalar_one_or_none()


def _note(engine: sa.Engine, delivery: Delivery) -> None:
    note_together(engine, [delivery])


def note_together(engine: sa.Engine, deliveries: Sequence[Delivery]) -> None:
    """Note what became of some events, all or none."""
    if not deliveries:
        return
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(Delivery.table)
    changed = {name: insert.excluded[name] for name in deliveries[0].values()}
    upsert = insert.on_conflict_do_update(index_elements=["channel", "event"], set_=changed)
    with storage_errors(engine), engine.begin() as connection:
        connection.execute(upsert, [delivery.values() for delivery in deliveries])
