"""Transitions: what somebody wants a twin's properties to be, checked and appended to its log."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import pandas as pd
import sqlalchemy as sa

from data_contracts.errors import UsageError
from data_contracts.records.records import storage_errors
from data_contracts.records.twin_records import TwinEntry, Value
from data_contracts.twin_state.command_switch import are_published
from data_contracts.twin_state.commands import note_commands
from data_contracts.twin_state.fold import is_in_force, newest_entries
from data_contracts.twin_state.log import LogView, StaleRevisionError, append, read_log, read_message, read_view
from data_contracts.twin_state.rules import NOBODY_PUBLISHES, Rejection, first_rejection
from data_contracts.twin_state.state_types import (
    COMMAND,
    OVERRIDE,
    RELEASE,
    ROLL_BACK,
    SET,
    SET_POINT,
    SIMULATED,
    SIMULATION,
    Twin,
)

_KIND_OF = {SIMULATION: SIMULATED, COMMAND: SET_POINT}
Source = Literal["manual_override", "simulation", "command"]


@dataclass(frozen=True)
class Change:
    """What one property is to be."""

    property: str
    value: Value | None  # None ends an override
    expires_at: pd.Timestamp | None = None
    event_time: pd.Timestamp | None = None  # from when on it holds; now if None


@dataclass(frozen=True)
class Session:
    """Where a program is in what it sends: its session, in microseconds since 1970, and the number in it."""

    epoch: int
    sequence: int


@dataclass(frozen=True)
class Written:
    """What became of a transition: its entries, as they are in the log, and why they were rejected if they were."""

    asset: str
    revision: int  # of the state after it
    entries: tuple[TwinEntry, ...]
    rejections: Mapping[str, Rejection]  # by property, of those that break a rule themselves
    stored: bool = True  # False for a dry run, and where it had been stored before
    notes: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Return whether it counts: all of it, or nothing does."""
        return not self.rejections


def write(
    engine: sa.Engine,
    twin: Twin,
    changes: Sequence[Change],
    *,
    actor: str,
    reason: str | None,
    now: pd.Timestamp,
    source: Source = OVERRIDE,
    session: Session | None = None,
    expected: int | None = None,
    dry_run: bool = False,
) -> Written:
    """Append changes to a twin's log: accepted together, or, if one breaks a rule, rejected together.

    Of source "command" they are set-points: commands to its machine, and no part of the state.
    `StaleRevisionError` if the twin is not at the `expected` revision; nothing is stored then. What a program has sent
    before, by its `session`, is not stored twice.
    """

    def entries(view: LogView) -> Iterator[TwinEntry]:
        # Looked for whenever the log has grown: the same message may have come twice at once.
        if session is not None and (
            before := read_message(engine, twin.asset, source, session.epoch, session.sequence)
        ):
            raise _StoredBeforeError(before)
        known = view.known_time(now)
        for change in changes:
            yield TwinEntry(
                asset=twin.asset,
                number=0,
                revision=view.head.revision + 1,
                property=change.property,
                kind=_KIND_OF.get(source) or (RELEASE if change.value is None else SET),
                source=source,
                value=_plain(change, twin),
                event_time=change.event_time or known,
                known_time=known,
                expires_at=change.expires_at,
                actor=actor,
                reason=reason,
                epoch=None if session is None else session.epoch,
                sequence=None if session is None else session.sequence,
                restores=None,
                rejection=None,
            )

    if not changes:
        raise UsageError("no property to change", "at least one", "Name a property and its value")
    try:
        return _append(engine, twin, entries, expected=expected, dry_run=dry_run)
    except _StoredBeforeError as repeated:
        return _as_before(twin, repeated.entries)


