"""Telemetry rows, sorted and reconciled to one row an instant, for many windows at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.twins import SOURCE_PRIORITY
from features.telemetry.sorted_times import IntArray, microseconds

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Telemetry rows sorted by asset, instant, source (best first) and known time (latest first)."""

    asset: IntArray  # (n,), the asset's number
    event: IntArray  # (n,), microseconds since 1970, like `known`
    known: IntArray
    source: IntArray  # (n,), the source's rank, 0 is best
    readings: FloatArray  # (n, n_raw_channels), NaN where null

    def take(self, chosen: IntArray) -> "Rows":
        """Select rows by number."""
        return Rows(
            self.asset[chosen], self.event[chosen], self.known[chosen], self.source[chosen], self.readings[chosen]
        )


def sorted_rows(telemetry: pd.DataFrame, assets: "pd.Index[str]", raw: Sequence[str], measured: Sequence[str]) -> Rows:
    """Sort the rows of some assets, which may come in any order.

    `raw` are the channels to keep; all the `measured` ones break ties between rows that are otherwise equal.
    """
    asset = assets.get_indexer(pd.Index(telemetry["asset"])).astype(np.int64)
    positions = np.flatnonzero(asset >= 0)
    chosen = telemetry if len(positions) == len(telemetry) else telemetry.iloc[positions]
    source = pd.Index(SOURCE_PRIORITY).get_indexer(pd.Index(chosen["source"])).astype(np.int64)
    rows = Rows(
        asset=asset[positions],
        event=microseconds(chosen["event_time"]),
        known=microseconds(chosen["known_time"]),
        source=np.where(source < 0, len(SOURCE_PRIORITY), source),
        readings=chosen[list(raw)].to_numpy(dtype=np.float64),
    )
    keys = [-rows.known, rows.source, rows.event, rows.asset]
    order = np.lexsort(keys)
    if _has_ties([key[order] for key in keys]):
        ties = chosen[list(measured)].to_numpy(dtype=np.float64)
        # As data_contracts.tables.telemetry.reconcile does: the largest readings win, null as the largest of all.
        ties = np.where(np.isnan(ties), -np.inf, -ties)
        order = np.lexsort([*ties.T[::-1], *keys])
    return rows.take(order)


def _has_ties(keys: Sequence[IntArray]) -> bool:
    same = np.ones(max(len(keys[0]) - 1, 0), dtype=np.bool_)
    for key in keys:
        same &= key[1:] == key[:-1]
    return bool(same.any())


def reconcile_rows(rows: Rows, group: IntArray) -> tuple[IntArray, Rows]:
    """Reduce all rows of a group and instant to one.

    `rows` are sorted within each group as `Rows` requires; `group` (n,) numbers assets or windows, equal numbers
    adjacent. Returns where each instant's rows begin, (n_instants,), and one row an instant with the best row's known
    time and source.
    """
    changes = np.ones(len(group), dtype=np.bool_)
    changes[1:] = (group[1:] != group[:-1]) | (rows.event[1:] != rows.event[:-1])
    first = np.flatnonzero(changes)
    if len(first) == len(group):
        return first, rows
    # Only the row known latest counts in each source, and it comes first.
    latest = changes.copy()
    latest[1:] |= rows.source[1:] != rows.source[:-1]
    instants = rows.take(first)
    number = np.cumsum(changes) - 1
    others = np.flatnonzero(latest & ~changes)
    for rank in range(1, len(SOURCE_PRIORITY) + 1):
        chosen = others[rows.source[others] == rank]
        target = instants.readings[number[chosen]]
        instants.readings[number[chosen]] = np.where(np.isnan(target), rows.readings[chosen], target)
    return first, instants
