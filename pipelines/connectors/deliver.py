"""Delivery of what waits in the outbox by one channel: in order per subject, again and again until it is settled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pandas as pd

from data_contracts.records.outbox.outbox import (
    Due,
    due_events,
    forget_settled,
    note_delivered,
    note_failed,
    note_silenced,
    open_channel,
)
from data_contracts.records.outbox.outbox_records import OutboxEvent
from pipelines.connectors.channel_settings import Channel
from pipelines.connectors.webhook import RefusedError, SilencedError, TryAgainError

Records = Any
"""The engine that `data_contracts.records.records.open_records` gives; its library is named in that folder only."""
WITHHELD = (
    "nothing is delivered, as this workspace was copied, moved or restored, and its original may still deliver. Once "
    "that is out of use, run `forewarn twins take-over`"
)
_BATCH = 100
_FIRST_PAUSE = pd.Timedelta(seconds=1)
_MOST_IN_A_ROW = 3
"""So many failures one after another mean that the receiver is down, not that it dislikes an event."""


class Target(Protocol):
    """Where events go."""

    def send(self, event: OutboxEvent, number: int) -> None:
        """Send one event; `TryAgainError`, `RefusedError` or `SilencedError` unless it was taken."""


class Stop(Protocol):
    """Asks whether to stop."""

    def is_set(self) -> bool:
        """Return whether to stop."""


@dataclass(frozen=True)
class DeliverResult:
    """What one delivery did."""

    channel: str
    delivered: int = 0
    retrying: int = 0
    dead: int = 0
    problem: str = ""  # the last one
    withheld: bool = False  # as another workspace delivers by the channel, of which this is a copy
    silenced: int = 0  # alarms that somebody has silenced, so that they went to nobody
    held: int = 0  # what waits for quiet hours to end, for more to follow, or for the next attempt
    held_until: pd.Timestamp | None = None  # until then nothing goes out, unless something happens

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return vars(self) | {"held_until": None if self.held_until is None else self.held_until.isoformat()}

    @property
    def sentence(self) -> str:
        """Return it in words."""
        if self.withheld:
            return f"{self.channel}: {WITHHELD}"
        words = f"{self.channel}: {self.delivered:,} delivered"
        words += f", {self.retrying:,} to be tried again" if self.retrying else ""
        words += f", {self.dead:,} dead letters" if self.dead else ""
        words += f", {self.silenced:,} silenced" if self.silenced else ""
        words += f", {self.held:,} held" if self.held else ""
        words += f" until {self.held_until:%Y-%m-%d %H:%M:%S} UTC" if self.held_until is not None else ""
        return f"{words} ({self.problem})" if self.problem else words

    def and_then(self, other: "DeliverResult") -> "DeliverResult":
        """Return what this delivery and a later one by the same channel did; attempts that failed count each time."""
        counts = {
            name: getattr(self, name) + getattr(other, name) for name in ("delivered", "retrying", "dead", "silenced")
        }
        problem = other.problem or self.problem
        now = {name: getattr(other, name) for name in ("withheld", "held", "held_until")}
        return replace(self, problem=problem, **now, **counts)


def deliver(
    records: Records,
    name: str,
    channel: Channel,
    target: Target,
    kinds: Sequence[str],
    *,
    clock: Callable[[], pd.Timestamp],
    stopping: Stop,
) -> DeliverResult:
    """Send what is due by a channel, until nothing is, the receiver is down or `stopping` is set."""
    open_channel(records, name, clock())
    done, in_a_row = DeliverResult(name), 0
    while in_a_row < _MOST_IN_A_ROW:
        batch = due_events(records, name, kinds, clock(), _BATCH)
        if not batch:
            break
        for due in batch:
            if stopping.is_set() or in_a_row >= _MOST_IN_A_ROW:
                return done
            done, taken = _attempt(records, name, channel, target, due, clock, done)
            in_a_row = 0 if taken else in_a_row + 1
    forget_settled(records, name, kinds, clock())
    return done


def _attempt(
    records: Records,
    name: str,
    channel: Channel,
    target: Target,
    due: Due,
    clock: Callable[[], pd.Timestamp],
    done: DeliverResult,
) -> tuple[DeliverResult, bool]:
    """Send one event and note what came of it; return whether the receiver answered for good, or was not asked."""
    try:
        target.send(due.event, due.number)
    except SilencedError as error:
        note_silenced(records, name, due, clock(), why=str(error))
        return replace(done, silenced=done.silenced + 1), True
    except RefusedError as error:
        note_failed(records, name, due, clock(), problem=str(error), again_at=None)
        return replace(done, dead=done.dead + 1, problem=str(error)), True
    except TryAgainError as error:
        now = clock()
        again_at = now + max(error.settle, pause_after(due.attempts, channel.longest_pause, error.after_s))
        # Of an attempt that may yet take effect the end is awaited.
        given_up = not error.settle and again_at > due.event.at + channel.give_up_after
        note_failed(records, name, due, now, problem=str(error), again_at=None if given_up else again_at)
        dead, retrying = done.dead + given_up, done.retrying + (not given_up)
        return replace(done, dead=dead, retrying=retrying, problem=str(error)), False
    note_delivered(records, name, due, clock())
    return replace(done, delivered=done.delivered + 1), True


def pause_after(attempts: int, longest: pd.Timedelta, asked_s: float | None = None) -> pd.Timedelta:
    """Return how long to wait after some failed attempts before this one: doubled each time, or what was asked for.

    Examples
    --------
    >>> hour = pd.Timedelta(hours=1)
    >>> [pause_after(n, hour).total_seconds() for n in (0, 1, 5, 50)]
    [1.0, 2.0, 32.0, 3600.0]
    """
    doubled: pd.Timedelta = min(longest, _FIRST_PAUSE * 2 ** min(attempts, 30))
    return doubled if asked_s is None else max(doubled, min(longest, pd.Timedelta(seconds=asked_s)))
