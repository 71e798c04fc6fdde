"""Delivery for as long as a process runs: what is wrong with one channel holds up no other, and is tried again."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pandas as pd

from data_contracts.errors import ForewarnError
from data_contracts.records.outbox.channel_counts import count_open
from data_contracts.records.outbox.event_kinds import KINDS
from data_contracts.records.outbox.outbox import newest_number
from data_contracts.records.records import BUSY_SECONDS
from data_contracts.records.records_handle import RecordsHandle
from data_contracts.table_events.follow_tables import add_table_events
from data_contracts.workspace import Workspace
from pipelines.connectors.channel_settings import Channel, channel_names, read_channel
from pipelines.connectors.deliver import DeliverResult, Stop
from pipelines.connectors.run_channels import OutboxRun, chosen_channels, deliver_by, present

SUPERVISOR_VARIABLE = "FOREWARN_SUPERVISOR"
"""The environment variable with the process with which this one ends, such as the endpoint that started it."""
_LOOK_EVERY_S = 1.0
_ROUNDS_PER_LOOK = 10  # at tables: in an object store each costs a request, and nobody needs a finding in a second
_ROUNDS_IDLE = 60  # then a channel without open events has its turn nevertheless, to look no longer at settled ones


class Waiting(Stop, Protocol):
    """Asks whether to stop, and waits."""

    def wait(self, timeout: float) -> bool:
        """Wait for so many seconds at most; return whether to stop."""


@dataclass(frozen=True)
class _Hold:
    """Until when a channel has nothing to do, as long as its file is the same and nothing more happens."""

    channel: Channel
    newest: int  # event, of any kind: an alarm that is silenced meanwhile is settled at once
    until: pd.Timestamp


@dataclass
class _Following:
    """What delivery by the channels has done so far."""

    workspace: Workspace
    stopping: Stop
    done: dict[str, DeliverResult] = field(default_factory=dict)
    holds: dict[str, _Hold] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)  # the last problem of each channel

    def __post_init__(self) -> None:
        """Keep a connection: opening one each second takes more than what is asked by it."""
        self._records = RecordsHandle(self.workspace.records_url, BUSY_SECONDS)

    def read_tables(self) -> None:
        """Write the events of what tables have stored."""
        try:
            add_table_events(self.workspace, self._records.engine(), present())
            self.say("", "")
        except ForewarnError as error:
            self.say("", str(error))

    def go_on(self, name: str, *, idle: bool) -> None:
        """Send what is due by a channel; `idle` if it may be skipped where nothing is open."""
        try:
            channel = read_channel(self.workspace.root, name)
            newest = newest_number(self._records.engine())  # before it is delivered: what comes meanwhile is newer
            if self._is_held(name, channel, newest) or (idle and not self._has_open(name, channel.kinds_of(KINDS))):
                return
            self.holds.pop(name, None)
            now = deliver_by(self.workspace, name, channel, self.stopping)
        except ForewarnError as error:
            self.say(name, f"{name}: {error}")
            return
        if now.held_until is not None:
            self.holds[name] = _Hold(channel, newest, now.held_until)
        self.say(name, now.sentence if now.withheld else "")
        self.done[name] = self.done.get(name, DeliverResult(name)).and_then(now)

    def say(self, what: str, problem: str) -> None:
        """Write a problem to stderr, once for as long as it lasts."""
        if problem and self.said.get(what) != problem:
            sys.stderr.write(f"{problem}\n")
        self.said[what] = problem

    def _is_held(self, name: str, channel: Channel, newest: int) -> bool:
        hold = self.holds.get(name)
        return hold is not None and (hold.channel, hold.newest) == (channel, newest) and present() < hold.until

    def _has_open(self, name: str, kinds: Sequence[str]) -> bool:
        counts = count_open(self._records.engine(), name, kinds)
        return counts is None or counts.waiting > 0


def follow_outbox(workspace: Workspace, names: Sequence[str] | None, *, stopping: Waiting) -> OutboxRun:
    """Send what is due by some channels, or all, again and again until `stopping` is set; return what was done.

    Files of channels are read again each time; they have to be right at the beginning only.
    """
    following, rounds = _Following(workspace, stopping), 0
    for name in chosen_channels(workspace, names):
        following.done[name] = DeliverResult(name)
    while not (stopping.is_set() or _is_left_alone()):
        if rounds % _ROUNDS_PER_LOOK == 0:
            following.read_tables()
        for name in channel_names(workspace.root) if names is None else names:
            following.go_on(name, idle=rounds % _ROUNDS_IDLE > 0)
        rounds += 1
        stopping.wait(_LOOK_EVERY_S)
    return OutboxRun(tuple(following.done.values()))


def _is_left_alone() -> bool:
    """Return whether the process with which this one is to end is gone."""
    parent = os.environ.get(SUPERVISOR_VARIABLE, "")
    return parent.isdecimal() and os.getppid() != int(parent)
