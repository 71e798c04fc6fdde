"""The version of the tables of records, noted in a table of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from data_contracts.configuration.workspace_version import forewarn_version
from data_contracts.errors import StorageError

_TABLE = sa.Table(
    "schema_versions",
    sa.MetaData(),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("forewarn", sa.String(64), nullable=False),  # the program that noted it
)


_CREATE = sa.schema.CreateTable(_TABLE, if_not_exists=True)


@dataclass(frozen=True)
class Migration:
    """What makes the tables of one version those of the next."""

    version: int  # that it leads to
    what: str
    apply: Callable[[sa.Connection], None]


def _only_noted(_connection: sa.Connection) -> None:
    """Version 0 has the same tables, and no note of it."""


MIGRATIONS: Sequence[Migration] = (Migration(1, "the version of the tables is noted", _only_noted),)
SCHEMA_VERSION = MIGRATIONS[-1].version
OLDEST_USABLE = 0
"""Records of this version and later ones can be used as they are; earlier ones have to be upgraded first."""


def read_schema_version(engine: sa.Engine) -> int | None:
    """Return the version of the tables, 0 from before it was noted; None if there are no tables yet.

    A `StorageError` if this program does not know the version.
    """
    inspector = sa.inspect(engine)
    if not inspector.has_table(_TABLE.name):
        return 0 if inspector.has_table("predictions") else None
    latest = sa.select(_TABLE.c.version, _TABLE.c.forewarn).order_by(_TABLE.c.version.desc()).limit(1)
    with engine.connect() as connection:
        row = connection.execute(latest).first()
    found, made_by = (0, "") if row is None else (int(row.version), str(row.forewarn))
    if found > SCHEMA_VERSION:
        raise StorageError(
            f"the records at {engine.url} have version {found}, written by forewarn {made_by}",
            f"version {SCHEMA_VERSION} or an earlier one, as this is forewarn {forewarn_version()}",
            f"Use forewarn {made_by} or a later one, or restore a backup from before they were upgraded",
        )
    return found


def refuse_too_old(engine: sa.Engine, found: int | None) -> None:
    """Raise a `StorageError` if tables have to be upgraded before they can be used."""
    if found is not None and found < OLDEST_USABLE:
        raise StorageError(
            f"the records at {engine.url} have version {found}",
            f"version {OLDEST_USABLE} to {SCHEMA_VERSION}",
            "Bring them to it with `forewarn upgrade`; make a backup before",
        )


def note_schema_version(engine: sa.Engine) -> None:
    """Note that new tables are of this program's version."""
    try:
        with engine.begin() as connection:
            connection.execute(_CREATE)
            connection.execute(sa.insert(_TABLE).values(version=SCHEMA_VERSION, forewarn=forewarn_version()))
    except sa.exc.IntegrityError:
        return  # another process was quicker


def migrate(engine: sa.Engine, found: int) -> None:
    """Bring tables of an earlier version to this program's, step by step; each is done wholly or not at all."""
    for migration in MIGRATIONS:
        if migration.version > found:
            with engine.begin() as connection:
                connection.execute(_CREATE)
                migration.apply(connection)
                connection.execute(sa.insert(_TABLE).values(version=migration.version, forewarn=forewarn_version()))
