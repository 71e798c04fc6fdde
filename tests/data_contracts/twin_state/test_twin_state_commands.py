"""Commands: written with their entries, published until answered or expired, each answer once in the log."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from data_contracts.contract.contract import telemetry_contract
from data_contracts.contract.contract_types import Column
from data_contracts.records.records import open_records
from data_contracts.records.twin_records import TwinCommand
from data_contracts.twin_state.command_states import ANSWERED, FOLLOWING, OPEN
from data_contracts.twin_state.commands import (
    Repeats,
    due_commands,
    expire_commands,
    latest_commands,
    note_published,
    record_answer,
    switch_commands,
)
from data_contracts.twin_state.log import StaleRevisionError, read_log
from data_contracts.twin_state.state_types import Twin
from data_contracts.twin_state.transitions import Change, Source, Written, roll_back, write
from tests.data_contracts.twin_state.conftest import ASSET, NOW
from tests.postgres_server import PostgresServer

HEAT, LIMIT = "bearing_temperature", "speed_limit"
HOUR = pd.Timedelta("1h")
REPEATS = Repeats(pd.Timedelta("10s"), 3)
CONTRACT = replace(
    telemetry_contract("cnc_machine"),
    settable=(Column(LIMIT, "number", unit="rpm", minimum=0.0, maximum=9000.0), Column("mode", "string")),
)
MILL = Twin(ASSET, "cnc_machine", "plant-01", None, CONTRACT)


@pytest.fixture
def records(sqlite_url: str) -> Iterator[sa.Engine]:
    engine = open_records(sqlite_url)
    switch_commands(engine, on=True, now=NOW)
    yield engine
    engine.dispose()


def send(
    engine: sa.Engine,
    value: float | str | None = 60.0,
    name: str = HEAT,
    *,
    source: Source = "manual_override",
    now: pd.Timestamp = NOW,
    ends: pd.Timedelta | None = HOUR,
    expected: int | None = None,
    dry_run: bool = False,
) -> Written:
    change = Change(name, value, None if ends is None or value is None else now + ends)
    return write(
        engine,
        MILL,
        [change],
        actor="ada",
        reason="why",
        now=now,
        source=source,
        expected=expected,
        dry_run=dry_run,
    )


def stored(engine: sa.Engine) -> list[TwinCommand]:
    table = TwinCommand.table
    with engine.connect() as connection:
        return [TwinCommand(**row) for row in connection.execute(sa.select(table).order_by(table.c.number)).mappings()]


def states(engine: sa.Engine) -> list[str]:
    return [each.state for each in stored(engine)]


def test_an_override_its_end_and_a_roll_back_are_commanded(records: sa.Engine) -> None:
    """Each with value and end; a release is worth nothing once the override would have ended by itself."""
    send(records)
    send(records, None)
    roll_back(records, MILL, 1, actor="ada", reason="not yet", now=NOW)
    roll_back(records, MILL, 0, actor="ada", reason="now", now=NOW)
    commands = stored(records)
    assert [(each.kind, each.value, each.revision) for each in commands] == [
        ("override", 60.0, 1),
        ("release", None, 2),
        ("override", 60.0, 3),
        ("release", None, 4),
    ]
    assert {each.expires_at for each in commands} == {NOW + HOUR}
    assert {(each.unit, each.plant) for each in commands} == {("degC", "plant-01")}
    assert states(records) == ["withdrawn", "withdrawn", "withdrawn", "pending"]


def test_nothing_is_commanded_unasked(sqlite_url: str) -> None:
    """Without a listener that publishes overrides work as before, set-points are rejected; switching off withdraws."""
    engine = open_records(sqlite_url)
    assert send(engine).accepted
    rejected = send(engine, 4000.0, LIMIT, source="command")
    assert "no listener publishes" in str(rejected.rejections[LIMIT])
    assert stored(engine) == []
    switch_commands(engine, on=True, now=NOW)
    assert stored(engine) == []
    assert send(engine, 4000.0, LIMIT, source="command").accepted
    switch_commands(engine, on=False, now=NOW)
    assert states(engine) == ["withdrawn"]
    assert due_commands(engine, NOW) == []


@pytest.mark.parametrize(
    ("name", "value", "ends", "field", "words"),
    [
        (HEAT, 60.0, HOUR, "property", "which is not writable; expected speed_limit, mode"),
        ("speed_limt", 60.0, HOUR, "property", "which is not writable"),
        (LIMIT, 9001.0, HOUR, "value", "9001"),
        (LIMIT, "fast", HOUR, "value", "a number"),
        (LIMIT, None, HOUR, "value", "no value"),
        (LIMIT, 100.0, None, "expires_at", "until when"),
        (LIMIT, 100.0, pd.Timedelta("8D"), "expires_at", "within 7 days"),
    ],
)
def test_a_set_point_that_is_refused(records, name, value, ends, field, words) -> None:
    """What is not writable, out of range or without an end is stored as rejected, and commands nothing."""
    written = send(records, value, name, source="command", ends=ends)
    assert written.rejections[name].field == field
    assert words in str(written.rejections[name])
    assert stored(records) == []
    assert [entry.kind for entry in read_log(records, ASSET, rejected=True)] == ["set_point"]


def test_a_set_point_is_no_state(records: sa.Engine) -> None:
    """It moves the revision, so that of two writers one learns of the other, and says nothing about what is."""
    assert send(records, 4000, LIMIT, source="command", expected=0).revision == 1
    with pytest.raises(StaleRevisionError):
        send(records, 5000, LIMIT, source="command", expected=0)
    assert send(records, 8999.0, LIMIT, source="command", dry_run=True).accepted
    (command,) = stored(records)
    assert (command.kind, command.value, command.unit) == ("set_point", 4000.0, "rpm")


def check_writers(url: str, records: sa.Engine) -> None:
    """Of four with one revision one is commanded; without one all are, and the last is what stays."""

    def attempt(number: int, expected: int | None) -> bool:
        engine = open_records(url)
        try:
            return send(engine, float(number), LIMIT, source="command", expected=expected).accepted
        except StaleRevisionError:
            return False
        finally:
            engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda number: attempt(number, 0), range(4))) == 1
        assert len(stored(records)) == 1
        assert all(pool.map(lambda number: attempt(number, None), range(8)))
    commands = stored(records)
    assert [each.number for each in commands] == list(range(1, 10))
    assert [each.state for each in commands] == ["withdrawn"] * 8 + ["pending"]
    (due,) = due_commands(records, NOW)
    note_published(records, due, REPEATS, NOW)
    assert record_answer(records, ASSET, due.command_id, accepted=True, words=None, now=NOW) == "recorded"
    assert record_answer(records, ASSET, due.command_id, accepted=True, words=None, now=NOW) == "repeated"


def test_of_several_writers_one_commands(sqlite_url: str, records: sa.Engine) -> None:
    """On SQLite."""
    check_writers(sqlite_url, records)


@pytest.mark.slow
def test_of_several_writers_one_commands_on_postgresql(postgres: PostgresServer) -> None:
    """On PostgreSQL."""
    url = postgres.make_database("twin_commands")
    engine = open_records(url)
    switch_commands(engine, on=True, now=NOW)
    check_writers(url, engine)


def test_answers(records: sa.Engine) -> None:
    """The first one counts and is an entry by the machine; of a command never given, or of another machine, none is."""
    send(records)
    (command,) = stored(records)
    arguments = {"accepted": False, "words": "door open", "now": NOW}
    assert record_answer(records, ASSET, "0" * 32, **arguments) == "unknown"
    assert record_answer(records, "cnc-02", command.command_id, **arguments) == "unknown"
    assert record_answer(records, ASSET, command.command_id, **arguments) == "recorded"
    assert record_answer(records, ASSET, command.command_id, accepted=True, words=None, now=NOW) == "repeated"
    (answer, asked) = read_log(records, ASSET)
    assert (answer.kind, answer.actor, answer.reason) == ("refused", ASSET, "door open")
    assert (answer.sequence, answer.revision) == (asked.number, asked.revision)
    (shown,) = latest_commands(records, ASSET, NOW + 2 * HOUR)
    assert (shown.state, shown.answer, shown.answered_at) == ("refused", "door open", NOW)


def test_what_nobody_answers_is_repeated_less_and_less_and_expires(records: sa.Engine) -> None:
    """Ten seconds, then twenty, then forty; what expired is not published, whether or not it was noted as expired."""
    send(records)
    published = []
    for second in range(0, 3700, 5):
        now = NOW + pd.Timedelta(seconds=second)
        for command in due_commands(records, now):
            published.append(second)
            note_published(records, command, REPEATS, now)
    assert published == [0, 10, 30, 70]
    assert latest_commands(records, ASSET, NOW + HOUR)[0].state == "expired"
    assert (expire_commands(records, NOW + HOUR), expire_commands(records, NOW + HOUR)) == (1, 0)
    assert states(records) == ["expired"]


class CommandMachine(RuleBasedStateMachine):
    """Writers, a publisher that is killed now and then, and a machine that answers late, twice, or never."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = open_records("sqlite://")
        self.now, self.revision = NOW, 0
        self.published: list[tuple[str, int]] = []  # identifier and number, in order
        self.kills = 0
        self.before: dict[str, str] = {}
        self.answered: dict[str, bool] = {}

    @initialize()
    def switch_on(self) -> None:
        switch_commands(self.engine, on=True, now=self.now)

    @rule(name=st.sampled_from([HEAT, LIMIT]), value=st.sampled_from([10.0, 60.0, None]), minutes=st.integers(1, 9))
    def write(self, name: str, value: float | None, minutes: int) -> None:
        source: Source = "command" if name == LIMIT else "manual_override"
        ends = pd.Timedelta(minutes=minutes)
        self.revision = send(self.engine, value, name, source=source, now=self.now, ends=ends).revision

    @rule()
    def go_back(self) -> None:
        self.revision = roll_back(self.engine, MILL, 0, actor="ada", reason="why", now=self.now).revision

    @rule(seconds=st.integers(-5, 200))
    def wait(self, seconds: int) -> None:
        self.now += pd.Timedelta(seconds=seconds)

    @rule(killed=st.booleans())
    def publish(self, killed: bool) -> None:
        for command in due_commands(self.engine, self.now):
            assert self.now < command.expires_at
            self.published.append((command.command_id, command.number))
            if killed:
                self.kills += 1
                return
            note_published(self.engine, command, REPEATS, self.now)

    @rule()
    def give_up(self) -> None:
        expire_commands(self.engine, self.now)

    @rule(data=st.data(), accepted=st.booleans())
    def answer(self, data: st.DataObject, accepted: bool) -> None:
        if self.published:
            identifier, _ = data.draw(st.sampled_from(self.published))
            outcome = record_answer(self.engine, ASSET, identifier, accepted=accepted, words=None, now=self.now)
            assert outcome == ("repeated" if identifier in self.answered else "recorded")
            self.answered.setdefault(identifier, accepted)

    @rule()
    def switch_off_and_on(self) -> None:
        switch_commands(self.engine, on=False, now=self.now)
        switch_commands(self.engine, on=True, now=self.now)

    @invariant()
    def states_follow_each_other(self) -> None:
        for each in stored(self.engine):
            before = self.before.get(each.command_id, "pending")
            assert each.state == before or each.state in self._reachable(before), (before, each.state)
            self.before[each.command_id] = each.state
            expected = self.answered.get(each.command_id)
            assert (each.state in ANSWERED) == (expected is not None)
            assert expected is None or each.state == ("acknowledged" if expected else "refused")

    @invariant()
    def no_command_is_published_too_often_or_behind_a_later_one(self) -> None:
        names = {each.command_id: each.property for each in stored(self.engine)}
        for identifier in names:
            assert sum(other == identifier for other, _ in self.published) <= 1 + REPEATS.most + self.kills
        for name in set(names.values()):
            numbers = [number for identifier, number in self.published if names[identifier] == name]
            assert numbers == sorted(numbers)

    @invariant()
    def answers_are_in_the_log_once_and_move_no_revision(self) -> None:
        log = read_log(self.engine, ASSET)
        numbers = {each.number for each in stored(self.engine) if each.state in ANSWERED}
        answers = [entry.sequence for entry in log if entry.kind in ANSWERED]
        assert sorted(answers) == sorted(numbers)
        assert not log or log[0].revision == self.revision
        open_names = [each.property for each in stored(self.engine) if each.state in OPEN]
        assert len(open_names) == len(set(open_names))

    def teardown(self) -> None:
        self.now += pd.Timedelta("2D")
        expire_commands(self.engine, self.now)
        assert not set(states(self.engine)) & set(OPEN)
        self.engine.dispose()

    @staticmethod
    def _reachable(state: str) -> set[str]:
        following = set(FOLLOWING[state])
        return following.union(*(FOLLOWING[each] for each in following)) if following else following


def test_the_law_of_commands() -> None:
    """Whatever happens in whatever order: nothing expired is published, the first answer counts, nothing stays open."""
    run_state_machine_as_test(
        CommandMachine,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
