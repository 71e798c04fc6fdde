"""Commands to machines in SQL, from the entry that asks for one to the machine's answer.

A command is written in one transaction with its entry, so that neither is ever without the other. It is published,
then noted as sent: a listener that is killed in between publishes it once more, under the same identifier.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.records import insert_records, storage_errors
from data_contracts.records.twin_records import TwinCommand, TwinEntry
from data_contracts.twin_state.command_states import (
    ACKNOWLEDGED,
    ANSWERED,
    EXPIRED,
    OPEN,
    PENDING,
    REFUSED,
    SENT,
    WITHDRAWN,
)
from data_contracts.twin_state.command_switch import are_published
from data_contracts.twin_state.command_switch import switch_commands as switch_commands
from data_contracts.twin_state.log import LogView, append
from data_contracts.twin_state.state_types import COMMAND, OVERRIDE, RELEASE, ROLL_BACK, SET, SET_POINT, Twin

_COMMANDS = TwinCommand.table
_KINDS: Final[Mapping[str, str]] = {SET: SET, ROLL_BACK: SET, RELEASE: RELEASE, SET_POINT: SET_POINT}
_WITHOUT_END = pd.Timedelta(days=1)  # for an override that never ends
_MOST_AT_ONCE = 500
Outcome = Literal["recorded", "repeated", "unknown"]


@dataclass(frozen=True)
class Repeats:
    """When a command without an answer is sent again: after `first`, then twice as long each time."""

    first: pd.Timedelta
    most: int


def note_commands(connection: sa.Connection, view: LogView, entries: Sequence[TwinEntry], *, twin: Twin) -> None:
    """Write the commands of new entries, in their transaction; what is open about the same properties is withdrawn."""
    commanding = [entry for entry in entries if entry.rejection is None and entry.kind in _KINDS]
    if not commanding or not are_published(connection):
        return
    for entry in commanding:
        own = (_COMMANDS.c.asset == entry.asset, _COMMANDS.c.property == entry.property)
        connection.execute(sa.update(_COMMANDS).where(*own, _COMMANDS.c.state.in_(OPEN)).values(state=WITHDRAWN))
        insert_records(connection, [_command(entry, twin, view)])


def expire_commands(engine: sa.Engine, now: pd.Timestamp) -> int:
    """Give up what has not been answered in time; return how many that are."""
    late = (_COMMANDS.c.state.in_(OPEN), _COMMANDS.c.expires_at <= now)
    with storage_errors(engine), engine.begin() as connection:
        # Most of the time there are none: looking does not lock the database.
        if connection.execute(sa.select(_COMMANDS.c.command_id).where(*late).limit(1)).first() is None:
            return 0
        return connection.execute(sa.update(_COMMANDS).where(*late).values(state=EXPIRED)).rowcount


def due_commands(engine: sa.Engine, now: pd.Timestamp) -> list[TwinCommand]:
    """Return what is to be published now, the oldest first; nothing that has expired."""
    due = (_COMMANDS.c.state.in_(OPEN), _COMMANDS.c.due_at <= now, _COMMANDS.c.expires_at > now)
    order = (_COMMANDS.c.issued_at, _COMMANDS.c.asset, _COMMANDS.c.number)
    with storage_errors(engine), engine.connect() as connection:
        rows = connection.execute(sa.select(_COMMANDS).where(*due).order_by(*order).limit(_MOST_AT_ONCE))
        return [TwinCommand(**row) for row in rows.mappings()]


def note_published(engine: sa.Engine, command: TwinCommand, repeats: Repeats, now: pd.Timestamp) -> None:
    """Note that a command was published, and when it is due again."""
    attempts = command.attempts + 1
    again = attempts <= repeats.most
    due_at = min(now + repeats.first * 2 ** (attempts - 1), command.expires_at) if again else command.expires_at
    state = sa.case((_COMMANDS.c.state == PENDING, SENT), else_=_COMMANDS.c.state)
    change = sa.update(_COMMANDS).where(_COMMANDS.c.command_id == command.command_id)
    with storage_errors(engine), engine.begin() as connection:
        connection.execute(change.values(state=state, attempts=attempts, sent_at=now, due_at=due_at))


def record_answer(
    engine: sa.Engine, asset: str, command_id: str, *, accepted: bool, words: str | None, now: pd.Timestamp
) -> Outcome:
    """Record a machine's answer, in its log too; the first one counts. "unknown" if it was never asked that."""
    with storage_errors(engine), engine.connect() as connection:
        row = connection.execute(sa.select(_COMMANDS).where(_COMMANDS.c.command_id == command_id)).mappings().first()
    if row is None or row["asset"] != asset:
        return "unknown"
    command, state = TwinCommand(**row), ACKNOWLEDGED if accepted else REFUSED

    def entry(view: LogView) -> list[TwinEntry]:
        return [_answer(command, view, state, words, now)]

    def close(connection: sa.Connection, _: LogView, __: Sequence[TwinEntry]) -> None:
        own = (_COMMANDS.c.command_id == command_id, _COMMANDS.c.state.not_in(ANSWERED))
        change = sa.update(_COMMANDS).where(*own).values(state=state, answered_at=now, answer=words)
        if not connection.execute(change).rowcount:
            raise _AnsweredBeforeError

    try:
        append(engine, asset, entry, expected=None, beside=close)
    except _AnsweredBeforeError:
        return "repeated"
    return "recorded"


