"""Revisions of the tables of records: run once, by one process, wholly or not at all, on SQLite and PostgreSQL."""

import multiprocessing
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from data_contracts.errors import StorageError
from data_contracts.records.migrations import migrate, revisions
from data_contracts.records.migrations.new_revision import differences
from data_contracts.records.records import (
    connect,
    migrate_records,
    open_records,
    open_to_copy,
    predictions,
    records_revision,
)
from tests.postgres_server import PostgresServer

KEPT = Path(__file__).parents[1] / "pipelines" / "workspaces"
_HELP = 'run `python -m data_contracts.records.migrations "what changed"`'
_NEXT = '''"""A column more."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "{revision}", "{before}"
{by_hand}

def upgrade() -> None:
    """Change a table so as SQLite cannot, and fail if the test says so."""
    with op.batch_alter_table("leases") as leases:
        leases.add_column(sa.Column("token", sa.BigInteger, nullable=False, server_default="7"))
        leases.alter_column("holder", type_=sa.Text)
    op.execute("DELETE FROM {deleted}")
'''


@pytest.fixture(params=["sqlite", "postgresql"])
def make_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Return a function that makes an empty database of each kind."""
    if request.param == "sqlite":
        return lambda name: f"sqlite:///{tmp_path}/{name}.db"
    return request.getfixturevalue("postgres").make_database  # type: ignore[no-any-return]


@pytest.fixture
def next_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that adds a revision to those of the program."""
    folder = tmp_path / "migrations" / "versions"
    shutil.copytree(revisions.VERSIONS, folder)

    def add(*, by_hand: bool = False, deleted: str = "leases") -> str:
        monkeypatch.setattr(revisions, "VERSIONS", folder)
        monkeypatch.setattr(migrate, "VERSIONS", folder)
        before = revisions.head()
        revision = f"{int(before) + 1:04}"
        mark = "BY_HAND = True" if by_hand else ""
        text = _NEXT.format(revision=revision, before=before, by_hand=mark, deleted=deleted)
        (folder / f"r{revision}_a_column_more.py").write_text(text)
        return revision

    return add


def _columns(url: str) -> set[str]:
    return {column["name"] for column in sa.inspect(connect(url, 1.0)).get_columns("leases")}


def test_revisions_make_the_tables_of_the_records(make_database: Callable[[str], str]) -> None:
    """From nothing, and what is created at once is the same: a record that changes has a revision that brings it."""
    by_revisions, at_once = connect(make_database("by_revisions"), 1.0), open_records(make_database("at_once"))
    with by_revisions.begin() as connection:
        migrate.create_by_revisions(connection)
    for engine in (by_revisions, at_once):
        with engine.connect() as connection:
            assert not differences(connection), _HELP
            assert revisions.read_revision(connection) == revisions.head()


def test_a_kept_workspace_gets_the_tables_of_the_records(tmp_path: Path) -> None:
    """What version 0.1 stored is there afterwards, and its tables are as new ones are."""
    for archive in KEPT.glob("*.tar.xz"):
        with tarfile.open(archive) as packed:
            packed.extractall(tmp_path / archive.stem, filter="data")
        url = f"sqlite:///{tmp_path / archive.stem}/workspace/records.db"
        before = len(_rows(url))
        migrate.bring_up_to_date(connect(url, 1.0), by_hand=True)
        with connect(url, 1.0).connect() as connection:
            lacking = [each for each in differences(connection) if each[0] != "add_index"]
            assert not lacking, _HELP
        with open_records(url).connect() as connection:
            assert not differences(connection)
        assert len(predictions(open_records(url))) == before > 0


def _make_unnoted(url: str) -> None:
    """Make the tables of the first revision but for one, without a note, as programs before revisions did."""
    directory = migrate._script_directory()
    with connect(url, 1.0).begin() as connection:
        migrate._run(connection, directory, list(migrate._scripts(directory, revisions.UNNOTED))[:1])
        connection.execute(sa.text(f"DROP TABLE {revisions.VERSION_TABLE}"))
        connection.execute(sa.text("DROP TABLE answers"))


