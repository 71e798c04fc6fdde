"""The outbox: nothing is lost, each subject's events go out in order, and what is settled is not looked at again."""

import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.records.outbox.event_kinds import KINDS, event_id
from data_contracts.records.outbox.expired_events import delete_expired_events
from data_contracts.records.outbox.outbox import (
    add_events,
    due_events,
    forget_settled,
    note_delivered,
    note_failed,
    open_channel,
    outbox_frame,
    replay_events,
)
from data_contracts.records.outbox.outbox_records import Delivery, OutboxChannel, OutboxEvent, ReachedAddress
from data_contracts.records.outbox.reached_addresses import note_reached, reached_addresses
from data_contracts.records.records import open_records
from tests.postgres_server import PostgresServer

T = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
HOUR = pd.Timedelta(hours=1)
CHANNEL = "sap"


@pytest.fixture(params=["sqlite", "postgresql"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    if request.param == "sqlite":
        yield open_records(f"sqlite:///{tmp_path}/records.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    yield open_records(server.make_database(f"outbox_{uuid.uuid4().hex}"))


def events(*subjects: str, first: int = 0, at: pd.Timestamp = T) -> list[OutboxEvent]:
    kind = KINDS[0]
    return [
        OutboxEvent(event_id(kind, subject, str(first + n)), kind, subject, at, {"n": first + n})
        for n, subject in enumerate(subjects)
    ]


def write(engine: sa.Engine, rows: list[OutboxEvent]) -> None:
    with engine.begin() as connection:
        add_events(connection, rows)


def test_events_go_out_in_order_once_each_and_a_rollback_sends_none(records: sa.Engine) -> None:
    """What was written before the channel began stays; an event's id counts once; a failed transaction tells nobody."""
    write(records, events("m0"))
    open_channel(records, CHANNEL, T)
    batch = events("m1", "m1", "m2", first=1)
    write(records, batch)
    write(records, batch)
    with records.connect() as connection:
        add_events(connection, events("m3", first=9))
        connection.rollback()
    sent = []
    while batch_due := due_events(records, CHANNEL, KINDS, T, 10):
        assert len({due.event.subject for due in batch_due}) == len(batch_due)
        for due in batch_due:
            note_delivered(records, CHANNEL, due, T)
            sent.append((due.event.subject, due.event.data["n"]))
    assert sorted(sent) == [("m1", 1), ("m1", 2), ("m2", 3)]
    assert sent.index(("m1", 1)) < sent.index(("m1", 2))
    assert due_events(records, CHANNEL, ["other.kind"], T, 10) == []
    assert due_events(records, "unknown", KINDS, T, 10) == []


def test_a_dead_letter_lets_the_next_one_go_and_can_be_sent_again(records: sa.Engine) -> None:
    """An event that waits holds up its subject only; once dead it is seen with its problem, and replayed."""
    open_channel(records, CHANNEL, T)
    write(records, events("m1", "m1", "m2"))
    first, other = due_events(records, CHANNEL, KINDS, T, 10)
    note_failed(records, CHANNEL, first, T, problem="503", again_at=T + HOUR)
    note_delivered(records, CHANNEL, other, T)
    assert due_events(records, CHANNEL, KINDS, T, 10) == []
    (again,) = due_events(records, CHANNEL, KINDS, T + HOUR, 10)
    assert (again.number, again.attempts) == (first.number, 1)
    note_failed(records, CHANNEL, again, T + HOUR, problem="400 Bad Request", again_at=None)
    (second,) = due_events(records, CHANNEL, KINDS, T + HOUR, 10)
    assert second.event.data["n"] == 1
    note_delivered(records, CHANNEL, second, T + HOUR)
    dead = outbox_frame(records, CHANNEL, state="dead")
    assert dead[["id", "attempts", "problem"]].to_numpy().tolist() == [[first.number, 2, "400 Bad Request"]]
    forget_settled(records, CHANNEL, KINDS, T + 5 * HOUR)
    assert replay_events(records, CHANNEL, [first.number + 100]) == 0
    assert replay_events(records, CHANNEL) == 1
    (replayed,) = due_events(records, CHANNEL, KINDS, T + HOUR, 10)
    assert replayed.event.event_id == first.event.event_id
    assert replayed.attempts == 0


def test_a_transaction_that_commits_late_is_not_skipped(tmp_path: Path) -> None:
    """A lower number that appears after a higher one went out still goes out, though settled ones are forgotten."""
    engine = open_records(f"sqlite:///{tmp_path}/records.db")
    open_channel(engine, CHANNEL, T)
    late, early = events("m1", "m2")
    with engine.begin() as connection:
        connection.execute(sa.insert(OutboxEvent.table).values(id=8, **early.values()))
    (due,) = due_events(engine, CHANNEL, KINDS, T, 10)
    note_delivered(engine, CHANNEL, due, T)
    forget_settled(engine, CHANNEL, KINDS, T)
    with engine.begin() as connection:
        connection.execute(sa.insert(OutboxEvent.table).values(id=7, **late.values()))
    assert [due.number for due in due_events(engine, CHANNEL, KINDS, T, 10)] == [7]


def stored(engine: sa.Engine, table: sa.Table) -> int:
    with engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def prune(engine: sa.Engine, until: pd.Timestamp, written: int) -> None:
    """Delete what is settled and old: just what was counted before; the newest event, of the last number, stays."""
    tables = {table.name: table for table in (OutboxEvent.table, Delivery.table, ReachedAddress.table)}
    channels = {CHANNEL: KINDS, "not begun": KINDS}
    counted = delete_expired_events(engine, until, channels, dry_run=True)
    before = {name: stored(engine, table) for name, table in tables.items()}
    assert delete_expired_events(engine, until, channels) == counted
    assert {name: before[name] - stored(engine, table) for name, table in tables.items()} == counted
    with engine.connect() as connection:
        assert (connection.execute(sa.select(sa.func.max(OutboxEvent.table.c.id))).scalar_one() or 0) == written


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_whatever_happens_each_event_is_settled_once_and_in_order(seed: int) -> None:
    """Writes, failures, deliveries, forgetting and pruning in any order: nothing lost, nothing before its turn."""
    chance = random.Random(seed)
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    OutboxEvent.table.metadata.create_all(engine)
    open_channel(engine, CHANNEL, T)
    now, written, settled = T, 0, dict[str, list[int]]()
    for step in range(60):
        now += HOUR / 4
        action = chance.choice(["write", "attempt", "attempt", "forget", "prune"]) if step < 40 else "attempt"
        if action == "write":
            subjects = [chance.choice("abc") for _ in range(chance.randint(1, 3))]
            write(engine, events(*subjects, first=written, at=now))
            written += len(subjects)
        elif action == "forget":
            forget_settled(engine, CHANNEL, KINDS, now)
        elif action == "prune":
            prune(engine, now - HOUR, written)
        else:
            for due in due_events(engine, CHANNEL, KINDS, now, 10):
                if step < 40 and chance.random() < 0.5:
                    again_at = chance.choice([now, now + HOUR, now + HOUR / 4])
                    note_failed(engine, CHANNEL, due, now, problem="down", again_at=again_at)
                else:
                    note_reached(engine, CHANNEL, [due.number], "a")
                    note_delivered(engine, CHANNEL, due, now)
                    settled.setdefault(due.event.subject, []).append(due.event.data["n"])
    for _ in range(written):
        for due in due_events(engine, CHANNEL, KINDS, now + 9 * HOUR, 10):
            note_delivered(engine, CHANNEL, due, now)
            settled.setdefault(due.event.subject, []).append(due.event.data["n"])
    assert sorted(n for numbers in settled.values() for n in numbers) == list(range(written))
    assert all(numbers == sorted(numbers) for numbers in settled.values())
    forget_settled(engine, CHANNEL, KINDS, now + 9 * HOUR)
    with engine.connect() as connection:
        assert connection.execute(sa.select(OutboxChannel.table.c.settled)).scalar_one() == written
    prune(engine, now, written)
    assert stored(engine, OutboxEvent.table) == min(written, 1)


def test_what_a_channel_has_still_to_deliver_is_never_deleted(records: sa.Engine) -> None:
    """An event goes when every channel that is for it has settled it or began later; dead letters go with it."""
    write(records, events("m0"))
    for channel in (CHANNEL, "mail"):
        open_channel(records, channel, T)
    write(records, [*events("m1", "m2", "m3", first=1), *events("m9", first=9, at=T + HOUR)])
    channels, until = {CHANNEL: KINDS, "mail": ["other.kind"]}, T + HOUR / 2
    first, second, _, _ = due_events(records, CHANNEL, KINDS, T, 10)
    note_delivered(records, CHANNEL, first, T)
    note_failed(records, CHANNEL, second, T, problem="400 Bad Request", again_at=None)
    for address in ("a", "a", "b"):
        note_reached(records, CHANNEL, [first.number, second.number], address)
    assert reached_addresses(records, CHANNEL, [second.number, 99]) == {second.number: {"a", "b"}, 99: set()}
    assert reached_addresses(records, "mail", [second.number]) == {second.number: set()}
    deleted = {"outbox_events": 3, "outbox_deliveries": 2, "outbox_reached": 4}
    assert delete_expired_events(records, until, channels) == deleted
    assert outbox_frame(records, CHANNEL)["subject"].tolist() == ["m9", "m3"]
    assert [due.event.subject for due in due_events(records, CHANNEL, KINDS, T, 10)] == ["m3", "m9"]
