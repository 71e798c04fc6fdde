"""Readings: the rows of telemetry that hold at least one value; how often they come, and the latest by a cut-off."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import pyarrow.compute as pc
from deltalake import DeltaTable

from data_contracts.contract.contract_types import (
    ALL_CHANNELS,
    QUALITY_SUFFIX,
    STORED_VERSION,
    is_quality_column,
)
from data_contracts.contract.registered import empty_table
from data_contracts.tables.arrow_frames import to_pandas
from data_contracts.tables.corrections import last_corrections
from data_contracts.tables.row_conditions import quoted, where
from data_contracts.tables.table_access import open_to_read, query, storage
from data_contracts.tables.telemetry import KEY, channels_among
from data_contracts.workspace import Workspace

_READING = ("asset", "event_time", "known_time", "source")
_INSTANT = pd.Timedelta(1, "us")
_SPAN = pd.Timedelta(days=60)
_MOST_ASSETS = 100
_SHARE = 0.95
# Who imports a year of history learns of it in one hour: that is no delay of the line.
_LONGEST_DELAY = pd.Timedelta(days=7)


@dataclass(frozen=True)
class ReadingRhythm:
    """How regularly the readings of an asset type come, by nearly all (95 %) of the recent ones."""

    interval: pd.Timedelta  # within which one follows the one before; those of one hour count as one
    delay: pd.Timedelta  # within which they become known


def reading_rhythm(workspace: Workspace, table: str) -> ReadingRhythm | None:
    """Measure the rhythm of a telemetry table over its last 60 days, on at most 100 assets; None without two readings.

    A quantile, and of hours with a reading: neither a machine that fell silent for a month nor a burst of a thousand
    readings a second says how long one usually waits for the next.
    """
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return None
        latest = to_pandas(query(delta, "SELECT asset, max(event_time) AS event_time FROM t GROUP BY asset"))
        if latest.empty:
            return None
        # Evenly spread over the names, so that one line's machines do not stand for all.
        sample = latest.iloc[:: -(-len(latest) // _MOST_ASSETS)]
        return _rhythm(_hours(delta, sample["asset"].tolist(), sample["event_time"].max() - _SPAN))


def last_readings(
    workspace: Workspace,
    table: str,
    *,
    as_of: pd.Timestamp,
    assets: Sequence[str],
    start: pd.Timestamp | None = None,
) -> dict[str, pd.Timestamp]:
    """Return the event time of the last reading after `start` of each asset that was known at a cut-off."""
    return _event_times(workspace, table, "max", as_of, assets, start)


def first_readings(
    workspace: Workspace, table: str, *, as_of: pd.Timestamp, assets: Sequence[str]
) -> dict[str, pd.Timestamp]:
    """Return the event time of the first reading of each asset, of those that happened and were known by a cut-off."""
    return _event_times(workspace, table, "min", as_of, assets, None)


def _event_times(
    workspace: Workspace,
    table: str,
    of: Literal["min", "max"],
    as_of: pd.Timestamp,
    assets: Sequence[str],
    start: pd.Timestamp | None,
) -> dict[str, pd.Timestamp]:
    """Return the first or last event time of each asset that has a reading with a value."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None or not assets:
            return {}
        condition = f"{where(as_of, assets, start, as_of)} AND ({has_value(delta)})"
        rows = query(delta, f"SELECT asset, {of}(event_time) AS event_time FROM t{condition} GROUP BY asset")  # noqa: S608
        found = to_pandas(rows)
        return dict(zip(found["asset"], found["event_time"], strict=True))


