"""Who did what by the pages."""

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.access.access_records import PageAction
from data_contracts.records.database.frames import read_frame
from data_contracts.records.database.storage_errors import storage_errors


def add_action(engine: sa.Engine, action: PageAction) -> None:
    """Store an action."""
    with storage_errors(engine), engine.begin() as connection:
        connection.execute(sa.insert(PageAction.table).values(action.values()))


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
