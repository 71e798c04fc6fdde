"""Which revision the tables of records are of; Alembic itself is imported only where there is something to do."""

import re
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from data_contracts.configuration.workspace_version import forewarn_version
from data_contracts.errors import StorageError
from data_contracts.records.database.database_url import shown_url

VERSIONS: Final = Path(__file__).parent / "versions"
VERSION_TABLE: Final = "forewarn_records_version"
"""Not Alembic's own name: MLflow's tables may be in the same database."""
UNNOTED: Final = "0000"
"""Tables from before Alembic noted their revision."""
_FILE: Final = re.compile(r"r(\d{4})_\w+\.py")
_NOTED_BEFORE: Final = "schema_versions"  # the table that noted the version before Alembic did
_NOTED_LAST: Final = 1

NOTE = sa.Table(
    VERSION_TABLE,
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), primary_key=True),  # as Alembic names it
    sa.Column("forewarn", sa.String(64)),  # the program that brought the tables there
)


def revisions() -> tuple[str, ...]:
    """Return all revisions, the oldest first."""
    return tuple(sorted(match[1] for file in VERSIONS.iterdir() if (match := _FILE.fullmatch(file.name))))


def head() -> str:
    """Return the revision that this program writes."""
    return revisions()[-1]


def read_revision(connection: sa.Connection) -> str | None:
    """Return the revision of the tables, `UNNOTED` from before it was noted; None if there are no tables yet.

    A `StorageError` if this program does not know the revision.
    """
    inspector = sa.inspect(connection)
    row = connection.execute(sa.select(NOTE)).first() if inspector.has_table(VERSION_TABLE) else None
    if row is None:
        return _read_before(connection, inspector)
    if row.version_num not in revisions():
        raise _unknown(connection, str(row.version_num), str(row.forewarn or "(unknown)"))
    return str(row.version_num)


def note_head(connection: sa.Connection) -> None:
    """Note that new tables are of this program's revision."""
    connection.execute(sa.schema.CreateTable(NOTE, if_not_exists=True))
    connection.execute(sa.delete(NOTE))
    connection.execute(sa.insert(NOTE).values(version_num=head(), forewarn=forewarn_version()))


def _read_before(connection: sa.Connection, inspector: sa.Inspector) -> str | None:
    if not inspector.has_table(_NOTED_BEFORE):
        return UNNOTED if inspector.has_table("predictions") else None
    latest = f"SELECT version, forewarn FROM {_NOTED_BEFORE} ORDER BY version DESC"  # noqa: S608 - a constant
    row = connection.execute(sa.text(latest)).first()
    if row is not None and int(row.version) > _NOTED_LAST:
        raise _unknown(connection, str(row.version), str(row.forewarn))
    return UNNOTED


def _unknown(connection: sa.Connection, found: str, made_by: str) -> StorageError:
    return StorageError(
        f"the records at {shown_url(connection.engine)} have revision {found}, written by forewarn {made_by}",
        f"revision {head()} or an earlier one, as this is forewarn {forewarn_version()}",
        f"Use forewarn {made_by} or a later one, or restore a backup from before they were upgraded",
    )
