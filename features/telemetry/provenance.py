"""Where the values in a window come from: which share of them was overridden or simulated, as known at the cut-off."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data_contracts.contract.twins import SOURCE_PRIORITY
from features.telemetry.reconciliation import Rows, sorted_rows
from features.telemetry.sorted_times import IntArray, microseconds, width

OVERRIDDEN, SIMULATED = "overridden", "simulated"
_RANKS = {OVERRIDDEN: SOURCE_PRIORITY.index("manual_override"), SIMULATED: SOURCE_PRIORITY.index("simulation")}
_PHYSICAL = "physical"


def provenance(
    telemetry: pd.DataFrame, cut_offs: pd.DataFrame, channels: Sequence[str], lookback: pd.Timedelta
) -> pd.DataFrame:
    """Return the shares, 0 to 1, of the values in (as_of - lookback, as_of] that were overridden and simulated.

    One row for each cut-off (columns asset and as_of), in its order. What counts is what was known at the cut-off. Of
    an asset whose telemetry is all physical both are 0.
    """
    values = np.zeros((len(cut_offs), 2))
    assets = pd.Index(telemetry.loc[telemetry["source"] != _PHYSICAL, "asset"].unique())
    if assets.empty:
        return pd.DataFrame(values, columns=[OVERRIDDEN, SIMULATED])
    places = assets.get_indexer(pd.Index(cut_offs["asset"]))
    rows = sorted_rows(telemetry, assets, channels, channels)
    as_of = microseconds(cut_offs["as_of"])
    for place in np.unique(places[places >= 0]).tolist():
        begin, end = np.searchsorted(rows.asset, [place, place + 1])
        own, chosen = rows.take(np.arange(begin, end)), np.flatnonzero(places == place)
        # Only windows with such a row are looked at one by one.
        events = np.unique(own.event[own.source != SOURCE_PRIORITY.index(_PHYSICAL)])
        begins = as_of[chosen] - width(lookback)
        holds = np.searchsorted(events, as_of[chosen], "right") > np.searchsorted(events, begins, "right")
        for number in chosen[holds].tolist():
            values[number] = _shares(own, as_of[number] - width(lookback), as_of[number])
    return pd.DataFrame(values, columns=[OVERRIDDEN, SIMULATED])


def _shares(rows: Rows, begin: int, as_of: int) -> tuple[float, float]:
    first, last = np.searchsorted(rows.event, [begin, as_of], "right")
    window = rows.take(np.arange(first, last))
    window = window.take(np.flatnonzero(window.known <= as_of))
    winners = _winners(window)
    n_values = int((winners >= 0).sum())
    if not n_values:
        return 0.0, 0.0
    overridden, simulated = ((winners == rank).sum() / n_values for rank in _RANKS.values())
    return float(overridden), float(simulated)


def _winners(rows: Rows) -> IntArray:
    """Return the rank of the source that each instant's and channel's value is from, -1 without a value."""
    if not len(rows.event):
        return np.zeros((0, rows.readings.shape[1]), dtype=np.int64)
    # Of each instant and source the row that was known last comes first, and alone counts.
    starts = np.append(True, rows.event[1:] != rows.event[:-1])
    latest = starts | np.append(True, rows.source[1:] != rows.source[:-1])
    winners = np.full((int(starts.sum()), rows.readings.shape[1]), -1, dtype=np.int64)
    instant = np.cumsum(starts) - 1
    for rank in reversed(range(len(SOURCE_PRIORITY))):
        own = np.flatnonzero(latest & (rows.source == rank))
        present = ~np.isnan(rows.readings[own])
        winners[instant[own]] = np.where(present, rank, winners[instant[own]])
    return winners
