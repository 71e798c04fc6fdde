"""Two writers with one revision: one of them learns that the state has moved on, in any database."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pandas as pd
import pytest
import sqlalchemy as sa

from data_contracts.contract.contract import telemetry_contract
from data_contracts.records.records import open_records
from data_contracts.twin_state.log import StaleRevisionError, read_log
from data_contracts.twin_state.state_types import Twin
from data_contracts.twin_state.transitions import Change, write
from tests.data_contracts.twin_state.conftest import ASSET, NOW
from tests.postgres_server import PostgresServer

ROUNDS, WRITERS = 8, 4


def attempt(url: str, expected: int | None, value: float) -> str:
    """Write once, as one of several; say what came of it."""
    engine = open_records(url)
    twin = Twin(ASSET, "cnc_machine", None, None, telemetry_contract("cnc_machine"))
    changes = [Change("coolant_flow", value, NOW + pd.Timedelta("1h"))]
    try:
        write(engine, twin, changes, actor="ada", reason="a race", now=NOW, expected=expected)
    except StaleRevisionError as error:
        return f"stale, now at {error.current}"
    finally:
        engine.dispose()
    return "written"


def check_one_wins(url: str, run: Callable[[int], list[str]]) -> None:
    for revision in range(ROUNDS):
        outcomes = run(revision)
        assert sorted(outcomes) == sorted([f"stale, now at {revision + 1}"] * (WRITERS - 1) + ["written"])
    log = read_log(open_records(url), ASSET)
    assert [(entry.number, entry.revision) for entry in log] == [(n, n) for n in range(ROUNDS, 0, -1)]


def check_all_are_kept(url: str, engine: sa.Engine) -> None:
    """Without a revision to compare every writer's entry is stored, and the numbers have no gap."""
    with ThreadPoolExecutor(WRITERS) as pool:
        outcomes = list(pool.map(lambda number: attempt(url, None, float(number)), range(4 * WRITERS)))
    assert set(outcomes) == {"written"}
    log = read_log(engine, ASSET, limit=4 * WRITERS)
    first = log[-1].number
    assert [entry.number for entry in reversed(log)] == list(range(first, first + 4 * WRITERS))


def test_threads_on_sqlite(sqlite_url: str) -> None:
    """Of four threads with one revision exactly one writes."""
    engine = open_records(sqlite_url)
    with ThreadPoolExecutor(WRITERS) as pool:
        check_one_wins(
            sqlite_url, lambda revision: list(pool.map(lambda n: attempt(sqlite_url, revision, n), range(WRITERS)))
        )
    check_all_are_kept(sqlite_url, engine)


@pytest.mark.slow
def test_processes_on_sqlite(sqlite_url: str) -> None:
    """Of several processes with one revision exactly one writes."""
    open_records(sqlite_url).dispose()
    with ProcessPoolExecutor(WRITERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        arguments = range(WRITERS)
        check_one_wins(
            sqlite_url,
            lambda revision: list(pool.map(attempt, [sqlite_url] * WRITERS, [revision] * WRITERS, arguments)),
        )


@pytest.mark.slow
def test_threads_on_postgresql(postgres: PostgresServer) -> None:
    """The same on PostgreSQL."""
    url = postgres.make_database("twin_writers")
    engine = open_records(url)
    with ThreadPoolExecutor(WRITERS) as pool:
        check_one_wins(url, lambda revision: list(pool.map(lambda n: attempt(url, revision, n), range(WRITERS))))
    check_all_are_kept(url, engine)
