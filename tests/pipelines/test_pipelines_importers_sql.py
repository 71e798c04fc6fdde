"""Imports from another database: once each, from where the last run ended, wherever that was."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.errors import StorageError
from data_contracts.sql_source import import_state
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace
from pipelines.cli import main
from pipelines.importers.sql import import_sql as job
from tests.postgres_server import GUARDED, PostgresServer

QUERY = "SELECT id, machine, at, volt, rotate, pressure, vibration FROM readings WHERE volt > 0 OR machine <> ':x'"
COLUMNS = ("--rename", "machine=asset", "--rename", "at=event_time", "--layout", "ignore=id")
FIRST, LATER, ALL = 25, 7, 32
START = pd.Timestamp("2024-05-01T00:00:00Z")


@dataclass
class Historian:
    """A database that somebody else keeps, with a table of readings."""

    url: str
    run: Callable[[str], Any]

    def add(self, begin: int, count: int) -> None:
        """Insert readings, two of an instant under one running number."""
        for number in range(begin, begin + count):
            at = (START + number // 2 * pd.Timedelta("1h")).isoformat(sep=" ")
            cells = f"{number // 2}, 'm-{number % 2}', '{at}', 170.5, 450, 100.25, 40"
            self.run(f"INSERT INTO readings VALUES ({cells})")  # noqa: S608


@pytest.fixture(params=["sqlite", "postgresql"])
def historian(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Historian]:
    file = tmp_path / "historian.db"
    connection = sqlite3.connect(file, isolation_level=None)
    if request.param == "sqlite":
        made = Historian(f"sqlite:///{file}", connection.execute)
        number, time = "REAL", "TEXT"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        made = Historian(
            server.make_database("historian").replace("+psycopg", ""), lambda text: server.run(text, "historian")
        )
        number, time = "NUMERIC(8, 3)", "TIMESTAMPTZ"
    values = ", ".join(f"{name} {number}" for name in ("volt", "rotate", "pressure", "vibration"))
    made.run(f"CREATE TABLE readings (id BIGINT, machine TEXT, at {time}, {values})")
    made.add(0, FIRST)
    yield made
    connection.close()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "ws")


@pytest.fixture
def sql(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Return a function that runs `forewarn import sql` and returns its exit status and JSON."""

    def run(url: str, *words: str, query: str = QUERY) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        given = ["import", "sql", url, "--query", query, "--contract", "azure_machine", *words]
        with pytest.raises(SystemExit) as ended:
            main([*given, "--workspace", str(workspace.root), "--json"])
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out)

    return run


def stored(workspace: Workspace) -> pd.DataFrame:
    rows = tables.read(workspace, "telemetry/azure_machine")
    return rows.sort_values(["event_time", "asset"], ignore_index=True)


