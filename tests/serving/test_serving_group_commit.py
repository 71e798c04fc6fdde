"""One transaction for all who wait, in SQLite and in PostgreSQL."""

import gc
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from data_contracts.errors import StorageError
from data_contracts.records.answer_records import Answer, Reply, find_answers, purge_replies
from data_contracts.records.group_commit import GroupCommit
from data_contracts.tracing.spans import traced
from data_contracts.workspace import Workspace
from serving.http.errors import ApiError
from serving.http.idempotency import VALID_FOR, idempotent_request
from serving.prediction.prediction_log import PredictionLog

NOW = pd.Timestamp("2016-01-01", tz="UTC").as_unit("us")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'records.db'}"
        return
    server = request.getfixturevalue("postgres")
    # Another test may have left rows.
    empty(server.url)
    yield server.url
    empty(server.url)


def empty(url: str) -> None:
    """Drop everything that is in a PostgreSQL database."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()


def workspace_at(url: str) -> Workspace:
    return Workspace(Path(), "", url, "", "")


def answer(number: int) -> Answer:
    return Answer(f"p{number}", "a", None, NOW, "abstained", "nothing is known of it", "m", 1, "d", '{"n": 1}')


def reply(key: str, at: pd.Timestamp = NOW, text: str = "{}") -> Reply:
    return Reply(key, "request", text, at)


def stored(log: PredictionLog) -> set[str]:
    return {row.prediction_id for row in find_answers(log.commit.engine())}


def test_what_many_threads_write_is_all_there_when_they_go_on(url: str) -> None:
    """Durable before answered: whoever returns finds his own row, and every row is written once."""
    log = PredictionLog(workspace_at(url))

    def write(number: int) -> bool:
        log.store([], [answer(number)])
        return bool(find_answers(log.commit.engine(), prediction_id=f"p{number}"))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(write, range(200)))
    assert stored(log) == {f"p{number}" for number in range(200)}


def test_those_who_wait_share_a_transaction(tmp_path: Path, recorded: InMemorySpanExporter) -> None:
    """While one commit is under way the others gather, and one commit more is enough for all of them.

    In the traces it is a child of one, and linked with each of the others, in both directions.
    """
    commit = GroupCommit(f"sqlite:///{tmp_path / 'records.db'}")
    entered, go_on, commits = threading.Event(), threading.Event(), []
    sa.event.listen(commit.engine(), "commit", commits.append)

    def slow(_: sa.Connection) -> None:
        entered.set()
        go_on.wait(60)

    run = traced("store")(commit.run)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(run, slow)
        entered.wait(60)
        others = [pool.submit(run, lambda _: None) for _ in range(6)]
        while len(commit._waiting) < len(others):
            time.sleep(0.001)
        go_on.set()
        for each in (first, *others):
            each.result(60)
    assert len(commits) == 2
    *_, shared = [span for span in recorded.get_finished_spans() if span.name == "commit records"]
    assert dict(shared.attributes or {}) == {"forewarn.batch.size": 6}
    waiting = {span.context.span_id: span for span in recorded.get_finished_spans() if span.name == "store"}
    linked = {link.context.span_id for link in shared.links}
    assert shared.parent is not None
    assert len(linked) == 5
    assert shared.parent.span_id in waiting.keys() - linked
    for each in linked:
        assert [link.context.span_id for link in waiting[each].links] == [shared.context.span_id]


def test_waiting_for_another_process_holds_on_to_nothing(tmp_path: Path) -> None:
    """What a request has made goes when it is answered, not when garbage is collected: it may be megabytes."""
    commit = GroupCommit(f"sqlite:///{tmp_path / 'records.db'}")
    commit.engine()
    other = sqlite3.connect(tmp_path / "records.db", check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    class Request:
        pass

    def answer_one() -> "weakref.ref[Request]":
        made = Request()
        commit.run(lambda connection: connection.execute(sa.select(made is not None)).scalar())
        return weakref.ref(made)

    gc.disable()
    try:
        threading.Timer(0.1, other.rollback).start()
        assert answer_one()() is None
    finally:
        gc.enable()
        other.close()


def test_one_that_cannot_be_written_fails_alone(url: str) -> None:
    """Its neighbours in the transaction are stored, and nothing of it is."""
    log = PredictionLog(workspace_at(url))
    log.store([], [answer(0)])
    entered, go_on = threading.Event(), threading.Event()

    def slow(_: sa.Connection) -> None:
        entered.set()
        go_on.wait(60)

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(log.commit.run, slow)
        entered.wait(60)
        bad = pool.submit(log.store, [], [answer(7), answer(0)])
        good = [pool.submit(log.store, [], [answer(number)]) for number in (1, 2)]
        while len(log.commit._waiting) < 3:
            time.sleep(0.001)
        go_on.set()
        assert [each.result(60) for each in (first, *good)] == [None] * 3
        assert isinstance(bad.exception(60), StorageError)
    assert stored(log) == {"p0", "p1", "p2"}


def test_a_key_is_claimed_once_however_many_try(url: str) -> None:
    """Of several at once, in processes that know nothing of each other, one stores; all give its reply."""
    logs = [PredictionLog(workspace_at(url)) for _ in range(4)]
    logs[0].commit.engine()

    def claim(number: int) -> str:
        mine = reply("key", text=f"reply {number}")
        before = logs[number % 4].store([], [answer(number)], mine)
        return (before or mine).reply

    with ThreadPoolExecutor(16) as pool:
        replies = set(pool.map(claim, range(32)))
    assert len(replies) == 1
    assert stored(logs[0]) == {"p" + replies.pop().removeprefix("reply ")}


def test_a_reply_stands_for_a_day(url: str) -> None:
    """Up to 24 hours it is found, and after that the key is free again."""
    log = PredictionLog(workspace_at(url))
    assert log.store([], [answer(1)], reply("key")) is None
    found = log.find("key", NOW + VALID_FOR)
    assert found == reply("key")
    later = NOW + VALID_FOR + pd.Timedelta(1, "us")
    assert log.find("key", later) is None
    assert log.store([], [answer(2)], reply("key", later, "new")) is None
    assert log.find("key", later) == reply("key", later, "new")


def test_expired_replies_are_deleted_and_no_others(url: str) -> None:
    """The table does not grow for ever, and a reply that may still be asked for stays."""
    log = PredictionLog(workspace_at(url))
    for hour in range(6):
        log.store([], [], reply(f"key{hour}", NOW + hour * pd.Timedelta("1h")))
    expired = NOW + pd.Timedelta("4h")
    assert purge_replies(log.commit, expired=expired, limit=3) == 3
    assert purge_replies(log.commit, expired=expired, limit=3) == 1
    with log.commit.engine().connect() as connection:
        assert sorted(connection.execute(sa.select(Reply.table.c.key)).scalars()) == ["key4", "key5"]


def test_a_server_that_stops_is_told_of_and_used_again_when_it_is_back(postgres: Any) -> None:
    """While it is down nothing is stored and nothing hangs; afterwards everything goes on by itself."""
    log = PredictionLog(workspace_at(postgres.url))
    log.store([], [answer(1)])
    postgres.stop()
    try:
        for _ in range(3):
            with pytest.raises(StorageError):
                log.store([], [answer(2)])
        with pytest.raises(StorageError):
            log.find("key", NOW)
    finally:
        postgres.start()
    log.store([], [answer(3)])
    assert stored(log) >= {"p1", "p3"}
    assert "p2" not in stored(log)


def test_a_file_that_is_moved_away_is_not_written_into(tmp_path: Path) -> None:
    """What went into a file that nobody finds again would be lost: no answer until it is back."""
    path = tmp_path / "records.db"
    log = PredictionLog(workspace_at(f"sqlite:///{path}"))
    log.store([], [answer(1)])
    moved = path.rename(tmp_path / "away.db")
    with pytest.raises(StorageError, match="gone"):
        log.store([], [answer(2)])
    assert not path.exists()
    moved.rename(path)
    log.store([], [answer(3)])
    assert stored(log) == {"p1", "p3"}


def test_another_file_in_its_place_is_opened(tmp_path: Path) -> None:
    """Records that were restored from a backup are those that are written from then on."""
    path, backup = tmp_path / "records.db", tmp_path / "backup.db"
    log = PredictionLog(workspace_at(f"sqlite:///{path}"))
    log.store([], [answer(1)])
    with sqlite3.connect(path) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    source.close()
    target.close()
    log.store([], [answer(2)])
    log.commit.close()
    backup.rename(path)
    log.store([], [answer(3)])
    assert stored(log) == {"p1", "p3"}


def test_a_write_that_fails_for_reasons_of_its_own_says_so(tmp_path: Path) -> None:
    """What is no fault of the records is raised as it is, and leaves nothing behind."""
    log = PredictionLog(workspace_at(f"sqlite:///{tmp_path / 'records.db'}"))

    def write(connection: sa.Connection) -> None:
        connection.execute(sa.insert(Reply.table).values(key="k", request="", reply="", at=NOW))
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        log.commit.run(write)
    assert log.find("k", NOW) is None


@pytest.mark.parametrize("keys", [[""], ["a" * 256], ["ä"], ["a\tb"], ["one", "two"]])
def test_a_key_that_cannot_be_one_is_refused(keys: list[str]) -> None:
    """422, and the header is named."""
    with pytest.raises(ApiError) as refused:
        idempotent_request(keys, caller="c", route="/predict", body=b"")
    assert (refused.value.status, refused.value.field) == (422, "Idempotency-Key")


def test_a_key_belongs_to_its_caller_and_route() -> None:
    """The same words from another caller, or of another route, are another key; a longer key is none."""
    triples = [
        ("a", "/r", "k"),
        ("b", "/r", "k"),
        ("a", "/s", "k"),
        ("a", "/r", "l"),
        ("a/", "r", "k"),
        ("a", "/rk", "k"),
    ]
    requests = [idempotent_request([key], caller=caller, route=route, body=b"") for caller, route, key in triples]
    assert len({one.key for one in requests if one is not None}) == len(triples)


def test_the_same_key_with_another_body_is_refused() -> None:
    """A caller that mixes up its keys gets an error, not the answer to another request."""
    first, second = (idempotent_request(["k"], caller="c", route="/r", body=body) for body in (b"1", b"2"))
    assert first is not None
    assert second is not None
    stored = first.record("answered", NOW)
    assert first.replay(stored) == "answered"
    with pytest.raises(ApiError) as refused:
        second.replay(replace(stored))
    assert (refused.value.status, refused.value.field) == (422, "Idempotency-Key")
