"""Records in PostgreSQL: what they are opened with, and what is said where they cannot be."""

import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from data_contracts.errors import StorageError, UsageError
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.leases import acquire_lease
from data_contracts.records.record_schema import METADATA
from data_contracts.records.records import Prediction, open_records, predictions
from data_contracts.workspace import Workspace, open_workspace
from tests.postgres_server import GUARDED, PostgresServer

AT = pd.Timestamp("2024-05-01T00:00:00.000123Z")
SECRET = "wr0ng@s3cret"  # noqa: S105 - what must not be shown
ESCAPED = SECRET.replace("@", "%40")


def prediction(name: str, asset: str = "m1") -> Prediction:
    return Prediction(name, asset, AT, AT, 86400.0, 0.0, 0.25, None, 0.5, False, "cnc", 1, "batch")


def refused(url: str, **options: Any) -> str:
    """Open the records, which is refused; return what is said, in which no password may be."""
    with pytest.raises(StorageError) as error:
        open_records(url, **options)
    assert SECRET not in str(error.value)
    assert ESCAPED not in str(error.value)
    return str(error.value)


@pytest.fixture
def guarded(postgres: PostgresServer) -> Iterator[PostgresServer]:
    postgres.run(f"DROP ROLE IF EXISTS {GUARDED}")
    postgres.run(f"CREATE ROLE {GUARDED} LOGIN PASSWORD 'right'")
    yield postgres
    postgres.run("DROP DATABASE IF EXISTS reader WITH (FORCE)")
    postgres.run(f"DROP ROLE {GUARDED}")


def test_a_wrong_password_is_named_and_not_shown(guarded: PostgresServer) -> None:
    """The remedy is about user and password, whether there is a wrong one or none."""
    for credentials in (f"{GUARDED}:{ESCAPED}", GUARDED):
        said = refused(guarded.url_of("postgres", credentials))
        assert "Check the user and the password" in said