def latest_commands(engine: sa.Engine, asset: str, now: pd.Timestamp) -> tuple[TwinCommand, ...]:
    """Return the last command about each property of an asset, by name, with the state that it is in by now."""
    own = _COMMANDS.c.asset == asset
    last = sa.select(sa.func.max(_COMMANDS.c.number)).where(own).group_by(_COMMANDS.c.property)
    statement = sa.select(_COMMANDS).where(own, _COMMANDS.c.number.in_(last)).order_by(_COMMANDS.c.property)
    with storage_errors(engine), engine.connect() as connection:
        commands = [TwinCommand(**row) for row in connection.execute(statement).mappings()]
    return tuple(replace(each, state=EXPIRED) if _is_over(each, now) else each for each in commands)


def _is_over(command: TwinCommand, now: pd.Timestamp) -> bool:
    return command.state in OPEN and command.expires_at <= now


def _command(entry: TwinEntry, twin: Twin, view: LogView) -> TwinCommand:
    kind = RELEASE if entry.value is None else _KINDS[entry.kind]
    column = None if twin.contract is None else twin.contract.column(entry.property) or twin.settable(entry.property)
    return TwinCommand(
        command_id=uuid.uuid4().hex,
        asset=entry.asset,
        number=entry.number,
        revision=entry.revision,
        property=entry.property,
        kind=kind,
        value=entry.value,
        unit=None if column is None else column.unit,
        plant=twin.plant,
        event_time=entry.event_time,
        issued_at=entry.known_time,
        expires_at=_end(entry, view),
        state=PENDING,
        attempts=0,
        due_at=entry.known_time,
        sent_at=None,
        answered_at=None,
        answer=None,
    )


def _end(entry: TwinEntry, view: LogView) -> pd.Timestamp:
    """Return when a command is worth nothing any more: of a release, when the override would have ended by itself."""
    ended = view.newest.get((entry.property, OVERRIDE))
    end = ended.expires_at if entry.value is None and ended is not None else entry.expires_at
    return entry.known_time + _WITHOUT_END if end is None else end


def _answer(command: TwinCommand, view: LogView, kind: str, words: str | None, now: pd.Timestamp) -> TwinEntry:
    known = view.known_time(now)
    return TwinEntry(
        asset=command.asset,
        number=0,
        revision=view.head.revision,
        property=command.property,
        kind=kind,
        source=COMMAND,
        value=command.value,
        event_time=known,
        known_time=known,
        expires_at=None,
        actor=command.asset,
        reason=words,
        epoch=None,
        sequence=command.number,
        restores=None,
        rejection=None,
    )


class _AnsweredBeforeError(Exception):
    """The machine has answered already."""
