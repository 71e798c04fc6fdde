"""Profiles of stored telemetry: spans, rhythm, gaps and clock of each asset; counts and ranges of each channel.

The engine reads the columns it needs only. Gaps need all instants in order, so in a very large table they are measured
on some of the assets.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import DeltaTable

from data_contracts.contract.contract import STORED_VERSION
from data_contracts.tables.arrow_frames import to_pandas
from data_contracts.tables.row_conditions import instant, is_one_of, quoted
from data_contracts.tables.table_access import open_to_read, query, storage
from data_contracts.tables.telemetry import KEY, channels_among
from data_contracts.workspace import Workspace

GAP = 3
"""A pause counts as a gap from this many of the asset's usual intervals on."""
_MOST_ROWS = 20_000_000
_SAMPLE = 500
_SECOND = 1e6


def asset_profiles(workspace: Workspace, table: str, *, now: pd.Timestamp) -> pd.DataFrame:
    """Profile each asset of a telemetry table, with the asset as index.

    Columns: rows, first, last, early (known before they happened), future (later than `now`); and, NaN for assets whose
    gaps were not measured, instants (distinct event times), repeated (rows of an instant and source beyond the first),
    late (known before a reading of earlier was), interval (median seconds between instants), gaps, gap_s (their sum),
    longest_gap_s and longest_gap_end (microseconds since 1970).
    """
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return pd.DataFrame()
        profiles = to_pandas(query(delta, _spans(now))).set_index("asset").sort_index()
        chosen = None
        if profiles["rows"].sum() > _MOST_ROWS:
            chosen = list(profiles.index[:: -(-len(profiles) // _SAMPLE)])
        return profiles.join(_rhythm(delta, chosen))


def channel_profiles(workspace: Workspace, table: str, corrected: Sequence[str] = ()) -> pd.DataFrame:
    """Count the values of each numeric channel by asset: asset, channel, rows, values, low, high.

    Of the `corrected` assets only the last correction of each reading is counted, which takes the engine longer.
    """
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return pd.DataFrame()
        channels = _numeric(delta)
        measures = [
            f'count({quoted(name)}) AS "{place}_values", min({quoted(name)}) AS "{place}_low", '
            f'max({quoted(name)}) AS "{place}_high"'
            for place, name in enumerate(channels)
        ]
        counts = f"SELECT asset, count(*) AS rows, {', '.join(measures)} FROM"
        own = is_one_of("asset", corrected)
        wide = to_pandas(query(delta, f"{counts} t{f' WHERE NOT ({own})' if corrected else ''} GROUP BY asset"))
        if corrected:
            latest = to_pandas(query(delta, f"{counts} ({_last_corrections(delta, own)}) GROUP BY asset"))
            wide = pd.concat([wide, latest], ignore_index=True).sort_values("asset", ignore_index=True)
        parts = [
            wide[["asset", "rows"]].assign(
                channel=name, **{what: wide[f"{place}_{what}"].to_numpy() for what in ("values", "low", "high")}
            )
            for place, name in enumerate(channels)
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def channel_readings(workspace: Workspace, table: str, channel: str) -> pd.DataFrame:
    """Read one channel of a telemetry table, every correction of it, with the keys and known times of its rows."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return pd.DataFrame(columns=[*KEY, "known_time", channel])
        columns = ", ".join(quoted(name) for name in (*KEY, "known_time", *_stored(delta), channel))
        return to_pandas(query(delta, f"SELECT {columns} FROM t"))  # noqa: S608


def text_channels(workspace: Workspace, table: str) -> tuple[str, ...]:
    """Return the channels of a telemetry table that are no numbers."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return ()
        numeric = set(_numeric(delta))
        return tuple(
            name for name in channels_among(field.name for field in delta.schema().fields) if name not in numeric
        )


def _numeric(delta: DeltaTable) -> list[str]:
    fields = {field.name: str(field.type) for field in delta.schema().fields}
    return [
        name for name in channels_among(fields) if any(kind in fields[name] for kind in ("double", "float", "long"))
    ]


def _last_corrections(delta: DeltaTable, condition: str) -> str:
    """Select the row of each reading that counts, see `data_contracts.tables.corrections`."""
    key = ", ".join(KEY)
    order = ", ".join(f"{name} DESC NULLS LAST" for name in ("known_time", *_stored(delta)))
    numbered = f"SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {order}) AS correction FROM t"  # noqa: S608
    return f"SELECT * FROM ({numbered} WHERE {condition}) WHERE correction = 1"  # noqa: S608


def _stored(delta: DeltaTable) -> list[str]:
    return [field.name for field in delta.schema().fields if field.name == STORED_VERSION]


def _spans(now: pd.Timestamp) -> str:
    return (
        "SELECT asset, count(*) AS rows, min(event_time) AS first, max(event_time) AS last, "  # noqa: S608
        "count(*) FILTER (WHERE known_time < event_time) AS early, "
        f"count(*) FILTER (WHERE event_time > {instant(now)}) AS future FROM t GROUP BY asset"
    )


def _rhythm(delta: DeltaTable, assets: Sequence[str] | None) -> pd.DataFrame:
    """Measure what needs the instants in order; in memory, which takes the engine ten thousand times as much."""
    chosen = "" if assets is None else f" WHERE {is_one_of('asset', assets)}"
    times = "CAST(event_time AS BIGINT) AS at, CAST(known_time AS BIGINT) AS known"
    rows = query(delta, f"SELECT asset, source, {times} FROM t{chosen}")  # noqa: S608
    code, names = _codes(rows, "asset")
    source, _ = _codes(rows, "source")
    at, known = rows["at"].to_numpy(), rows["known"].to_numpy()
    order = np.lexsort((known, source, at, code))
    code, source, at, known = code[order], source[order], at[order], known[order]
    new_asset = np.append(True, code[1:] != code[:-1])
    new_instant = new_asset | np.append(True, at[1:] != at[:-1])
    repeated = ~new_instant & np.append(False, source[1:] == source[:-1])
    starts = np.flatnonzero(new_instant)
    instants = pd.DataFrame({"asset": code[starts], "at": at[starts], "known": np.minimum.reduceat(known, starts)})
    own = instants.groupby("asset", sort=True)
    step = own["at"].diff()
    usual = step.groupby(instants["asset"]).median()
    gap = step.where(step > GAP * usual.reindex(instants["asset"]).to_numpy())
    # Known before a reading that came earlier was known: it arrived late, or the clocks disagree.
    late = instants["known"] < own["known"].cummax()
    by_asset = gap.groupby(instants["asset"])
    with_gaps = instants.assign(gap=gap).dropna(subset="gap").sort_values("gap")
    longest = with_gaps.drop_duplicates("asset", keep="last").set_index("asset").reindex(usual.index)
    measured = pd.DataFrame(
        {
            "instants": own.size(),
            "interval": usual / _SECOND,
            "gaps": by_asset.count(),
            "gap_s": by_asset.sum() / _SECOND,
            "longest_gap_s": longest["gap"] / _SECOND,
            "longest_gap_end": longest["at"],
            "repeated": np.bincount(code[repeated], minlength=len(names)),
            "late": late.groupby(instants["asset"]).sum(),
        }
    )
    return measured.set_axis(names, axis="index").rename_axis("asset")


def _codes(rows: pa.Table, name: str) -> "tuple[np.ndarray[Any, Any], list[str]]":
    encoded = rows[name].cast(pa.large_string()).combine_chunks().dictionary_encode()
    names = [str(each) for each in encoded.dictionary.to_pylist()]
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), names
