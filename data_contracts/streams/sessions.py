"""Edge sessions: which messages are new, which came before, and which are missing.

A session is an asset's messages since its edge began (its epoch), numbered from 0. What of it is stored is read from
the transactions of the asset's table: the last number in order under ``<asset>/<epoch>``, and for each gap that is
being filled the last number of it under ``<asset>/<epoch>@<last number of the gap>``.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from data_contracts.streams.messages import StreamMessage
from data_contracts.streams.stream_gaps import StreamGap

_REMEMBERED = 20_000  # sessions; one that is needed again is read again


@dataclass(frozen=True)
class OpenGap:
    """Messages that are missing so far."""

    first: int
    last: int
    noticed_us: int

    @property
    def messages(self) -> int:
        """Return how many."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Session:
    """What is stored of an edge session."""

    last: int = -1  # the highest number
    gaps: tuple[OpenGap, ...] = ()  # in order
    last_event_us: int | None = None  # of the last message in order

    def confirmed(self, since_us: int) -> int:
        """Return the number up to which nothing is missing but what has been missing since before a time."""
        waiting = [gap.first for gap in self.gaps if gap.noticed_us > since_us]
        return min([self.last, *(first - 1 for first in waiting)])


Key = tuple[str, str, int]
"""Table, asset and epoch."""


@dataclass(frozen=True)
class Admitted:
    """A message to be stored, and the transaction that says so."""

    message: StreamMessage
    table: str
    stream: str  # id of the transaction


@dataclass
class Plan:
    """What of some messages is new, and the sessions once it is stored."""

    admitted: list[Admitted] = field(default_factory=list)
    duplicates: list[tuple[str, StreamMessage]] = field(default_factory=list)  # with their tables
    sessions: dict[Key, Session] = field(default_factory=dict)
    gaps: list[StreamGap] = field(default_factory=list)
    transactions: dict[str, dict[str, int]] = field(default_factory=dict)  # by table, the last number of each stream


