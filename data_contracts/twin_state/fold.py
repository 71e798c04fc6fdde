"""The fold: a log's entries and the latest readings become the state at a time.

For each property a manual override in force counts before what sensors said, and that before what was simulated. Of one
source the newer event time counts, then the later known time. An override that expired or was released holds no more,
and what it had replaced stays replaced: the sensor is back.
"""

from collections.abc import Iterable, Sequence

import pandas as pd

from data_contracts.records.twin_records import TwinEntry
from data_contracts.twin_state.state_types import (
    OVERRIDE,
    SIMULATION,
    PropertyState,
    PropertyValue,
    Reading,
)

Newest = dict[tuple[str, str], TwinEntry]
"""The entry that counts, by property and source."""


def newest_entries(entries: Iterable[TwinEntry], as_of: pd.Timestamp) -> Newest:
    """Return the accepted entry that counts for each property and source, by what was known at a time."""
    newest: Newest = {}
    for entry in entries:
        if entry.rejection is None and entry.known_time <= as_of and entry.event_time <= as_of:
            key = entry.property, entry.source
            if key not in newest or _order(newest[key]) < _order(entry):
                newest[key] = entry
    return newest


def fold(
    entries: Iterable[TwinEntry],
    readings: Iterable[Reading],
    properties: Sequence[str],
    as_of: pd.Timestamp,
    *,
    by_time: bool = True,
) -> dict[str, PropertyState]:
    """Return the state of each property at a time; what became known later, or happens later, does not count.

    Unless `by_time`, the times of readings are no times, and all of the readings count.
    """
    newest = newest_entries(entries, as_of)
    known = [each for each in readings if not by_time or max(each.known_time, each.event_time) <= as_of]
    states = {}
    for name in properties:
        own = [PropertyValue.of_reading(reading) for reading in known if reading.name == name]
        sensed = [value for value in own if value.source != SIMULATION]
        simulated = [value for value in own if value.source == SIMULATION]
        simulated += _in_force(newest.get((name, SIMULATION)), as_of)
        ranked = [_in_force(newest.get((name, OVERRIDE)), as_of), sensed, simulated]
        values = [max(candidates, key=_age) for candidates in ranked if candidates]
        states[name] = PropertyState(values[0], tuple(values[1:])) if values else PropertyState(None)
    return states


def is_in_force(entry: TwinEntry, at: pd.Timestamp) -> bool:
    """Return whether an entry, if it is the one that counts, has a value that holds at a time."""
    expired = entry.expires_at is not None and entry.expires_at <= at
    return entry.value is not None and not expired and entry.event_time <= at


def _in_force(entry: TwinEntry | None, as_of: pd.Timestamp) -> list[PropertyValue]:
    return [] if entry is None or not is_in_force(entry, as_of) else [PropertyValue.of_entry(entry)]


def _order(entry: TwinEntry) -> tuple[pd.Timestamp, pd.Timestamp, int]:
    return entry.event_time, entry.known_time, entry.number


def _age(value: PropertyValue) -> tuple[pd.Timestamp, bool, pd.Timestamp]:
    # A person's correction of a reading, stored as telemetry, is of the same instant.
    return value.event_time, value.source == OVERRIDE, value.known_time
