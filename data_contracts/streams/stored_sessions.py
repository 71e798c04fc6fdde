"""The sessions of all assets as they are stored: which messages of a flush are new, and which transactions say so.

What of a session is stored is read from the transactions of the asset's table: the last number in order under
``<asset>/<epoch>``, and for each gap that is being filled the last number of it under
``<asset>/<epoch>@<last number of the gap>``. So rows and what is known of them are one commit.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pandas as pd

from data_contracts.streams.intervals import Interval, difference, union
from data_contracts.streams.messages import StreamMessage
from data_contracts.streams.sessions import (
    AssetSessions,
    SessionState,
    StreamGap,
    accept_message,
    accept_notice,
    identity_of,
    joined_late,
)

_REMEMBERED = 20_000  # assets; what is needed again is read again
_SESSIONS = 8  # of an asset; older ones are read again too
Key = tuple[str, str]
"""Table and asset."""


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
    sessions: dict[Key, AssetSessions] = field(default_factory=dict)
    gaps: list[StreamGap] = field(default_factory=list)
    transactions: dict[str, dict[str, int]] = field(default_factory=dict)  # by table, the last number of each stream


class StoredSessions:
    """The sessions of all assets, as far as they are stored."""

    def __init__(self, read_transaction: Callable[[str, str], int | None]) -> None:
        self._read = read_transaction
        self._known: OrderedDict[Key, AssetSessions] = OrderedDict()
        self._epochs: dict[str, set[int]] = {}
        self._recorded: dict[tuple[str, int], dict[int, int]] = {}  # gaps as rows: first number by last
        self._noticed_us: dict[tuple[str, int, int], int] = {}  # when a gap was, by asset, epoch and last number
        self._dropped: dict[tuple[str, int], list[Interval]] = {}
        self._written: set[StreamGap] = set()
        self._contested: set[tuple[str, int]] = set()  # sessions that another edge sends beside, by asset and epoch

    def note(self, gap: StreamGap, noticed: pd.Timestamp) -> None:
        """Know a gap that is stored."""
        self._written.add(identity_of(gap))
        if gap.from_sequence is None or gap.to_sequence is None:
            return
        key, last = (gap.asset, gap.epoch), gap.to_sequence
        self._epochs.setdefault(gap.asset, set()).add(gap.epoch)
        if gap.kind == "gap":
            own = self._recorded.setdefault(key, {})
            # What has been filled of it says its transaction, wherever it was seen to begin.
            own[last] = min(own.get(last, gap.from_sequence), gap.from_sequence)
            self._noticed_us.setdefault((*key, last), int(noticed.timestamp() * 1e6))
        if gap.kind == "two_edges":
            self._contested.add(key)
        if gap.kind == "edge_dropped":
            self._dropped.setdefault(key, []).append((gap.from_sequence, last))

    def is_noted(self, gap: StreamGap) -> bool:
        """Return whether a gap is stored already; two edges are noted once, not with every message."""
        if gap.kind == "two_edges":
            return (gap.asset, gap.epoch) in self._contested
        return identity_of(gap) in self._written

    def early(self, messages: Iterable[tuple[str, StreamMessage]]) -> Iterator[StreamMessage]:
        """Return the messages that would leave a gap before them, and what follows those of their assets."""
        last: dict[tuple[Key, int], int] = {}
        waiting: set[Key] = set()
        for table, message in messages:
            key, number = (table, message.asset), message.sequence
            state = self._read_once(key, message.epoch).sessions[message.epoch]
            before = max(state.last, last.get((key, message.epoch), -1))
            if number <= before:
                continue
            skips = number > before + 1 and difference(((before + 1, number - 1),), state.dropped)
            if key in waiting or skips:
                waiting.add(key)
                yield message
            else:
                last[key, message.epoch] = number

    def plan(self, messages: Iterable[tuple[str, StreamMessage]]) -> Plan:
        """Say which of some messages, with their tables and in the order they came, are to be stored."""
        plan, late = Plan(), dict[tuple[str, int], list[StreamGap]]()
        for table, message in messages:
            key = (table, message.asset)
            known = plan.sessions.get(key) or self._read_once(key, message.epoch)
            known = self._with_epoch(known, table, message.epoch)
            before = known.sessions[message.epoch]
            arrival = accept_message(known, message.epoch, message.sequence, *_event_times(message))
            if arrival.verdict == "duplicate":
                plan.duplicates.append((table, message))
                continue
            stream = f"{message.asset}/{message.epoch}"
            own = plan.transactions.setdefault(table, {})
            if arrival.verdict == "fills_gap":
                low, high = next(part for part in before.missing if part[0] <= message.sequence <= part[1])
                stream = f"{stream}@{high}"
                if low < message.sequence:
                    detail = "still missing after later messages came"
                    rest = StreamGap(message.asset, message.epoch, "gap", low, message.sequence - 1, detail=detail)
                    plan.gaps.append(rest)
            else:
                plan.gaps += self._begun(known, message, plan)
                # A gap that was noted before a kill, and whose messages come in order after all, is none.
                for last, first in self._recorded.get((message.asset, message.epoch), {}).items():
                    if first <= message.sequence <= last:
                        own[f"{stream}@{last}"] = message.sequence
            late.setdefault((message.asset, message.epoch), []).extend(r for r in arrival.rows if r.kind == "late")
            plan.gaps += [row for row in arrival.rows if row.kind != "late"]
            plan.sessions[key] = arrival.sessions
            plan.admitted.append(Admitted(message, table, stream))
            own[stream] = message.sequence
        for rows in late.values():
            plan.gaps += joined_late(rows)
        plan.gaps = [gap for gap in _once(plan.gaps) if not self.is_noted(gap)]
        return plan

    def accept(self, plan: Plan) -> None:
        """Take over the sessions of a plan that is stored."""
        for key, sessions in plan.sessions.items():
            newest = sorted(sessions.sessions)[-_SESSIONS:]
            kept = AssetSessions(sessions.asset)
            for epoch in newest:
                kept = kept.with_session(epoch, sessions.sessions[epoch])
            self._known[key] = kept if len(newest) < len(sessions.sessions) else sessions
            self._known.move_to_end(key)
            self._epochs.setdefault(key[1], set()).update(newest)
        self._drop_oldest()

    def forget(self) -> None:
        """Read all sessions again, as another process may have stored some of their messages."""
        self._known.clear()

    def take_notice(self, notice: StreamGap) -> tuple[StreamGap, ...]:
        """Return the rows of what an edge says it has lost that are not stored yet."""
        rows: tuple[StreamGap, ...] = (notice,)
        for key in [key for key in self._known if key[1] == notice.asset]:
            known = self._with_epoch(self._known[key], key[0], notice.epoch)
            arrival = accept_notice(known, notice)
            self._known[key], rows = arrival.sessions, arrival.rows
        return tuple(row for row in rows if not self.is_noted(row))

    def confirmed(self, table: str, asset: str, epoch: int, since_us: int) -> int:
        """Return the number up to which nothing is missing but what an edge has lost, or was noticed before a time."""
        state = self._read_once((table, asset), epoch).sessions[epoch]
        for low, high in state.missing:
            is_lost = any(first <= low and high <= last for first, last in state.dropped)
            if not is_lost and self._noticed_us.get((asset, epoch, high), since_us + 1) > since_us:
                return low - 1
        return state.last

    def _read_once(self, key: Key, epoch: int) -> AssetSessions:
        """Return an asset's sessions, that epoch's among them, and remember them: its other messages need them too."""
        known = self._asset(key)
        if key not in self._known or epoch not in known.sessions:
            known = self._known[key] = self._with_epoch(known, key[0], epoch)
            self._drop_oldest()
        return known

    def _drop_oldest(self) -> None:
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _asset(self, key: Key) -> AssetSessions:
        known = self._known.get(key)
        if known is None:
            known = AssetSessions(key[1])
            for epoch in sorted(self._epochs.get(key[1], ()))[-_SESSIONS:]:
                known = self._with_epoch(known, key[0], epoch)
        return known

    def _with_epoch(self, known: AssetSessions, table: str, epoch: int) -> AssetSessions:
        if epoch in known.sessions:
            return known
        return known.with_session(epoch, self._stored(table, known.asset, epoch))

    def _stored(self, table: str, asset: str, epoch: int) -> SessionState:
        last = self._read(table, f"{asset}/{epoch}")
        dropped = union(self._dropped.get((asset, epoch), []))
        if last is None:
            return SessionState(dropped=dropped)
        missing = []
        for end, noted in self._recorded.get((asset, epoch), {}).items():
            filled = self._read(table, f"{asset}/{epoch}@{end}")
            first = noted if filled is None else max(noted, filled + 1)
            # A gap that was noted before a kill, whose next message never got stored, will be noticed again.
            if first <= end < last:
                missing.append((first, end))
        # Of a gap that was filled in its middle, the rest is a row of its own; what is filled is in neither.
        return SessionState(last, _apart(missing), dropped)

    def _begun(self, known: AssetSessions, message: StreamMessage, plan: Plan) -> list[StreamGap]:
        """Return the row of an asset's very first session; those of further ones follow from it."""
        has_sessions = any(state.last >= 0 for state in known.sessions.values())
        noted = self._epochs.get(message.asset, set()) - {message.epoch}
        if has_sessions or noted or any(gap.asset == message.asset and gap.kind == "start" for gap in plan.gaps):
            return []
        first, _ = _event_times(message)
        start = StreamGap(message.asset, message.epoch, "start", message.sequence, message.sequence, None, first)
        return [start]


def _apart(intervals: list[Interval]) -> tuple[Interval, ...]:
    """Return gaps in order, each number in the gap that was noted last: the one with the lower end."""
    apart: list[Interval] = []
    for low, high in sorted(intervals, key=lambda each: each[1]):
        first = max(low, apart[-1][1] + 1) if apart else low
        if first <= high:
            apart.append((first, high))
    return tuple(apart)


def _once(gaps: Iterable[StreamGap]) -> Iterator[StreamGap]:
    """Return gaps without repetitions, of two edges only the first message in which they were seen."""
    contested = set[tuple[str, int]]()
    for gap in dict.fromkeys(gaps):
        if gap.kind != "two_edges" or (gap.asset, gap.epoch) not in contested:
            yield gap
        if gap.kind == "two_edges":
            contested.add((gap.asset, gap.epoch))


def _event_times(message: StreamMessage) -> tuple[int | None, int | None]:
    """Return the event times of the first and last row in microseconds; None without rows."""
    times = message.rows.column(0)
    return (times[0].value, times[len(times) - 1].value) if len(times) else (None, None)
