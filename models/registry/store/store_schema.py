"""The version of the tables of MLflow's database, which MLflow's own migrations bring to its next."""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from data_contracts.configuration.sqlite_urls import sqlite_file
from data_contracts.errors import StorageError
from data_contracts.workspace import Workspace

_REVISION = re.compile(r"^revision = ['\"](\w+)['\"]", re.MULTILINE)
_BEFORE = re.compile(r"^down_revision = ['\"](\w+)['\"]", re.MULTILINE)


@dataclass(frozen=True)
class StoreSchema:
    """The revision of MLflow's tables, and that of the MLflow that is installed."""

    found: str
    expected: str
    is_known: bool  # whether the installed MLflow can migrate from it

    @property
    def is_current(self) -> bool:
        """Return whether MLflow can use it as it is."""
        return self.found == self.expected


def read_store_schema(workspace: Workspace) -> StoreSchema | None:
    """Return the revision of MLflow's database; None if there is no file with its tables, as on a server."""
    database = sqlite_file(workspace.mlflow_uri)
    if database is None or not database.exists():
        return None
    # What is no file is refused here, at once: MLflow would try to open it for a minute.
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    known, found = _revisions(), str(row[0]) if row else "none"
    heads = known.keys() - set(known.values())
    return StoreSchema(found, ", ".join(sorted(heads)), found in known)


def refuse_other_schema(workspace: Workspace) -> None:
    """Raise a `StorageError` if another version of MLflow has written the database: its errors would say nothing."""
    schema = read_store_schema(workspace)
    if schema is not None and not schema.is_current:
        raise other_schema(workspace)


def migrate_store(workspace: Workspace) -> None:
    """Run MLflow's migrations on its database; what MLflow raises is raised."""
    from mlflow.store.db import utils

    database: Any = utils  # MLflow has no public call for what its command does
    engine = database.create_sqlalchemy_engine(workspace.mlflow_uri)
    try:
        database._upgrade_db(engine)  # noqa: SLF001 - as above
    finally:
        engine.dispose()


def other_schema(workspace: Workspace) -> StorageError:
    """Return what to say of a database of another version of MLflow."""
    import mlflow

    schema = read_store_schema(workspace)
    found = "another version" if schema is None else f"version {schema.found}"
    expected = f"what MLflow {mlflow.__version__} writes" + ("" if schema is None else f", version {schema.expected}")
    remedy = "Bring it to that with `forewarn upgrade`; make a backup before"
    if schema is not None and not schema.is_known:
        remedy = "A later MLflow has written it: install that one, or restore a backup from before"
    return StorageError(f"the tables of MLflow's store at {workspace.mlflow_uri} have {found}", expected, remedy)


@cache
def _revisions() -> dict[str, str | None]:
    """Return MLflow's revisions, each with the one before, by the text of its migrations; importing them takes long."""
    import mlflow

    folder, revisions = Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions", dict[str, str | None]()
    for file in folder.glob("*.py"):
        text = file.read_text(encoding="utf-8")
        if revision := _REVISION.search(text):
            before = _BEFORE.search(text)
            revisions[revision[1]] = before[1] if before else None
    return revisions
