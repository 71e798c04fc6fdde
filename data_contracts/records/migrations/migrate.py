"""Running revisions: one process at a time, all in one transaction, so that a kill leaves the tables as they were."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from data_contracts.configuration.workspace_version import forewarn_version
from data_contracts.errors import StorageError
from data_contracts.records.database.database_url import shown_url
from data_contracts.records.migrations.revisions import (
    NOTE,
    UNNOTED,
    VERSION_TABLE,
    VERSIONS,
    head,
    note_head,
    read_revision,
)

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import Script, ScriptDirectory

_LOCK = 0x666F726577  # PostgreSQL's advisory locks have numbers


@dataclass(frozen=True)
class PendingRevision:
    """A revision that a database does not have yet."""

    revision: str
    what: str
    by_hand: bool  # whether it waits for `forewarn upgrade`: processes of the version before would break


def pending_revisions(found: str) -> tuple[PendingRevision, ...]:
    """Return the revisions after one, the next first."""
    if found == head():
        return ()
    return tuple(
        PendingRevision(each.revision, str(each.doc), getattr(each.module, "BY_HAND", False))
        for each in _scripts(_script_directory(), found)
    )


def bring_up_to_date(engine: sa.Engine, *, by_hand: bool) -> str:
    """Run the revisions that are due, up to the first that waits for a person unless `by_hand`; return the revision.

    A database without tables is noted to have this program's, which are created afterwards.
    """
    with engine.connect() as connection:
        if read_revision(connection) == head():
            return head()
    with _alone(engine) as connection:
        found = read_revision(connection)
        if found is None:
            note_head(connection)
            return head()
        directory = _script_directory()
        due = list(_scripts(directory, found))
        waiting = [number for number, each in enumerate(due) if getattr(each.module, "BY_HAND", False)]
        if waiting and not by_hand:
            del due[waiting[0] :]
        if due:
            _run(connection, directory, due)
        return str(due[-1].revision) if due else found


def create_by_revisions(connection: sa.Connection) -> None:
    """Run all revisions on an empty database."""
    directory = _script_directory()
    _run(connection, directory, list(_scripts(directory, UNNOTED)))


def refuse_pending(engine: sa.Engine, found: str) -> None:
    """Raise a `StorageError` if a revision is due that waits for a person."""
    waiting = [each for each in pending_revisions(found) if each.by_hand]
    if waiting:
        raise StorageError(
            f"the records at {shown_url(engine)} have revision {found}, and {waiting[0].revision} is not run by itself "
            f"({waiting[0].what})",
            f"revision {head()}",
            "Stop all that uses them and run `forewarn upgrade`; make a backup before",
        )


def migration_context(connection: sa.Connection, **options: Any) -> "MigrationContext":
    """Return Alembic's view of a database of records."""
    from alembic.runtime.migration import MigrationContext

    own = {"version_table": VERSION_TABLE, "transactional_ddl": True, "render_as_batch": True}
    return MigrationContext.configure(connection, opts={**own, **options})


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Yield a connection in a transaction that no other process that migrates is in."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            # Python's driver begins no transaction before it changes tables.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        elif engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        yield connection


def _script_directory() -> "ScriptDirectory":
    from alembic.script import ScriptDirectory

    return ScriptDirectory(VERSIONS.parent, version_locations=[VERSIONS])


def _scripts(directory: "ScriptDirectory", found: str) -> "Iterator[Script]":
    lower = "base" if found == UNNOTED else found
    yield from reversed(list(directory.iterate_revisions("head", lower)))


def _run(connection: sa.Connection, directory: "ScriptDirectory", due: "Sequence[Script]") -> None:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationStep

    steps = [MigrationStep.upgrade_from_script(directory.revision_map, each) for each in due]
    connection.execute(sa.schema.CreateTable(NOTE, if_not_exists=True))
    context = migration_context(connection, fn=lambda _heads, _context: steps)
    with Operations.context(context):
        context.run_migrations()
    connection.execute(sa.update(NOTE).values(forewarn=forewarn_version()))
