"""Telemetry rows, sorted and reconciled to one row an instant, for many windows at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.twins import SOURCE_PRIORITY
from data_contracts.tables.corrections import stored_versions
from features.telemetry.sorted_times import IntArray, microseconds

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Telemetry rows sorted by asset, instant, source (best first), known time and order of storing (latest first)."""

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

    `raw` are the channels to keep; all the `measured` ones break ties between rows that are otherwise equal, such as
    rows that were never stored.
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
    same = _equal_neighbours(keys, order)
    if same.any():
        tied = np.append(same, False) | np.append(False, same)
        group = np.cumsum(np.append(True, ~same))[tied]
        order[tied] = order[tied][_order_of_ties(chosen.iloc[order[tied]], group, measured)]
    return rows.take(order)


def _equal_neighbours(keys: Sequence[IntArray], order: IntArray) -> npt.NDArray[np.bool_]:
    """Mark the rows, but for the last, whose keys are those of the next, (n - 1,)."""
    same = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
    for key in keys:
        ordered = key[order]
        same &= ordered[1:] == ordered[:-1]
    return same


def _order_of_ties(rows: pd.DataFrame, group: IntArray, measured: Sequence[str]) -> IntArray:
    """Order the rows of each group with the one that counts first: the one stored last.

    As in data_contracts.tables.telemetry.reconcile, the largest readings win among rows stored together, null as the
    largest of all.
    """
    readings = rows[list(measured)].to_numpy(dtype=np.float64)
    largest_first = np.where(np.isnan(readings), -np.inf, -readings)
    return np.lexsort([*largest_first.T[::-1], -stored_versions(rows), group])


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