def days_with_readings(workspace: Workspace, table: str, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the days (UTC) on which each asset had a reading that was known by a cut-off: columns asset and day."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return pd.DataFrame({"asset": pd.Series(dtype="str"), "day": pd.Series(dtype="datetime64[us, UTC]")})
        condition = f"{where(as_of, None, None, as_of)} AND ({has_value(delta)})"
        day = "date_bin(INTERVAL '1 day', event_time)"
        return to_pandas(query(delta, f"SELECT asset, {day} AS day FROM t{condition} GROUP BY asset, {day}"))  # noqa: S608


def read_qualities(
    workspace: Workspace,
    table: str,
    *,
    as_of: pd.Timestamp | None = None,
    assets: Sequence[str] | None = None,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Read which readings are not good, of the rows that `tables.read` would return: those that count.

    Columns asset, event_time, known_time, source, channel (``"*"`` for all channels of the row) and quality, "bad" or
    "uncertain". Of one instant and source the row that became known last counts, and of those the one stored last.
    """
    empty = pd.DataFrame({name: pd.Series(dtype="str") for name in (*_READING, "channel", "quality")})
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        names = (
            [] if delta is None else [field.name for field in delta.schema().fields if is_quality_column(field.name)]
        )
        if delta is None or not names:
            return empty
        noted = " OR ".join(f"{quoted(name)} IS NOT NULL" for name in names)
        columns = ", ".join(map(quoted, (*_READING, STORED_VERSION, *names)))
        condition = where(as_of, assets, start, end) or " WHERE true"
        rows = to_pandas(query(delta, f"SELECT {columns} FROM t{condition} AND ({noted})"))  # noqa: S608
        if rows.empty:
            return empty
        others = where(as_of, sorted(set(rows["asset"])), rows["event_time"].min() - _INSTANT, rows["event_time"].max())
        keys = to_pandas(query(delta, f"SELECT {', '.join((*_READING, STORED_VERSION))} FROM t{others}"))  # noqa: S608
    counting = last_corrections(keys, list(KEY))
    rows = rows.merge(counting, on=[*_READING, STORED_VERSION])
    parts = [
        rows.loc[rows[name].notna(), [*_READING, name]]
        .set_axis([*_READING, "quality"], axis="columns")
        .assign(channel=name.removesuffix(QUALITY_SUFFIX) or ALL_CHANNELS)
        for name in names
    ]
    whole = pd.concat(parts)[[*_READING, "channel", "quality"]]
    return whole.sort_values(["asset", "event_time", "channel"], ignore_index=True)


def read_channel(
    workspace: Workspace,
    table: str,
    channel: str,
    *,
    as_of: pd.Timestamp | None = None,
    assets: Sequence[str] | None = None,
    start: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Read telemetry as `data_contracts.tables.tables.read` does, with one of its channels only.

    Rows without a value are read too: one may be the correction that takes a value back.
    """
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        columns = [] if delta is None else [field.name for field in delta.schema().fields]
        if delta is None or channel not in columns:
            return empty_table(workspace.contracts, table)
        kept = [name for name in columns if name in (*KEY, "known_time", STORED_VERSION, channel)]
        selected = ", ".join(f'"{name}"' for name in kept)
        return to_pandas(query(delta, f"SELECT {selected} FROM t{where(as_of, assets, start, None)}"))  # noqa: S608


def has_value(delta: DeltaTable) -> str:
    """Return the SQL condition that a row of telemetry is a reading."""
    channels = channels_among(field.name for field in delta.schema().fields)
    return " OR ".join(f"{quoted(name)} IS NOT NULL" for name in channels) or "false"


def is_reading(columns: Iterable[str]) -> pc.Expression:
    """Return the Arrow expression that a row with these columns is a reading."""
    condition = pc.scalar(False)
    for name in channels_among(columns):
        condition |= pc.field(name).is_valid()
    return condition


def _hours(delta: DeltaTable, assets: Sequence[str], start: pd.Timestamp) -> pd.DataFrame:
    """Return the last reading in each hour of each asset, and how many microseconds later the first one was known."""
    delay = "min(CAST(known_time AS BIGINT) - CAST(event_time AS BIGINT))"
    columns = f"asset, max(event_time) AS event_time, {delay} AS delay"
    condition = f"{where(None, assets, start, None)} AND ({has_value(delta)})"
    hours = "GROUP BY asset, date_bin(INTERVAL '1 hour', event_time)"
    return to_pandas(query(delta, f"SELECT {columns} FROM t{condition} {hours}"))  # noqa: S608


def _rhythm(hours: pd.DataFrame) -> ReadingRhythm | None:
    intervals = hours.groupby("asset")["event_time"].diff().dropna()
    if intervals.empty:
        return None
    delays = pd.to_timedelta(hours["delay"], unit="us")
    delays = delays[delays <= _LONGEST_DELAY]
    none = pd.Timedelta(0)
    return ReadingRhythm(
        interval=_nearly_all(intervals), delay=none if delays.empty else max(_nearly_all(delays), none)
    )


def _nearly_all(durations: "pd.Series[pd.Timedelta]") -> pd.Timedelta:
    """Return the shortest of some durations that is no shorter than the given share of them."""
    ordered = durations.sort_values(ignore_index=True)
    return pd.Timedelta(ordered[math.ceil(_SHARE * (len(ordered) - 1))]).as_unit("us")