def test_a_server_out_of_reach_is_named() -> None:
    """Nobody listens there: that is said at once, with the address and without the password."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # nobody else takes the port, and nobody listens on it
        said = refused(f"postgresql://ada:{ESCAPED}@127.0.0.1:{held.getsockname()[1]}/plant", busy_seconds=2.0)
    assert "ada:***@127.0.0.1" in said
    assert "Check that the database is running" in said


def test_a_missing_database_is_named(postgres: PostgresServer) -> None:
    """A server without that database says so, and what to do."""
    assert "Create that database" in refused(postgres.url_of("nowhere"))


@pytest.mark.parametrize("address", ["ada:{}@db:port/x", "ada:{}@db:99x/x?pool_size=2"])
def test_a_url_that_is_none_keeps_its_secret(address: str) -> None:
    """A URL that cannot be parsed is shown without its password, whether that is written as it must be or not."""
    for secret in (ESCAPED, SECRET):
        assert "ada:***@db" in refused(f"postgresql://{address.format(secret)}")


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where psycopg is not installed the remedy installs it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "pip install 'forewarn[postgres]'" in refused(f"postgresql://ada:{ESCAPED}@missing/x")


def test_who_may_only_read_reads(guarded: PostgresServer) -> None:
    """A user without the right to write reads what is there; writing, and making the tables, names what to grant."""
    url = guarded.make_database("reader")
    reader = guarded.url_of("reader", f"{GUARDED}:right")
    assert "Grant its user" in refused(reader)
    add_predictions(open_records(url), [prediction("p1")])
    with open_records(url).begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_predictions_asset_as_of")  # as in tables that an earlier version made
    guarded.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {GUARDED}", "reader")
    records = open_records(reader)
    assert predictions(records)["prediction_id"].tolist() == ["p1"]
    with pytest.raises(StorageError, match="Grant its user"):
        add_predictions(records, [prediction("p2")])
    with pytest.raises(StorageError, match="Grant its user"):
        acquire_lease(records, "lease", "me", AT, pd.Timedelta("1min"))


def test_tables_of_an_earlier_version_are_completed(postgres: PostgresServer) -> None:
    """Tables and indexes that are missing are made; a missing column is named, and nothing is guessed."""
    url = postgres.make_database("older")
    records = open_records(url)
    made = {index.name for table in METADATA.tables.values() for index in table.indexes}
    with records.begin() as connection:
        connection.exec_driver_sql("DROP TABLE leases")
        connection.exec_driver_sql("DROP INDEX ix_predictions_asset_as_of")
    inspector = sa.inspect(open_records(url))
    assert "leases" in inspector.get_table_names()
    assert {index["name"] for of in inspector.get_multi_indexes().values() for index in of} >= made
    with records.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE predictions DROP COLUMN lead_s")
    with pytest.raises(StorageError, match=r"lead_s.*not as this version of forewarn makes them"):
        predictions(open_records(url))


def test_limits_of_the_url_hold(postgres: PostgresServer) -> None:
    """A statement that takes too long is given up by the server, and one connection too many is refused."""
    limits = "statement_timeout_seconds=0.2&pool_size=1&max_overflow=0&connect_timeout_seconds=0.2"
    records = open_records(f"{postgres.make_database('limits')}?{limits}")
    with pytest.raises(StorageError, match="statement_timeout_seconds"):
        add_slowly(records)
    with records.connect(), pytest.raises(StorageError, match="connections of this process"):
        predictions(records)
    assert predictions(records).empty
    assert open_records(str(records.url.set(database="limits")) + f"?{limits}") is records


def add_slowly(records: sa.Engine) -> None:
    from data_contracts.records.database.storage_errors import storage_errors

    with storage_errors(records), records.connect() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(60)")


@pytest.mark.parametrize("query", ["pool_size=many", "pool_size=0", "statement_timeout_seconds=-1"])
def test_a_wrong_limit_is_wrong_usage(query: str) -> None:
    """A limit that is none is named, with its key, before anything is connected to."""
    with pytest.raises(UsageError, match=re.escape(query.partition("=")[0])):
        open_records(f"postgresql://nobody@nowhere/x?{query}")


def test_settings_reach_the_server(workspace: Workspace, postgres: PostgresServer) -> None:
    """The file's settings hold, a variable wins over them, and the query of the URL over both."""
    url = postgres.make_database("settings")
    (workspace.root / "forewarn.toml").write_text(
        f'[storage]\nrecords = "{url}?lock_timeout_seconds=3&options=-c%20work_mem%3D5MB"\n'
        "[database]\nlock_timeout_seconds = 5\nstatement_timeout_seconds = 7\nidle_transaction_seconds = 9\n"
    )
    opened = open_workspace(workspace.root, {"FOREWARN_DATABASE_IDLE_TRANSACTION_SECONDS": "11"})
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "work_mem", "client_encoding")
    with open_records(opened.records_url).connect() as connection:
        shown = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]
    assert shown == ["3s", "7s", "11s", "5MB", "UTF8"]


def test_a_wrong_setting_is_named(workspace: Workspace) -> None:
    """A wrong value is wrong usage, with the place it came from."""
    (workspace.root / "forewarn.toml").write_text("[database]\npool_size = 0\n")
    with pytest.raises(UsageError, match=r"forewarn\.toml:2: database\.pool_size"):
        open_workspace(workspace.root, {})
    (workspace.root / "forewarn.toml").write_text("")
    with pytest.raises(UsageError, match="FOREWARN_DATABASE_POOL_SIZE"):
        open_workspace(workspace.root, {"FOREWARN_DATABASE_POOL_SIZE": "few"})
    assert open_workspace(workspace.root, {"FOREWARN_DATABASE_POOL_SIZE": "3"}) == workspace  # a file needs none


def test_names_are_ordered_alike(postgres: PostgresServer, tmp_path: Path) -> None:
    """Rows come in the order of their code points from any database, whatever its language."""
    names = ["b", "A", "a", "Z", "ä", "a b", "a-b", "ab", "ß", "日"]
    stored = [prediction(f"p{number}", asset) for number, asset in enumerate(names)]
    for url in (postgres.make_database("ordered"), f"sqlite:///{tmp_path / 'records.db'}"):
        records = open_records(url)
        add_predictions(records, stored)
        assert predictions(records)["asset"].tolist() == sorted(names)