def roll_back(
    engine: sa.Engine,
    twin: Twin,
    revision: int,
    *,
    actor: str,
    reason: str | None,
    now: pd.Timestamp,
    expected: int | None = None,
    dry_run: bool = False,
) -> Written:
    """Make the overrides what they were at a revision, as new entries; what sensors said is no part of it.

    Overrides of then that have expired since are not in force again; the notes name them.
    """
    notes: list[str] = []

    def entries(view: LogView) -> Iterator[TwinEntry]:
        known = view.known_time(now)
        notes.clear()
        if not 0 <= revision <= view.head.revision:
            raise UsageError(
                f"revision {revision} of {twin.asset}",
                f"one from 0 to {view.head.revision}",
                "See `forewarn twins log`",
            )
        then = newest_entries(read_log(engine, twin.asset, rejected=False, upto_revision=revision), known)
        for (name, source), newest in sorted(view.newest.items()):
            wanted = then.get((name, source))
            if source != OVERRIDE or wanted == newest:
                continue
            in_force = wanted is not None and is_in_force(wanted, known)
            if wanted is not None and wanted.value is not None and not in_force:
                notes.append(f"the override of {name} at revision {wanted.revision} has expired since")
            if not in_force and not is_in_force(newest, known):
                continue
            yield replace(
                newest if wanted is None else wanted,
                number=0,
                revision=view.head.revision + 1,
                kind=ROLL_BACK,
                value=wanted.value if wanted is not None and in_force else None,
                event_time=known,
                known_time=known,
                expires_at=wanted.expires_at if wanted is not None and in_force else None,
                actor=actor,
                reason=reason,
                restores=revision,
                epoch=None,
                sequence=None,
                rejection=None,
            )

    written = _append(engine, twin, entries, expected=expected, dry_run=dry_run)
    return replace(written, notes=tuple(notes))


def _append(
    engine: sa.Engine,
    twin: Twin,
    compose: Callable[[LogView], Iterator[TwinEntry]],
    *,
    expected: int | None,
    dry_run: bool,
) -> Written:
    rejections: dict[str, Rejection] = {}
    before = 0

    def checked(view: LogView) -> list[TwinEntry]:
        nonlocal before
        before = view.head.revision
        proposed = list(compose(view))
        rejections.clear()
        for entry in proposed:
            key = entry.property, entry.source
            rejection = first_rejection(entry, twin.contract, view.newest.get(key), view.last.get(key))
            if rejection is None and entry.kind == SET_POINT and not _publishes(engine):
                rejection = NOBODY_PUBLISHES
            if rejection is not None:
                rejections[entry.property] = rejection
        return [_rejected(entry, rejections, before) for entry in proposed] if rejections else proposed

    if dry_run:
        with storage_errors(engine), engine.connect() as connection:
            view = read_view(connection, twin.asset)
        if expected is not None and view.head.revision != expected:
            raise StaleRevisionError(twin.asset, expected, view.head.revision)
        stored = tuple(checked(view))
    else:
        noted = partial(note_commands, twin=twin)
        stored = append(engine, twin.asset, checked, expected=expected, beside=noted)
    revision = before if rejections or not stored else before + 1
    return Written(twin.asset, revision, stored, dict(rejections), stored=not dry_run)


def _rejected(entry: TwinEntry, rejections: Mapping[str, Rejection], revision: int) -> TwinEntry:
    """Return an entry of a transition that is rejected; if it is sound itself, then for the sake of another."""
    own = rejections.get(entry.property)
    others = f"{', '.join(sorted(rejections))} of the same transition was rejected"
    return replace(entry, revision=revision, rejection=others if own is None else str(own))


class _StoredBeforeError(Exception):
    def __init__(self, entries: Sequence[TwinEntry]) -> None:
        super().__init__()
        self.entries = entries


def _as_before(twin: Twin, entries: Sequence[TwinEntry]) -> Written:
    """Return what became of a message when it came first."""
    rejections = {
        entry.property: Rejection("value", entry.rejection, "what the rules allow")
        for entry in entries
        if entry.rejection is not None
    }
    note = f"message {entries[0].sequence} of session {entries[0].epoch} was stored before"
    return Written(twin.asset, entries[0].revision, tuple(entries), rejections, stored=False, notes=(note,))


def _publishes(engine: sa.Engine) -> bool:
    with storage_errors(engine), engine.connect() as connection:
        return are_published(connection)


def _plain(change: Change, twin: Twin) -> Value | None:
    """Return a change's value, a number as a float where the property's values are numbers."""
    own = None if twin.contract is None else twin.contract.column(change.property)
    column = own or twin.settable(change.property)
    if column is None or column.type != "number" or type(change.value) is not int:
        return change.value
    try:
        return float(change.value)
    except OverflowError:
        return math.inf
