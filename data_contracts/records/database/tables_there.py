"""Creation of the records' tables and indexes, by whichever process opens a database first."""

import sqlalchemy as sa

from data_contracts.records.record_schema import METADATA


def create_missing(engine: sa.Engine) -> None:
    """Create the tables and indexes that are not there; a database that has them all is only read."""
    # Another process may create one between our check and our CREATE. Each such collision means one more exists, so
    # there are at most as many collisions as tables and indexes.
    most = sum(1 + len(table.indexes) for table in METADATA.tables.values())
    for attempt in range(most + 1):
        try:
            with engine.begin() as connection:
                _create(connection)
        except (sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.IntegrityError) as error:
            if attempt == most or not _is_collision(error.orig):
                raise
        else:
            return


def _create(connection: sa.Connection) -> None:
    inspector = sa.inspect(connection)
    there = set(inspector.get_table_names())
    tables = [table for table in METADATA.sorted_tables if table.name not in there]
    METADATA.create_all(connection, tables=tables, checkfirst=False)
    # Tables that an earlier version made go without what this one looks up by.
    old = [table for table in METADATA.sorted_tables if table.name in there and table.indexes]
    named = (
        {
            index["name"]
            for of in inspector.get_multi_indexes(filter_names=[each.name for each in old]).values()
            for index in of
        }
        if old
        else set()
    )
    for index in (index for table in old for index in table.indexes if index.name not in named):
        _create_index(connection, index)


def _create_index(connection: sa.Connection, index: sa.Index) -> None:
    """Create an index, unless this user may not: without it reading takes longer, and that is all."""
    try:
        with connection.begin_nested():
            index.create(connection)
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in ("42501", "25006"):
            raise


def _is_collision(error: object) -> bool:
    return "already exists" in str(error)
