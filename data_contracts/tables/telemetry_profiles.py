"""Profiles of stored telemetry: spans, rhythm, gaps and clock of each asset; counts and ranges of each channel.

What a sum or an extreme says the engine computes. What needs the rows of an asset together, such as gaps, is read a
block of assets at a time, and in a very large table only of some assets.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from deltalake import DeltaTable

from data_contracts.contract.contract_types import ALL_CHANNELS, QUALITY_SUFFIX, is_quality_column
from data_contracts.tables.arrow_frames import to_pandas
from data_contracts.tables.blocks.channel_blocks import channel_blocks
from data_contracts.tables.corrections import last_corrections
from data_contracts.tables.row_conditions import instant, is_one_of, quoted, where
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
    if profiles.empty:
        return profiles
    chosen = None
    if profiles["rows"].sum() > _MOST_ROWS:
        chosen = list(profiles.index[:: -(-len(profiles) // _SAMPLE)])
    return profiles.join(pd.concat([_rhythm(rows) for rows in channel_blocks(workspace, table, (), assets=chosen)]))


def channel_profiles(workspace: Workspace, table: str, corrected: Sequence[str] = ()) -> pd.DataFrame:
    """Count the values of each numeric channel by asset: asset, channel, rows, values, low, high.

    Of the `corrected` assets only the last correction of each reading is counted, which takes longer.
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
        others = f" WHERE NOT ({is_one_of('asset', corrected, of_all=True)})" if corrected else ""
        counts = f"SELECT asset, count(*) AS rows, {', '.join(measures)} FROM t{others} GROUP BY asset"  # noqa: S608
        wide = to_pandas(query(delta, counts))
    if corrected:
        blocks = channel_blocks(workspace, table, channels, assets=corrected)
        latest = [_counts(last_corrections(rows, list(KEY)), channels) for rows in blocks]
        wide = pd.concat([wide, *latest], ignore_index=True).sort_values("asset", ignore_index=True)
    parts = [
        wide[["asset", "rows"]].assign(
            channel=name, **{what: wide[f"{place}_{what}"].to_numpy() for what in ("values", "low", "high")}
        )
        for place, name in enumerate(channels)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def recent_channels(workspace: Workspace, table: str, *, since: pd.Timestamp, until: pd.Timestamp) -> pd.DataFrame:
    """Count the readings of each numeric channel by asset with ``since < event_time <= until``, known by then.

    Columns asset, channel, rows, values, low, high and last, the time of the last value; the engine counts.
    """
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        channels = [] if delta is None else _numeric(delta)
        if delta is None or not channels:
            return pd.DataFrame(columns=["asset", "channel", "rows", "values", "low", "high", "last"])
        measures = [
            f'count({quoted(name)}) AS "{place}_values", min({quoted(name)}) AS "{place}_low", '
            f'max({quoted(name)}) AS "{place}_high", '
            f'max(event_time) FILTER (WHERE {quoted(name)} IS NOT NULL) AS "{place}_last"'
            for place, name in enumerate(channels)
        ]
        condition = where(until, None, since, until)
        counts = f"SELECT asset, count(*) AS rows, {', '.join(measures)} FROM t{condition} GROUP BY asset"  # noqa: S608
        wide = to_pandas(query(delta, counts)).sort_values("asset", ignore_index=True)
    whats = ("values", "low", "high", "last")
    parts = [
        wide[["asset", "rows"]].assign(channel=name, **{what: wide[f"{place}_{what}"].array for what in whats})
        for place, name in enumerate(channels)
    ]
    return pd.concat(parts, ignore_index=True)


def quality_counts(workspace: Workspace, table: str) -> dict[str, dict[str, int]]:
    """Count the readings that are not good, of those that count, by channel ("*" for all of a row) and quality."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        names = [] if delta is None else [each.name for each in delta.schema().fields if is_quality_column(each.name)]
        if delta is None or not names:
            return {}
        noted = " OR ".join(f"{quoted(name)} IS NOT NULL" for name in names)
        assets = query(delta, f"SELECT DISTINCT asset FROM t WHERE {noted}")["asset"].to_pylist()  # noqa: S608
    counts: dict[str, Counter[str]] = {}
    for rows in channel_blocks(workspace, table, names, assets=assets):
        counting = last_corrections(rows, list(KEY))
        for name in names:
            channel = name.removesuffix(QUALITY_SUFFIX) or ALL_CHANNELS
            counts.setdefault(channel, Counter()).update(counting[name].dropna().astype("str"))
    return {channel: dict(sorted(own.items())) for channel, own in sorted(counts.items()) if own}


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


def _counts(rows: pd.DataFrame, channels: Sequence[str]) -> pd.DataFrame:
    """Count the values of channels by asset as the engine does, with the columns that it gives."""
    own = rows.groupby("asset", sort=True)
    measured = {
        f"{place}_{what}": getattr(own[name], how)()
        for place, name in enumerate(channels)
        for what, how in (("values", "count"), ("low", "min"), ("high", "max"))
    }
    return pd.DataFrame({"rows": own.size(), **measured}).reset_index()


def _spans(now: pd.Timestamp) -> str:
    return (
        "SELECT asset, count(*) AS rows, min(event_time) AS first, max(event_time) AS last, "  # noqa: S608
        "count(*) FILTER (WHERE known_time < event_time) AS early, "
        f"count(*) FILTER (WHERE event_time > {instant(now)}) AS future FROM t GROUP BY asset"
    )


def _rhythm(rows: pd.DataFrame) -> pd.DataFrame:
    """Measure what needs the instants in order; with the asset as index."""
    code, names = pd.factorize(rows["asset"])
    source, _ = pd.factorize(rows["source"])
    at, known = (rows[name].to_numpy(dtype="datetime64[us]").astype(np.int64) for name in ("event_time", "known_time"))
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
    with_gaps = instants.assign(gap=gap).dropna(subset="gap").sort_values("gap", kind="stable")
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
