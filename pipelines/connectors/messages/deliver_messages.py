"""Delivery of what waits by a channel to people: held while they are not to be disturbed, then as one message.

An alarm is opened once, so its message is one. Those of machines that somebody has silenced go to nobody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data_contracts.records.outbox.outbox import Due, forget_settled, note_together, open_channel, open_events
from data_contracts.records.outbox.outbox_records import DEAD, DELIVERED, RETRYING, SILENCED, Delivery
from pipelines.connectors.channel_settings import Channel, MessageSection
from pipelines.connectors.deliver import DeliverResult, Records, Stop, pause_after
from pipelines.connectors.messages.addresses import Addresses, open_addresses
from pipelines.connectors.messages.quiet_hours import is_quiet, quiet_end, quiet_length
from pipelines.connectors.messages.wording import Wording, open_wording
from pipelines.connectors.silenced_alarms import silenced_alarms

_MOST = 1_000  # events of a message


@dataclass(frozen=True)
class People:
    """Who gets messages, in which words."""

    section: MessageSection
    addresses: Addresses
    wording: Wording


def open_people(section: MessageSection, root: Path, endpoint: str) -> People:
    """Read addresses and template; `endpoint` is the address of the pages that messages link to."""
    return People(section, open_addresses(section, root), open_wording(section, root, endpoint))


def deliver_messages(
    records: Records,
    name: str,
    channel: Channel,
    people: People,
    kinds: Sequence[str],
    *,
    clock: Callable[[], pd.Timestamp],
    stopping: Stop,
) -> DeliverResult:
    """Send what waits by a channel as one message, unless it is held; that is for all of it, so that order is kept."""
    now = clock()
    open_channel(records, name, now)
    waiting = open_events(records, name, kinds, _MOST)
    silenced = silenced_alarms(records, {due.number: due.event for due in waiting}, now)
    note_together(
        records, [_note(name, due, now, SILENCED, silenced[due.number]) for due in waiting if due.number in silenced]
    )
    waiting = [due for due in waiting if due.number not in silenced]
    done = DeliverResult(name, silenced=len(silenced))
    held_until = _held_until(waiting, people.section, now) if waiting else now
    if waiting and (stopping.is_set() or held_until > now):
        done = DeliverResult(name, silenced=len(silenced), held=len(waiting), held_until=held_until)
    elif waiting:
        problem = people.addresses.send(records, name, waiting, people.wording.write)
        # Patience begins when it could be sent at all.
        patience = channel.give_up_after + quiet_length(people.section.quiet)
        paused = {due.number: now + pause_after(due.attempts, channel.longest_pause) for due in waiting}
        notes = [_outcome(name, due, now, problem, paused[due.number], patience) for due in waiting]
        note_together(records, notes)
        states = [note.state for note in notes]
        done = DeliverResult(
            name,
            delivered=states.count(DELIVERED),
            retrying=states.count(RETRYING),
            dead=states.count(DEAD),
            problem=problem,
            silenced=len(silenced),
        )
    forget_settled(records, name, kinds, now)
    return done


def _held_until(waiting: Sequence[Due], section: MessageSection, now: pd.Timestamp) -> pd.Timestamp:
    """Return until when nothing goes out: in quiet hours, while more may follow, or until the next attempt."""
    again = [due.due_at for due in waiting if due.due_at is not None]
    until = max(now, waiting[0].event.at + section.digest, *again)
    quiet = is_quiet(now, section.quiet, section.time_zone)
    return max(until, quiet_end(now, section.quiet, section.time_zone)) if quiet else until


def _outcome(
    name: str, due: Due, now: pd.Timestamp, problem: str, again_at: pd.Timestamp, patience: pd.Timedelta
) -> Delivery:
    if not problem:
        return _note(name, due, now, DELIVERED, None)
    if again_at > due.event.at + patience:
        return _note(name, due, now, DEAD, problem)
    return _note(name, due, now, RETRYING, problem, again_at)


def _note(
    name: str, due: Due, now: pd.Timestamp, state: str, problem: str | None, again_at: pd.Timestamp | None = None
) -> Delivery:
    return Delivery(name, due.number, state, due.attempts + 1, now, again_at, problem)
