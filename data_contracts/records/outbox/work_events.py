"""The event that a repair was planned: of an entry of a worklist that somebody sends on."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.database.storage_errors import storage_errors
from data_contracts.records.outbox.event_kinds import WORK_PLANNED, event_id
from data_contracts.records.outbox.outbox import add_events
from data_contracts.records.outbox.outbox_records import OutboxEvent


def planned_work_event(asset: str, data: Mapping[str, Any], at: pd.Timestamp) -> OutboxEvent:
    """Return the event of a planned repair, one for each prediction that it goes back to, however often it is sent."""
    identifier = event_id(WORK_PLANNED, str(data["prediction_id"]))
    return OutboxEvent(identifier, WORK_PLANNED, asset, at, data)


def write_events(engine: sa.Engine, events: Sequence[OutboxEvent]) -> int:
    """Write events in a transaction of their own, and count those that were not there."""
    table = OutboxEvent.table.c
    with storage_errors(engine), engine.begin() as connection:
        known = sa.select(sa.func.count()).where(table.event_id.in_([event.event_id for event in events]))
        before = connection.execute(known).scalar_one()
        add_events(connection, events)
        return int(connection.execute(known).scalar_one() - before)


def events_of_kinds(engine: sa.Engine, kinds: Sequence[str]) -> list[OutboxEvent]:
    """Read the stored events of some kinds, in their order."""
    query = sa.select(OutboxEvent.table).where(OutboxEvent.table.c.kind.in_(kinds)).order_by(OutboxEvent.table.c.id)
    with storage_errors(engine), engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    return [OutboxEvent(**{name: value for name, value in row.items() if name != "id"}) for row in rows]