def _rows(url: str) -> list[Any]:
    with connect(url, 1.0).connect() as connection:
        return list(connection.execute(sa.text("SELECT * FROM predictions")))


def test_what_noted_the_version_before_is_converted(tmp_path: Path) -> None:
    """A database that a program noted in its own table has a revision instead; one later than that is refused."""
    file = tmp_path / "records.db"
    _make_unnoted(f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE schema_versions (version INTEGER PRIMARY KEY, forewarn TEXT NOT NULL)")
        connection.execute("INSERT INTO schema_versions VALUES (1, '0.1.0')")
    assert records_revision(f"sqlite:///{file}") == revisions.UNNOTED
    assert not sa.inspect(open_records(f"sqlite:///{file}")).has_table("schema_versions")
    assert records_revision(f"sqlite:///{file}") == revisions.head()


def test_a_revision_is_run_when_records_are_opened(
    make_database: Callable[[str], str], next_revision: Callable[..., str]
) -> None:
    """Old rows get the new column; a program that does not know the revision refuses it and says who wrote it."""
    url = make_database("opened")
    open_records(url)
    revision = next_revision()
    open_records(url)
    assert (records_revision(url), "token" in _columns(url)) == (revision, True)
    (revisions.VERSIONS / f"r{revision}_a_column_more.py").unlink()
    with pytest.raises(StorageError, match=rf"revision {revision}, written by forewarn .*{revisions.head()} or an"):
        open_records(url)


def test_a_revision_that_fails_leaves_the_tables_as_they_were(
    make_database: Callable[[str], str], next_revision: Callable[..., str]
) -> None:
    """Cut off after it has changed a table, nothing of it is there, on SQLite too; then it is run wholly."""
    url = make_database("failing")
    open_records(url)
    before = revisions.head()
    revision = next_revision(deleted="no_such_table")
    with pytest.raises(StorageError, match="no_such_table"):
        open_records(url)
    assert (records_revision(url), "token" in _columns(url)) == (before, False)
    file = revisions.VERSIONS / f"r{revision}_a_column_more.py"
    file.write_text(file.read_text().replace("no_such_table", "leases"))
    open_records(url)
    assert (records_revision(url), "token" in _columns(url)) == (revision, True)


def test_a_revision_that_waits_for_a_person_is_not_run_by_itself(
    make_database: Callable[[str], str], next_revision: Callable[..., str]
) -> None:
    """Only a backup can be made before it has been run by `forewarn upgrade`."""
    url = make_database("waiting")
    open_records(url)
    revision = next_revision(by_hand=True)
    with pytest.raises(StorageError, match=rf"{revision} is not run by itself.*forewarn upgrade"):
        open_records(url)
    open_to_copy(url)
    assert "token" not in _columns(url)
    migrate_records(url)
    open_records(url)
    assert "token" in _columns(url)


def _open(url: str, barrier: Any) -> None:
    barrier.wait(60)
    open_records(url, busy_seconds=60.0)


def test_processes_that_open_at_once_migrate_once(make_database: Callable[[str], str]) -> None:
    """Tables from before revisions, opened by several processes at the same time, are brought up to date once."""
    url = make_database("together")
    _make_unnoted(url)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=_open, args=(url, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    with connect(url, 1.0).connect() as connection:
        assert not differences(connection)
        assert connection.execute(sa.select(sa.func.count()).select_from(revisions.NOTE)).scalar_one() == 1


def test_other_programs_tables_in_the_database_do_not_matter(postgres: PostgresServer) -> None:
    """MLflow notes its own revision in Alembic's usual table, and has tables of its own."""
    url = postgres.make_database("shared")
    postgres.run("CREATE TABLE alembic_version (version_num VARCHAR(32)); CREATE TABLE runs (run_id TEXT)", "shared")
    postgres.run("INSERT INTO alembic_version VALUES ('534353b11cbc')", "shared")
    with open_records(url).connect() as connection:
        assert not differences(connection)
    assert postgres.run("SELECT version_num FROM alembic_version", "shared") == [("534353b11cbc",)]
