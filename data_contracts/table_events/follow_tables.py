"""Write the events of what tables have stored since the last time, once, with how far they have been read.

A table's commit and the outbox's are two: a process may be killed between them, and rows are stored in many ways. So
nobody who stores rows writes events. Whoever delivers reads what versions stored that were not read yet, and notes in
one transaction their events and the last of these versions; of two that do so at once, one has its transaction undone.
"""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.database.storage_errors import storage_errors
from data_contracts.records.outbox.outbox import add_events
from data_contracts.records.outbox.outbox_records import OutboxEvent, OutboxSource
from data_contracts.table_events import finding_events, quarantine_events
from data_contracts.table_events.stored_since import NO_VERSION, StoredSince, stored_since
from data_contracts.tables.tables import latest_version
from data_contracts.workspace import Workspace

_SOURCES = OutboxSource.table
_NOTED_EVERY = pd.Timedelta(hours=1)
"""What was known long before the last time is history; so that time must not lie far back only as nothing came."""


def add_table_events(workspace: Workspace, engine: sa.Engine, now: pd.Timestamp) -> int:
    """Write the events of findings and refused rows that were stored since the last time, and count them.

    The first time begins with what is stored afterwards.
    """
    return _add_findings(workspace, engine, now) + _add_refused(workspace, engine, now)


def _add_findings(workspace: Workspace, engine: sa.Engine, now: pd.Timestamp) -> int:
    table = finding_events.TABLE
    source = _source(workspace, engine, table, now)
    if _is_read(workspace, source) and now < source.at + _NOTED_EVERY:
        return 0
    found = stored_since(workspace, table, source.version, *finding_events.REPORTED)
    return _note(engine, source, found, finding_events.finding_events(found.rows, since=source.at, now=now), now)


def _add_refused(workspace: Workspace, engine: sa.Engine, now: pd.Timestamp) -> int:
    table = quarantine_events.TABLE
    source = _source(workspace, engine, table, now)
    if now < source.due_at or _is_read(workspace, source):
        return 0
    found = stored_since(workspace, table, source.version, *quarantine_events.COUNTED)
    events = quarantine_events.quarantine_events(found.rows, upto=found.upto, now=now)
    return _note(engine, source, found, events, now, due_at=now + quarantine_events.PAUSE if events else now)


def _is_read(workspace: Workspace, source: OutboxSource) -> bool:
    latest = latest_version(workspace, source.name)
    return source.version == (NO_VERSION if latest is None else latest)


def _source(workspace: Workspace, engine: sa.Engine, table: str, now: pd.Timestamp) -> OutboxSource:
    """Read how far a table has been read; the first time it is up to its present version."""
    query = sa.select(_SOURCES).where(_SOURCES.c.name == table)
    with storage_errors(engine), engine.connect() as connection:
        row = connection.execute(query).mappings().first()
    if row is not None:
        return OutboxSource(**row)
    latest = latest_version(workspace, table)
    begun = OutboxSource(table, NO_VERSION if latest is None else latest, now, now)
    with storage_errors(engine):
        try:
            with engine.begin() as connection:
                connection.execute(sa.insert(_SOURCES).values(begun.values()))
        except sa.exc.IntegrityError:  # another process was quicker
            with engine.connect() as connection:
                return OutboxSource(**connection.execute(query).mappings().one())
    return begun


def _note(
    engine: sa.Engine,
    source: OutboxSource,
    found: StoredSince,
    events: Sequence[OutboxEvent],
    now: pd.Timestamp,
    *,
    due_at: pd.Timestamp | None = None,
) -> int:
    """Write events and how far a table has been read, unless another process has; where a table was restored, less."""
    own = sa.and_(_SOURCES.c.name == source.name, _SOURCES.c.version == source.version)
    change = sa.update(_SOURCES).where(own).values(version=found.upto, at=now, due_at=due_at or now)
    with storage_errors(engine), engine.begin() as connection:
        if not connection.execute(change).rowcount:
            return 0
        add_events(connection, events)
    return len(events)
