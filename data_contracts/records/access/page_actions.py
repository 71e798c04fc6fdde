"""Who did what by the pages."""

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.access.access_records import BEGUN, PageAction
from data_contracts.records.database.frames import read_frame
from data_contracts.records.database.storage_errors import storage_errors


def add_action(engine: sa.Engine, action: PageAction) -> int:
    """Store an action, and return its number."""
    with storage_errors(engine), engine.begin() as connection:
        stored = connection.execute(sa.insert(PageAction.table).values(action.values()))
        return int(stored.inserted_primary_key[0])  # type: ignore[index] # an insert of one row has a key


def end_action(engine: sa.Engine, number: int, ended: PageAction) -> None:
    """Store how an action ended that was stored as begun, and what it was about, which may be known only then."""
    table = PageAction.table
    change = sa.update(table).where(table.c.id == number, table.c.outcome == BEGUN)
    with storage_errors(engine), engine.begin() as connection:
        connection.execute(change.values(outcome=ended.outcome, status=ended.status, subject=ended.subject))


def list_actions(
    engine: sa.Engine,
    *,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    since: pd.Timestamp | None = None,
    limit: int | None = None,
) -> pd.DataFrame:
    """List actions, the latest first: those of one actor, of one kind, about one subject, or since a time."""
    table = PageAction.table.c
    query = sa.select(PageAction.table).order_by(table.id.desc())
    for column, value in ((table.actor, actor), (table.action, action), (table.subject, subject)):
        if value is not None:
            query = query.where(column == value)
    if since is not None:
        query = query.where(table.at >= since)
    return read_frame(engine, query if limit is None else query.limit(limit))