class Sessions:
    """The sessions of all assets, as far as they are stored."""

    def __init__(self, read_transaction: Callable[[str, str], int | None], gaps: pd.DataFrame) -> None:
        self._read = read_transaction
        self._states: OrderedDict[Key, Session] = OrderedDict()
        self._epochs: dict[str, set[int]] = {}
        self._recorded: dict[tuple[str, int], dict[int, OpenGap]] = {}
        self._written: set[tuple[str, int, int, int, str]] = set()
        columns = ("asset", "epoch", "from_sequence", "to_sequence", "kind", "known_time")
        for asset, epoch, first, last, kind, noticed in zip(*(gaps[name].tolist() for name in columns), strict=True):
            self.note(StreamGap(asset, epoch, first, last, kind, noticed))

    def note(self, gap: StreamGap) -> None:
        """Know a gap that is stored."""
        self._written.add(gap.identity)
        self._epochs.setdefault(gap.asset, set()).add(gap.epoch)
        if gap.kind == "gap":
            own, noticed_us = self._recorded.setdefault((gap.asset, gap.epoch), {}), int(gap.noticed.timestamp() * 1e6)
            before = own.get(gap.to_sequence)
            # What has been filled of it says its transaction, wherever it was seen to begin.
            first = gap.from_sequence if before is None else min(before.first, gap.from_sequence)
            own[gap.to_sequence] = OpenGap(first, gap.to_sequence, noticed_us)

    def is_noted(self, gap: StreamGap) -> bool:
        """Return whether a gap is stored already."""
        return gap.identity in self._written

    def session(self, key: Key) -> Session:
        """Return what is stored of a session."""
        state = self._states.get(key)
        return self._stored(key) if state is None else state

    def plan(self, messages: Iterable[tuple[str, StreamMessage]], now: pd.Timestamp) -> Plan:
        """Say which of some messages, with their tables and in the order they came, are to be stored."""
        plan, late = Plan(), dict[tuple[Key, int], list[int]]()
        for table, message in messages:
            key = (table, message.asset, message.epoch)
            session = plan.sessions.get(key) or self.session(key)
            if session.last < 0 and not session.gaps:
                plan.gaps += self._begun(key, message, now, plan)
            number, stream = message.sequence, f"{message.asset}/{message.epoch}"
            if number > session.last:
                if number > session.last + 1:
                    gap = self._missing(session, message, now)
                    plan.gaps.append(gap)
                    opened = OpenGap(gap.from_sequence, gap.to_sequence, int(now.timestamp() * 1e6))
                    session = replace(session, gaps=(*session.gaps, opened))
                # A gap that was noted before a kill, and whose messages come in order after all, is none.
                for gap_noted in self._recorded.get(key[1:], {}).values():
                    if gap_noted.first <= number <= gap_noted.last:
                        plan.transactions.setdefault(table, {})[f"{stream}@{gap_noted.last}"] = number
                session = replace(session, last=number, last_event_us=_last_event(message) or session.last_event_us)
            else:
                gap_filled = next((gap for gap in session.gaps if gap.first <= number <= gap.last), None)
                if gap_filled is None:
                    plan.duplicates.append((table, message))
                    continue
                stream = f"{stream}@{gap_filled.last}"
                late.setdefault((key, gap_filled.last), []).append(number)
                session = _filled(session, gap_filled, number)
                if number > gap_filled.first:
                    rest = StreamGap(
                        *(message.asset, message.epoch, gap_filled.first, number - 1, "gap", now),
                        detail="still missing after later messages came",
                    )
                    plan.gaps.append(rest)
            plan.sessions[key] = session
            plan.admitted.append(Admitted(message, table, stream))
            plan.transactions.setdefault(table, {})[stream] = number
        plan.gaps += [
            StreamGap(key[1], key[2], min(numbers), max(numbers), "late", now, detail=f"{len(numbers)} messages")
            for (key, _), numbers in late.items()
        ]
        plan.gaps = [gap for gap in dict.fromkeys(plan.gaps) if gap.identity not in self._written]
        return plan

    def accept(self, plan: Plan) -> None:
        """Take over the sessions of a plan that is stored."""
        for key, session in plan.sessions.items():
            self._states[key] = session
            self._states.move_to_end(key)
            self._epochs.setdefault(key[1], set()).add(key[2])
        while len(self._states) > _REMEMBERED:
            self._states.popitem(last=False)

    def forget(self) -> None:
        """Read all sessions again, as another process may have stored some of their messages."""
        self._states.clear()

    def close_gaps(self, asset: str, epoch: int, first: int, last: int) -> None:
        """Wait no longer for messages that an edge says are lost; should they come, they are stored nevertheless."""
        for key, session in list(self._states.items()):
            if key[1:] == (asset, epoch):
                gaps = tuple(
                    replace(gap, noticed_us=0) if first <= gap.first and gap.last <= last else gap
                    for gap in session.gaps
                )
                self._states[key] = replace(session, gaps=gaps)

    def _stored(self, key: Key) -> Session:
        table, asset, epoch = key
        last = self._read(table, f"{asset}/{epoch}")
        gaps = []
        for gap in sorted(self._recorded.get((asset, epoch), {}).values(), key=lambda gap: gap.last):
            filled = self._read(table, f"{asset}/{epoch}@{gap.last}")
            first = gap.first if filled is None else filled + 1
            # A gap that was noted before a kill, whose next message never got stored, will be noticed again.
            if first <= gap.last and last is not None and gap.last < last:
                gaps.append(replace(gap, first=first))
        return Session(-1 if last is None else last, tuple(gaps))

    def _begun(self, key: Key, message: StreamMessage, now: pd.Timestamp, plan: Plan) -> list[StreamGap]:
        _, asset, epoch = key
        known = self._epochs.get(asset, set()) | {each[2] for each in plan.sessions if each[1] == asset}
        if epoch in known:
            return []
        first = _instant(_first_event(message))
        if not known:
            return [StreamGap(asset, epoch, message.sequence, message.sequence, "start", now, None, first)]
        detail = f"after the session {max(known)}" if max(known) < epoch else f"older than the session {max(known)}"
        return [StreamGap(asset, epoch, message.sequence, message.sequence, "restart", now, None, first, detail)]

    def _missing(self, session: Session, message: StreamMessage, now: pd.Timestamp) -> StreamGap:
        return StreamGap(
            *(message.asset, message.epoch, session.last + 1, message.sequence - 1, "gap", now),
            first_event_time=_instant(session.last_event_us),
            last_event_time=_instant(_first_event(message)),
        )


def _filled(session: Session, gap: OpenGap, number: int) -> Session:
    parts: Sequence[OpenGap] = (replace(gap, last=number - 1), replace(gap, first=number + 1))
    rest = [part for part in parts if part.messages > 0]
    return replace(session, gaps=tuple(each for old in session.gaps for each in (rest if old is gap else [old])))


def _first_event(message: StreamMessage) -> int | None:
    return _event(message, 0)


def _last_event(message: StreamMessage) -> int | None:
    return _event(message, message.rows.num_rows - 1)


def _event(message: StreamMessage, place: int) -> int | None:
    """Return the event time of a row in microseconds; None without rows."""
    value = message.rows.column(0)[place].value if message.rows.num_rows else None
    return None if value is None else int(value)


def _instant(microseconds: int | None) -> pd.Timestamp | None:
    return None if microseconds is None else pd.Timestamp(microseconds, unit="us", tz="UTC").as_unit("us")
