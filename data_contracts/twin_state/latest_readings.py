"""The latest reading of each property by what was known at a time, from a bounded part of the stored telemetry."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from data_contracts.contract.contract_types import STORED_VERSION
from data_contracts.tables.row_conditions import quoted, where
from data_contracts.tables.table_access import open_to_read, query, storage
from data_contracts.twin_state.newest_rows import Integers, TelemetryRows, newest_rows
from data_contracts.twin_state.state_types import OVERRIDE, PHYSICAL, SIMULATION, Reading
from data_contracts.workspace import Workspace

_FIRST_SPAN = pd.Timedelta(seconds=2)
_WIDER, _MUCH_WIDER, _FEW_ROWS = 8, 64, 1_000
_LONGEST_SPAN = pd.Timedelta(days=60)
# Signals of a hundred readings a second have all their values in the first span. Where a channel is null for ever, its
# search ends with a span of so many rows: the next one would have eight times as many.
_MOST_ROWS = 500_000


@dataclass
class LatestReadings:
    """The latest readings of some assets, and how far back they were looked for."""

    readings: dict[str, list[Reading]] = field(default_factory=dict)  # by asset
    looked_back_to: dict[str, pd.Timestamp] = field(default_factory=dict)  # of assets that miss some


def latest_readings(
    workspace: Workspace,
    table: str,
    assets: Sequence[str],
    channels: Sequence[str],
    as_of: pd.Timestamp | None,
    *,
    until: pd.Timestamp | None = None,
) -> LatestReadings:
    """Find each channel's latest reading of each asset by a time: that of a sensor, or else a simulated one.

    Spans before `as_of` are read, each longer than the one before, until every channel has a value: the statistics of
    the table's files let the engine skip all others. The search ends at 60 days. `until` is the last event time that
    counts, `as_of` by default; one of them has to be given.
    """
    last = as_of if until is None else until
    if last is None:
        raise ValueError("neither as_of nor until")
    result = LatestReadings({asset: [] for asset in assets})
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return result
        stored = [column.name for column in delta.schema().fields]
        missing = {asset: {name for name in channels if name in stored} for asset in assets}
        missing, span = {asset: names for asset, names in missing.items() if names}, _FIRST_SPAN
        while missing:
            names = sorted(set().union(*missing.values()))
            rows = _read(delta, stored, sorted(missing), names, last - span, last, as_of)
            for asset, reading in _newest(rows, names):
                known = {(each.name, each.simulated) for each in result.readings[asset]}
                if (reading.name, reading.simulated) not in known:
                    result.readings[asset].append(reading)
            for asset, names_left in missing.items():
                # A simulated value alone is no reason to stop: the sensor's last one counts before it, however old.
                names_left -= {each.name for each in result.readings[asset] if not each.simulated}
            missing = {asset: names for asset, names in missing.items() if names}
            if span >= _LONGEST_SPAN or len(rows) >= _MOST_ROWS:
                result.looked_back_to |= dict.fromkeys(missing, last - span)
                break
            few = len(missing) == 1 and len(rows) < _FEW_ROWS
            span = min(span * (_MUCH_WIDER if few else _WIDER), _LONGEST_SPAN)
    for asset, readings in result.readings.items():
        sensed = {each.name for each in readings if not each.simulated}
        # How far simulated values were looked for is chance where a sensor reports the property.
        result.readings[asset] = [each for each in readings if not each.simulated or each.name not in sensed]
    return result


def _read(
    delta: DeltaTable,
    stored: Sequence[str],
    assets: Sequence[str],
    channels: Sequence[str],
    start: pd.Timestamp,
    until: pd.Timestamp,
    as_of: pd.Timestamp | None,
) -> pa.Table:
    keys = [name for name in ("asset", "source", "event_time", "known_time", STORED_VERSION) if name in stored]
    columns = ", ".join(map(quoted, (*keys, *channels)))
    rows = query(delta, f"SELECT {columns} FROM t{where(as_of, assets, start, until)}")  # noqa: S608
    # The engine's own kind of text cannot be compared and taken.
    fields = [each.with_type(pa.string()) if each.type == pa.string_view() else each for each in rows.schema]
    return rows.cast(pa.schema(fields))


def _newest(rows: pa.Table, channels: Sequence[str]) -> Iterator[tuple[str, Reading]]:
    """Return the newest readings of each asset and channel among some rows: one sensed, one simulated."""
    sensed: dict[tuple[str, str], Reading] = {}
    for source in (PHYSICAL, OVERRIDE, SIMULATION):
        own = rows.filter(pc.equal(rows["source"], source))
        for asset, reading in _newest_of_source(own, channels, source) if len(own) else ():
            if source == SIMULATION:
                yield asset, reading
                continue
            # A person's correction counts at its own instant only: what the sensor says next is newer.
            before = sensed.get((asset, reading.name))
            if before is None or before.event_time <= reading.event_time:
                sensed[asset, reading.name] = reading
    yield from ((asset, reading) for (asset, _), reading in sensed.items())


def _newest_of_source(rows: pa.Table, channels: Sequence[str], source: str) -> Iterator[tuple[str, Reading]]:
    encoded = rows["asset"].combine_chunks().dictionary_encode()
    assets: list[str] = encoded.dictionary.to_pylist()
    event_us, known_us = _microseconds(rows, "event_time"), _microseconds(rows, "known_time")
    has_version = STORED_VERSION in rows.column_names
    telemetry_rows = TelemetryRows(
        codes=encoded.indices.to_numpy().astype(np.int64),
        event_us=event_us,
        known_us=known_us,
        stored=_integers(rows[STORED_VERSION]) if has_version else np.zeros(len(rows), dtype=np.int64),
        missing={name: pc.is_null(rows[name], nan_is_null=True).to_numpy() for name in channels},
    )
    for channel, places in newest_rows(telemetry_rows, len(assets)).items():
        for asset, place in zip(assets, places.tolist(), strict=True):
            if place >= 0:
                value = rows[channel][place].as_py()
                yield asset, Reading(channel, value, source, instant_of(event_us[place]), instant_of(known_us[place]))


def instant_of(microseconds: int) -> pd.Timestamp:
    """Return the instant so many microseconds after 1970 began."""
    return pd.Timestamp(int(microseconds), unit="us", tz="UTC").as_unit("us")


def _microseconds(rows: pa.Table, name: str) -> Integers:
    return _integers(rows[name].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()))


def _integers(column: pa.ChunkedArray) -> Integers:
    values: Integers = pc.fill_null(column, 0).to_numpy().astype(np.int64)
    return values
