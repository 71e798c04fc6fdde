"""Sequences of messages, by asset and edge session: what is new, a duplicate or fills a gap; pure, one message a call.

An edge session is known by its epoch; within it messages count 0, 1, 2, ... What was skipped is an open gap, a row of
`stream_gaps`; a message that arrives later all the same is accepted once, and closes its part with a row "late".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

Verdict = Literal["new", "duplicate", "fills_gap"]
GapKind = Literal["gap", "late", "restart", "edge_dropped", "agent_buffer"]
Interval = tuple[int, int]  # from and to a sequence, both inclusive


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
    missing: tuple[Interval, ...] = ()  # open gaps up to `last`, ascending, apart from each other
    dropped: tuple[Interval, ...] = ()  # beyond `last`, what the edge said it no longer has
    last_event_time: int | None = None  # of the latest row of message `last`, in microseconds


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
    sessions: AssetSessions,
    epoch: int,
    sequence: int,
    first_event_time: int | None = None,
    last_event_time: int | None = None,
) -> Arrival:
    """Fold one message into the sessions of its asset; event times are those of its rows, in microseconds.

    A session that is not among `sessions` counts as new: add it as it is stored before, if it is.
    """
    raise NotImplementedError


def accept_notice(sessions: AssetSessions, notice: StreamGap) -> Arrival:
    """Fold in what the edge says it dropped: only what has not been stored stays as a row, and is not a gap as well."""
    raise NotImplementedError


def restored_session(last: int, epoch: int, rows: Iterable[StreamGap]) -> SessionState:
    """Return a session from the last stored sequence, and the asset's rows of `stream_gaps` in the order stored."""
    raise NotImplementedError
