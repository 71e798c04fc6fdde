"""Which workspace delivers by a channel: of a workspace and its copies, only one tells the world what happened."""

from collections.abc import Mapping, Sequence

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.database.storage_errors import storage_errors
from data_contracts.records.outbox.event_kinds import KINDS
from data_contracts.records.outbox.outbox import is_open, open_channel, with_delivery
from data_contracts.records.outbox.outbox_records import DEAD, Delivery, OutboxChannel, OutboxEvent

_CHANNELS = OutboxChannel.table
_AT_ONCE = 5_000
_LEFT_OPEN = "not settled when this workspace took over: its original may have delivered it"


def claim_channel(engine: sa.Engine, channel: str, home: str, now: pd.Timestamp) -> bool:
    """Have a channel begin if it has not; return whether the workspace at `home` may deliver by it.

    One that was copied from its home, or restored, may not until it takes over: the original may still deliver.
    """
    open_channel(engine, channel, now, home=home)
    own = _CHANNELS.c.channel == channel
    with storage_errors(engine), engine.begin() as connection:
        known = connection.execute(sa.select(_CHANNELS.c.home).where(own)).scalar_one()
        if known is None:
            connection.execute(sa.update(_CHANNELS).where(own).values(home=home))
    return known in (None, home)


def withhold_channels(connection: sa.Connection) -> int:
    """Have nobody deliver by the channels until somebody takes over; return how many there are."""
    return connection.execute(sa.update(_CHANNELS).values(home="")).rowcount


def take_over_channels(
    engine: sa.Engine, home: str, kinds: Mapping[str, Sequence[str]], now: pd.Timestamp
) -> Mapping[str, int]:
    """Have the workspace at `home` deliver by all channels; count by channel what their originals had left open.

    That becomes dead letters, which somebody may have sent again: the original may have delivered it since. `kinds`
    are the kinds of events by channel; of one that is not named, all.
    """
    left = {}
    with storage_errors(engine), engine.begin() as connection:
        elsewhere = sa.or_(_CHANNELS.c.home.is_(None), _CHANNELS.c.home != home)
        for name in connection.execute(sa.select(_CHANNELS.c.channel).where(elsewhere)).scalars().all():
            left[name] = _set_aside(connection, name, kinds.get(name, KINDS), now)
            connection.execute(sa.update(_CHANNELS).where(_CHANNELS.c.channel == name).values(home=home))
    return left


def _set_aside(connection: sa.Connection, channel: str, kinds: Sequence[str], now: pd.Timestamp) -> int:
    """Make dead letters of a channel's open events, and count them."""
    event, delivery = OutboxEvent.table.c, Delivery.table
    settled = sa.select(_CHANNELS.c.settled).where(_CHANNELS.c.channel == channel).scalar_subquery()
    query = (
        sa.select(event.id, delivery.c.attempts, delivery.c.tried_at)
        .select_from(with_delivery(channel))
        .where(event.id > settled, event.kind.in_(kinds), is_open())
    )
    rows = connection.execute(query).all()
    connection.execute(sa.delete(delivery).where(delivery.c.channel == channel, is_open()))
    letters = [
        Delivery(channel, number, DEAD, attempts or 0, tried_at or now, None, _LEFT_OPEN).values()
        for number, attempts, tried_at in rows
    ]
    for begin in range(0, len(letters), _AT_ONCE):
        connection.execute(sa.insert(delivery), letters[begin : begin + _AT_ONCE])
    return len(rows)
