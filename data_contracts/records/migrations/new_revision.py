"""What the tables of a database lack of what the records say, and the revision that brings it."""

import re
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from data_contracts.records.migrations.migrate import create_by_revisions, migration_context
from data_contracts.records.migrations.revisions import UNNOTED, VERSIONS, revisions
from data_contracts.records.record_schema import METADATA

_FILE: Final = '''"""{what}."""

import sqlalchemy as sa
from alembic import op

from data_contracts.records.migrations.stored_types import text

revision, down_revision = "{number}", {before}


def upgrade() -> None:
    """Change the tables."""
    {body}
'''


def differences(connection: sa.Connection) -> list[Any]:
    """Return in what the tables of a database differ from those of the records, as Alembic compares them."""
    from alembic.autogenerate import compare_metadata

    return list(compare_metadata(_compared(connection), METADATA))


def write_revision(what: str) -> Path:
    """Write a file with what the revisions so far lack of the records, as far as Alembic sees it; return its path."""
    from alembic.autogenerate import produce_migrations, render_python_code

    known = revisions()
    with sa.create_engine("sqlite://").begin() as connection:
        if known:
            create_by_revisions(connection)
        context = _compared(connection)
        changes = produce_migrations(context, METADATA).upgrade_ops
        if changes is None or changes.is_empty():
            raise SystemExit("The revisions make the tables of the records already.")
        for change in (each for of_table in (changes, *changes.ops) for each in getattr(of_table, "ops", ())):
            if hasattr(change, "if_not_exists"):
                change.if_not_exists = True  # where a program has created it meanwhile
        body = render_python_code(changes, render_as_batch=True, render_item=_plain_type, migration_context=context)
    number = f"{int(known[-1] if known else UNNOTED) + 1:04}"
    file = VERSIONS / f"r{number}_{re.sub(r'[^a-z0-9]+', '_', what.lower()).strip('_')}.py"
    before = f'"{known[-1]}"' if known else None
    file.write_text(_FILE.format(what=what.rstrip("."), number=number, before=before, body=body), encoding="utf-8")
    return file


def _compared(connection: sa.Connection) -> Any:
    return migration_context(connection, include_object=_is_ours, target_metadata=METADATA)


def _is_ours(_item: Any, name: str | None, kind: str, _reflected: bool, _compared_to: Any) -> bool:
    """Return whether an object of the database is one of the records: other programs' may be beside them."""
    return kind != "table" or name in METADATA.tables


def _plain_type(kind: str, item: Any, _context: Any) -> Any:
    """Write the type that is stored: what a class of ours makes of it may change."""
    if kind == "type" and isinstance(item, sa.types.TypeDecorator):
        return f"sa.{item.impl!r}"
    if kind == "type" and isinstance(item, sa.String) and item.collation is None:
        return f"text({item.length or ''})"
    return False
