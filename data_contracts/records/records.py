"""The records in SQL: opening the database, predictions, promotions, decisions and monitor runs.

One URL reaches them: SQLite in the workspace by default, or another database; the statements are SQLAlchemy Core and
use only what both understand.
"""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from data_contracts.configuration.sqlite_urls import sqlite_file
from data_contracts.records.access.access_records import (
    PageAction as PageAction,  # its tables are created with the others
)
from data_contracts.records.alarm_marks.mark_records import AlarmMark as AlarmMark  # its table, too
from data_contracts.records.database.connections import connect
from data_contracts.records.database.frames import read_frame as read_frame
from data_contracts.records.database.storage_errors import storage_errors as storage_errors
from data_contracts.records.database.tables_there import create_missing
from data_contracts.records.migrations.migrate import bring_up_to_date, refuse_pending
from data_contracts.records.migrations.revisions import head, read_revision
from data_contracts.records.outbox.model_events import decision_events, promotion_event
from data_contracts.records.outbox.outbox import add_events
from data_contracts.records.record_schema import Record
from data_contracts.records.record_types import Decision as Decision
from data_contracts.records.record_types import MonitorRun as MonitorRun
from data_contracts.records.record_types import Prediction as Prediction
from data_contracts.records.record_types import Promotion as Promotion
from data_contracts.records.twin_records import TwinEntry as TwinEntry  # its tables are created with the others

BUSY_SECONDS = 10.0  # default wait for another process that holds the database


def open_records(url: str, *, busy_seconds: float = BUSY_SECONDS) -> sa.Engine:
    """Open the database, run the revisions that need nobody, and create missing tables.

    `busy_seconds` is the wait before it counts as locked.
    """
    engine, revision = _open(url, busy_seconds)
    refuse_pending(engine, revision)
    return engine


def open_to_copy(url: str, *, busy_seconds: float = BUSY_SECONDS) -> sa.Engine:
    """Open the database as `open_records` does, even if a revision waits for `forewarn upgrade`."""
    return _open(url, busy_seconds)[0]


def _open(url: str, busy_seconds: float) -> tuple[sa.Engine, str]:
    engine = connect(url, busy_seconds)
    with storage_errors(engine):
        revision = bring_up_to_date(engine, by_hand=False)
        if revision == head():
            create_missing(engine)
    return engine, revision


def records_revision(url: str) -> str | None:
    """Return the revision of the tables of records; None if there are none yet."""
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return None  # to connect would create it
    engine = connect(url, BUSY_SECONDS)
    with storage_errors(engine), engine.connect() as connection:
        return read_revision(connection)


def migrate_records(url: str) -> None:
    """Bring the tables of records to this program's revision, and create missing ones."""
    engine = connect(url, BUSY_SECONDS)
    with storage_errors(engine):
        bring_up_to_date(engine, by_hand=True)
        create_missing(engine)


def predictions(
    engine: sa.Engine,
    *,
    model_name: str | None = None,
    model_version: int | None = None,
    since: pd.Timestamp | None = None,
    until: pd.Timestamp | None = None,
    asset: str | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read predictions with ``since < as_of <= until``, ordered by cut-off, asset and the time they were made.

    There may be millions: name the columns that are needed.
    """
    table = Prediction.table.c
    query = sa.select(*(Prediction.table.c if columns is None else (table[name] for name in columns)))
    query = query.order_by(table.as_of, table.asset, table.made_at, table.prediction_id)
    if model_name is not None:
        query = query.where(table.model_name == model_name)
    if model_version is not None:
        query = query.where(table.model_version == model_version)
    if since is not None:
        query = query.where(table.as_of > since)
    if until is not None:
        query = query.where(table.as_of <= until)
    if asset is not None:
        query = query.where(table.asset == asset)
    return read_frame(engine, query)


def add_promotion(engine: sa.Engine, promotion: Promotion) -> None:
    """Append a row to the ledger, and its event to the outbox."""
    with storage_errors(engine), engine.begin() as connection:
        insert_records(connection, [promotion])
        add_events(connection, [promotion_event(promotion)])


def promotions(engine: sa.Engine, *, model_name: str | None = None) -> pd.DataFrame:
    """Read the ledger, in the order it was written."""
    return list_records(engine, Promotion, model_name=model_name)


def add_decision(engine: sa.Engine, decision: Decision) -> None:
    """Store a decision about retraining, and its event in the outbox unless it is to change nothing."""
    with storage_errors(engine), engine.begin() as connection:
        insert_records(connection, [decision])
        add_events(connection, decision_events(decision))


def decisions(engine: sa.Engine, *, model_name: str | None = None) -> pd.DataFrame:
    """Read the decisions about retraining, in the order they were written."""
    return list_records(engine, Decision, model_name=model_name)


def add_monitor_run(engine: sa.Engine, run: MonitorRun) -> None:
    """Store the error rates that a run of the monitor found."""
    add_records(engine, [run])


def insert_records(connection: sa.Connection, records: Sequence[Record]) -> None:
    """Insert records of one type within the caller's transaction."""
    if records:
        connection.execute(sa.insert(records[0].table), [record.values() for record in records])


def add_records(engine: sa.Engine, records: Sequence[Record]) -> None:
    """Store records of one type, all or none."""
    with storage_errors(engine), engine.begin() as connection:
        insert_records(connection, records)


def list_records(engine: sa.Engine, record_type: type[Record], *, model_name: str | None = None) -> pd.DataFrame:
    """Read the rows of a table with serial ids, in the order they were written."""
    table = record_type.table
    query = sa.select(table).order_by(table.c.id)
    return read_frame(engine, query if model_name is None else query.where(table.c.model_name == model_name))
