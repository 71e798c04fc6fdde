"""Sequences of messages, by asset and edge session: what is new, a duplicate or fills a gap; pure, one message a call.

An edge session is known by its epoch; within it messages count 0, 1, 2, ... What was skipped is an open gap, a row of
`stream_gaps`; a message that arrives later all the same is accepted once, and closes its part with a row "late".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from data_contracts.streams.intervals import Interval, Intervals, contains, difference, intersection, union

Verdict = Literal["new", "duplicate", "fills_gap"]
GapKind = Literal["start", "restart", "gap", "late", "edge_dropped", "agent_buffer", "two_edges"]


@dataclass(frozen=True)
class StreamGap:
    """A row of `stream_gaps`: something missing from a stream, found again, or a new beginning."""

    asset: str
    epoch: int
    kind: GapKind
    from_sequence: int | None = None  # None where what is missing was never numbered
    to_sequence: int | None = None  # inclusive
    first_event_time: int | None = None  # microseconds since 1970, around or in the gap as far as known
    last_event_time: int | None = None
    detail: str = ""


@dataclass(frozen=True)
class SessionState:
    """What is stored of one edge session: all up to `last` but what is missing."""

    last: int = -1
    missing: Intervals = ()  # open gaps up to `last`
    dropped: Intervals = ()  # of what is missing or comes after `last`, what the edge said it no longer has
    last_event_time: int | None = None  # of the rows of message `last`, in microseconds


@dataclass(frozen=True)
class AssetSessions:
    """The edge sessions of one asset that are known, by epoch."""

    asset: str
    sessions: Mapping[int, SessionState] = field(default_factory=lambda: MappingProxyType({}))

    def with_session(self, epoch: int, state: SessionState) -> "AssetSessions":
        """Return these with a session as it is stored, such as after a restart of the listener."""
        return replace(self, sessions=MappingProxyType({**self.sessions, epoch: state}))


@dataclass(frozen=True)
class Arrival:
    """What a message, or a notice of the edge, changes."""

    sessions: AssetSessions
    verdict: Verdict | None  # None for a notice
    rows: tuple[StreamGap, ...] = ()


def accept_message(
    known: AssetSessions,
    epoch: int,
    sequence: int,
    first_event_time: int | None = None,
    last_event_time: int | None = None,
) -> Arrival:
    """Fold one message into the sessions of its asset; event times are those of its rows, in microseconds.

    A session that is not among the known ones counts as new: if anything of it is stored, add that first.
    """
    state = known.sessions.get(epoch, SessionState())
    if sequence > state.last:
        rows = [
            *_restart(known, epoch, sequence, state),
            *_two_edges(known, epoch, sequence, state),
            *_skipped(known.asset, epoch, sequence, state, first_event_time),
        ]
        missing = (
            state.missing if sequence == state.last + 1 else union([*state.missing, (state.last + 1, sequence - 1)])
        )
        following = replace(state, last=sequence, missing=missing, last_event_time=last_event_time)
        verdict: Verdict = "new"
    elif contains(state.missing, sequence):
        rows = []
        following = replace(state, missing=difference(state.missing, ((sequence, sequence),)))
        verdict = "fills_gap"
    else:
        return Arrival(known, "duplicate")
    if verdict == "fills_gap" or contains(state.dropped, sequence):
        following = replace(following, dropped=difference(state.dropped, ((sequence, sequence),)))
        rows.append(StreamGap(known.asset, epoch, "late", sequence, sequence, first_event_time, last_event_time))
    return Arrival(known.with_session(epoch, following), verdict, tuple(rows))


def accept_notice(known: AssetSessions, notice: StreamGap) -> Arrival:
    """Fold in what the edge says is missing; of what it dropped only that is a row which is not stored all the same."""
    if notice.from_sequence is None or notice.to_sequence is None:
        return Arrival(known, None, (notice,))
    state = known.sessions.get(notice.epoch, SessionState())
    lost = intersection(
        (*state.missing, (state.last + 1, notice.to_sequence)), notice.from_sequence, notice.to_sequence
    )
    lost = difference(union(lost), state.dropped)
    if not lost:
        return Arrival(known, None)
    following = replace(state, dropped=union([*state.dropped, *lost]))
    rows = tuple(replace(notice, from_sequence=low, to_sequence=high) for low, high in lost)
    return Arrival(known.with_session(notice.epoch, following), None, rows)


def restored_session(last: int, epoch: int, rows: Iterable[StreamGap]) -> SessionState:
    """Return a session from its last stored sequence and the asset's rows of `stream_gaps`, in any order."""
    of_kind: dict[GapKind, list[Interval]] = {"gap": [], "edge_dropped": [], "late": []}
    for row in rows:
        if row.epoch == epoch and row.kind in of_kind and row.from_sequence is not None and row.to_sequence is not None:
            of_kind[row.kind].append((row.from_sequence, row.to_sequence))
    arrived = union(of_kind["late"])
    dropped = difference(union(of_kind["edge_dropped"]), arrived)
    missing = difference(union([*of_kind["gap"], *of_kind["edge_dropped"]]), arrived)
    return SessionState(last, intersection(missing, 0, last), dropped)


def identity_of(gap: StreamGap) -> StreamGap:
    """Return what makes two rows the same: where messages are numbered, not the times around them."""
    return gap if gap.from_sequence is None else replace(gap, first_event_time=None, last_event_time=None, detail="")


def joined_late(rows: Iterable[StreamGap]) -> list[StreamGap]:
    """Return late messages that follow each other as one row."""
    joined: list[StreamGap] = []
    for row in sorted(rows, key=lambda each: each.from_sequence or 0):
        before = joined[-1] if joined else None
        if before is not None and (before.to_sequence or 0) + 1 == row.from_sequence:
            joined[-1] = replace(before, to_sequence=row.to_sequence, last_event_time=row.last_event_time)
        else:
            joined.append(row)
    return joined


def _restart(known: AssetSessions, epoch: int, sequence: int, state: SessionState) -> list[StreamGap]:
    """Return the row of a session that begins beside others."""
    others = [other for other, session in known.sessions.items() if session.last >= 0 and other != epoch]
    if state.last >= 0 or not others:
        return []
    newest = max(others)
    detail = f"after session {newest}" if epoch > newest else f"an earlier session than {newest}"
    return [StreamGap(known.asset, epoch, "restart", sequence, sequence, detail=detail)]


def _two_edges(known: AssetSessions, epoch: int, sequence: int, state: SessionState) -> list[StreamGap]:
    """Return the row of a session that goes on although a later one has begun: an edge ends one before the next."""
    newest = max((other for other, session in known.sessions.items() if session.last >= 0), default=epoch)
    if state.last < 0 or newest <= epoch:
        return []
    detail = f"session {newest} sends at the same time: two edges publish this asset"
    return [StreamGap(known.asset, epoch, "two_edges", sequence, sequence, detail=detail)]


def _skipped(
    asset: str, epoch: int, sequence: int, state: SessionState, first_event_time: int | None
) -> list[StreamGap]:
    """Return a row for each part that a message skips and that the edge has not accounted for."""
    if sequence == state.last + 1:
        return []
    parts = difference(((state.last + 1, sequence - 1),), state.dropped)
    return [StreamGap(asset, epoch, "gap", low, high, state.last_event_time, first_event_time) for low, high in parts]
