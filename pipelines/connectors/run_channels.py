"""Delivery by the channels of a workspace."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError, UsageError
from data_contracts.records.leases import HeldLease, hold_lease, release_if_dead
from data_contracts.records.outbox.channel_counts import count_open
from data_contracts.records.outbox.channel_homes import claim_channel, take_over_channels
from data_contracts.records.outbox.event_kinds import KINDS
from data_contracts.records.records import open_records
from data_contracts.table_events.follow_tables import add_table_events
from data_contracts.twin_state.command_switch import commands_home
from data_contracts.workspace import Workspace
from pipelines.connectors.channel_settings import FOLDER, Channel, channel_names, read_channel
from pipelines.connectors.deliver import DeliverResult, Stop, Target, deliver
from pipelines.connectors.messages.deliver_messages import deliver_messages, open_people
from pipelines.connectors.sap.channels import sap_section
from pipelines.connectors.sap.target import open_sap
from pipelines.connectors.webhook import open_webhook

SOURCE_VARIABLE = "FOREWARN_EVENT_SOURCE"
"""The environment variable with the URI that events name as their source."""
_SOURCE = "/forewarn"
_LEASE_LIFE = pd.Timedelta(seconds=30)


@dataclass(frozen=True)
class OutboxRun:
    """What delivery by some channels did."""

    channels: tuple[DeliverResult, ...]

    @property
    def exit_status(self) -> int:
        """Return 1 if something could not go out."""
        return int(any(each.retrying or each.dead or each.withheld for each in self.channels))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"channels": [each.to_dict() for each in self.channels]}

    def __rich__(self) -> str:
        """Render a sentence for each channel."""
        return "\n".join(each.sentence for each in self.channels)


def deliver_all(workspace: Workspace, names: Sequence[str] | None, *, stopping: Stop) -> OutboxRun:
    """Send what is due by some channels, or all; `ModelError` where another process delivers by one of them."""
    channels = chosen_channels(workspace, names)
    add_table_events(workspace, open_records(workspace.records_url), present())
    return OutboxRun(tuple(deliver_by(workspace, name, channel, stopping) for name, channel in channels.items()))


def deliver_in_turn(workspace: Workspace, name: str, *, stopping: Stop) -> DeliverResult:
    """Send what is due by one channel; where another process is at it, as the endpoint may be, leave it to that."""
    try:
        return deliver_all(workspace, [name], stopping=stopping).channels[0]
    except ModelError as error:
        return DeliverResult(name, problem=str(error))


def take_over(workspace: Workspace) -> Mapping[str, int]:
    """Have this workspace deliver by the channels that it is a copy with; count what is now a dead letter of each."""
    kinds, now = channel_kinds(workspace), present()
    return take_over_channels(open_records(workspace.records_url), commands_home(workspace), kinds, now)


def channel_kinds(workspace: Workspace) -> Mapping[str, tuple[str, ...]]:
    """Return the kinds of events that go out by each channel."""
    root = workspace.root
    return {name: read_channel(root, name).kinds_of(KINDS) for name in channel_names(root)}


def longest_wait(workspace: Workspace) -> pd.Timedelta:
    """Return the longest time for which a channel tries to deliver an event; zero without channels."""
    root = workspace.root
    return max((read_channel(root, name).give_up_after for name in channel_names(root)), default=pd.Timedelta(0))


def channel_states(workspace: Workspace) -> list[dict[str, Any]]:
    """Return of each channel how many events wait and how many are dead letters; None before its first delivery."""
    records, home, states = open_records(workspace.records_url), commands_home(workspace), []
    for name, kinds in channel_kinds(workspace).items():
        counts = count_open(records, name, kinds)
        waiting, dead = (None, None) if counts is None else (counts.waiting, counts.dead)
        withheld = counts is not None and counts.home not in (None, home)
        states.append({"channel": name, "waiting": waiting, "dead": dead, "withheld": withheld})
    return states


def chosen_channels(workspace: Workspace, names: Sequence[str] | None) -> Mapping[str, Channel]:
    """Read the files of the channels before anything is sent."""
    chosen = channel_names(workspace.root) if names is None else tuple(dict.fromkeys(names))
    if not chosen:
        found = f"no file in {workspace.root / FOLDER}"
        raise UsageError(found, "a TOML file for each channel", "Write one; docs/how-to/connect.md shows how")
    return {name: read_channel(workspace.root, name) for name in chosen}


def deliver_by(workspace: Workspace, name: str, channel: Channel, stopping: Stop) -> DeliverResult:
    """Send what is due by one channel, unless another workspace does; `ModelError` where another process does."""
    records, lease = open_records(workspace.records_url), f"deliver/{name}"
    if not claim_channel(records, name, commands_home(workspace), present()):
        return DeliverResult(name, withheld=True)
    release_if_dead(records, lease)
    with (
        hold_lease(records, lease, f"delivery by {name}", ttl=_LEASE_LIFE) as held,
        _opened(workspace, name, channel, held) as send,
    ):
        return send(records, name, channel, channel.kinds_of(KINDS), stopping)


@contextmanager
def _opened(
    workspace: Workspace, name: str, channel: Channel, lease: HeldLease
) -> Iterator[Callable[..., DeliverResult]]:
    """Open where a channel's events go, and yield what sends by it."""
    if channel.message is not None:
        people = open_people(channel.message, workspace.root, _endpoint(workspace))
        yield lambda records, name, channel, kinds, stopping: deliver_messages(
            records, name, channel, people, kinds, clock=present, stopping=stopping
        )
        return
    with _open_target(workspace, name, channel, lease) as target:
        yield lambda records, name, channel, kinds, stopping: deliver(
            records, name, channel, target, kinds, clock=present, stopping=stopping
        )


def _open_target(workspace: Workspace, name: str, channel: Channel, lease: HeldLease) -> AbstractContextManager[Target]:
    """Open the system that takes a channel's events, one by one."""
    if channel.webhook is not None:
        return open_webhook(channel.webhook, workspace.root, os.environ.get(SOURCE_VARIABLE, _SOURCE))
    records, section, endpoint = open_records(workspace.records_url), sap_section(channel), _endpoint(workspace)
    return open_sap(section, workspace.root, records, name, endpoint, check=lease.check, clock=present)


def _endpoint(workspace: Workspace) -> str:
    """Return the address under which browsers reach the endpoint."""
    # Imported only when it is needed: what the models go by takes 20 MB, in a process that stays.
    from pipelines.settings.settings import read_settings

    return read_settings(workspace, os.environ).link.endpoint


def present() -> pd.Timestamp:
    """Return the time."""
    return pd.Timestamp.now("UTC").as_unit("us")