def check_all_once(workspace: Workspace, count: int) -> None:
    rows = stored(workspace)
    assert len(rows) == count
    assert not rows.duplicated(["asset", "event_time"]).any()
    expected = [(f"m-{number % 2}", START + number // 2 * pd.Timedelta("1h")) for number in range(count)]
    assert list(zip(rows["asset"], rows["event_time"], strict=True)) == expected
    assert set(rows["volt"]) == {170.5}
    assert set(rows["rotate"]) == {450.0}


@pytest.mark.parametrize("watermark", ["id", "at"])
def test_only_what_is_new_is_read(historian: Historian, workspace: Workspace, sql: Any, watermark: str) -> None:
    """The first run reads everything in chunks, the next ones only the rows after the last watermark."""
    words = (*COLUMNS, "--watermark", watermark, "--chunk-rows", "6")
    status, first = sql(historian.url, *words)
    assert status == 0, first
    assert (first["rows"], first["accepted"], first["started_after"]) == (FIRST, FIRST, None)
    assert first["chunks"] > 1
    assert first["filled"] == {"known_time": "event_time", "source": "physical"}
    _, again = sql(historian.url, *words)
    assert (again["rows"], again["chunks"], again["watermark"]) == (0, 0, first["watermark"])
    historian.add(FIRST + 1, LATER - 1)
    _, later = sql(historian.url, *words)
    assert (later["rows"], later["accepted"], later["started_after"]) == (LATER - 1, LATER - 1, first["watermark"])
    assert len(stored(workspace)) == FIRST + LATER - 1


@pytest.mark.parametrize("place", ["before storing", "after storing"])
def test_a_run_that_is_cut_off_stores_nothing_twice(
    historian: Historian, workspace: Workspace, sql: Any, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Cut off at the third chunk, with more rows by the next run: that one begins with the very same chunk."""
    words = (*COLUMNS, "--watermark", "id", "--chunk-rows")
    store, calls = job._store, 0

    def cut_off(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3 and place == "before storing":
            raise StorageError("cut off", "a whole run", "Run it again")
        store(*arguments)
        if calls == 3:
            raise StorageError("cut off", "a whole run", "Run it again")

    with monkeypatch.context() as patch:
        patch.setattr(job, "_store", cut_off)
        assert sql(historian.url, *words, "6")[0] == 1
    historian.add(FIRST + 1, ALL - FIRST - 1)
    historian.add(FIRST, 1)  # of the watermark that the cut-off run did not come to
    status, result = sql(historian.url, *words, "50")
    assert (status, result["already"]) == (0, 1 if place == "after storing" else 0)
    check_all_once(workspace, ALL)


def test_without_a_watermark_the_same_rows_are_one_batch(historian: Historian, workspace: Workspace, sql: Any) -> None:
    """All is read each time; while nothing has changed, nothing is stored again, whatever the order."""
    assert sql(historian.url, *COLUMNS)[1]["accepted"] == FIRST
    _, again = sql(historian.url, *COLUMNS, query=f"{QUERY} ORDER BY at DESC;")
    assert (again["rows"], again["accepted"], again["already"]) == (FIRST, 0, 1)
    check_all_once(workspace, FIRST)


def test_a_dry_run_shows_and_stores_nothing(historian: Historian, workspace: Workspace, sql: Any) -> None:
    """Columns, types, rows and the first of them against the contract; no table and no state comes of it."""
    historian.run("ANALYZE")
    status, shown = sql(historian.url, *COLUMNS, "--watermark", "id", "--dry-run")
    assert (status, shown["rows"], shown["report"]["passed"]) == (0, FIRST, True), shown
    assert [(each["name"], each["contract"]) for each in shown["columns"]][:3] == [
        ("id", None),
        ("machine", "asset"),
        ("at", "event_time"),
    ]
    assert shown["first"][0]["asset"] in ("m-0", "m-1")
    assert len(shown["first"]) == 5
    assert not (workspace.root / "tables" / "telemetry").exists()
    assert sql(historian.url, *COLUMNS, "--watermark", "id")[1]["started_after"] is None
    _, after = sql(historian.url, *COLUMNS, "--watermark", "id", "--dry-run")
    assert (after["started_after"], after["first"], after["report"]) == ("12", [], None)
    status, lacking = sql(historian.url, "--watermark", "id", "--name", "other", "--dry-run")
    assert (status, lacking["report"]["passed"]) == (1, False)


@pytest.mark.parametrize(
    ("words", "query", "status", "found"),
    [
        ((), "DROP TABLE readings", 2, "does not execute the query"),
        ((), "DELETE FROM readings RETURNING *", 2, "does not execute the query"),
        ((), "SELECT nothing FROM readings", 2, "does not execute the query"),
        ((), "SELECT machine AS asset, at AS asset FROM readings", 2, "asset twice"),
        (("--watermark", "ids"), QUERY, 2, "no column ids"),
        (("--chunk-rows", "0"), QUERY, 2, ""),
    ],
)
def test_a_wrong_query_is_wrong_usage(
    historian: Historian, sql: Any, words: tuple[str, ...], query: str, status: int, found: str
) -> None:
    """What cannot be executed, or would change something, is refused; the readings are still there."""
    refused = sql(historian.url, *words, query=query)
    assert refused[0] == status
    assert found in refused[1]["found"]
    assert sql(historian.url, *COLUMNS, "--dry-run")[1]["rows"] > 0


def test_a_source_is_never_written_to(historian: Historian, sql: Any) -> None:
    """A function that writes is refused by the connection itself."""
    if historian.url.startswith("postgresql"):
        historian.run("CREATE FUNCTION wipe() RETURNS INT LANGUAGE SQL AS 'DELETE FROM readings RETURNING 1'")
        status, refused = sql(historian.url, query="SELECT wipe()")
        assert status != 0
        assert "read-only" in refused["found"]


def test_rows_out_of_limits_are_in_quarantine_and_counted(historian: Historian, sql: Any) -> None:
    """A bad row holds up nothing, and rows without a watermark are named."""
    historian.run("INSERT INTO readings VALUES (90, 'm-0', '2099-01-01 00:00:00+00:00', 1, 1, 1, 1)")
    historian.run("INSERT INTO readings VALUES (NULL, 'm-0', '2024-06-01 00:00:00+00:00', 1, 1, 1, 1)")
    status, result = sql(historian.url, *COLUMNS, "--watermark", "id")
    assert (status, result["accepted"], result["quarantined"], result["without_watermark"]) == (0, FIRST, 1, 1)
    assert result["watermark"] == "90"


def test_sources_out_of_reach_are_named(sql: Any, tmp_path: Path) -> None:
    """No server, no file, no driver: each is named with a remedy, and a password is not shown."""
    for url, found in (
        ("postgresql://ada:s3cret@127.0.0.1:1/x", "ada:***@127.0.0.1:1/x cannot be read"),
        (f"sqlite:///{tmp_path / 'none.db'}", "no file"),
        ("nosuch://ada:s3cret@host/x", "needs a driver"),
        ("ada:s3cret", "the URL"),
    ):
        status, refused = sql(url)
        assert status in (1, 2)
        assert found in refused["found"]
        assert "s3cret" not in json.dumps(refused) or url == "ada:s3cret"
    assert not (tmp_path / "none.db").exists()


def test_the_password_comes_from_the_environment(
    postgres: PostgresServer, sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in no argument, and in no output."""
    postgres.make_database("secret")
    postgres.run(f"DROP ROLE IF EXISTS {GUARDED}")
    postgres.run(f"CREATE ROLE {GUARDED} LOGIN PASSWORD 'r1ght'")
    try:
        url = postgres.url_of("secret", GUARDED)
        query = "SELECT 'm-0' AS asset, now() - interval '1 h' AS event_time, 170.5 AS volt, "
        query += "450 AS rotate, 100 AS pressure, 40 AS vibration"
        assert sql(url, query=query)[0] == 1
        monkeypatch.setenv("FOREWARN_SOURCE_PASSWORD", "r1ght")
        status, result = sql(url, query=query)
        assert (status, result["accepted"]) == (0, 1), result
        assert "r1ght" not in json.dumps(result)
    finally:
        postgres.run(f"DROP ROLE {GUARDED}")


@pytest.mark.parametrize(
    "value", [5, 2**62, 0.1, "a'b", pd.Timestamp("2024-01-01T00:00:00.123456+02:00").to_pydatetime()]
)
def test_watermarks_come_back_as_they_were(workspace: Workspace, value: Any) -> None:
    """A watermark of any type is read back with its type and value."""
    from data_contracts.records.records import open_records

    records, state = open_records(workspace.records_url), import_state.ImportState(value, value)
    import_state.write_state(records, "one", state, at=START)
    assert import_state.read_state(records, "one") == state
    assert import_state.read_state(records, "other") == import_state.ImportState()
