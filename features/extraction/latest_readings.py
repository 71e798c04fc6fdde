"""The age of features: the latest reading that went into them."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.recipe.recipe import Recipe
from features.telemetry.machines import replaced_since
from features.telemetry.reconciliation import Rows
from features.telemetry.sorted_times import IntArray, microseconds, width

if TYPE_CHECKING:
    from data_contracts.tables.history import History

UNKNOWN = int(np.iinfo(np.int64).min)
"""Stands for a missing instant among microseconds since 1970."""


def latest_readings(history: "History", cut_offs: pd.DataFrame, recipe: Recipe) -> IntArray:
    """Find the latest reading behind the features of each cut-off (columns asset, each once, and as_of), (n,).

    Microseconds since 1970; `UNKNOWN` where no channel has a reading known by the cut-off in the longest window.
    """
    if history.stored is not None:
        found = history.at_cut_offs(cut_offs, lambda block, own: latest_readings(block, own, recipe))
        return found.astype(np.int64, copy=False)
    telemetry, assets = history.telemetry, pd.Index(cut_offs["asset"])
    owner = assets.get_indexer(pd.Index(telemetry["asset"])).astype(np.int64)
    event, known = microseconds(telemetry["event_time"]), microseconds(telemetry["known_time"])
    readings = telemetry[list(recipe.measured_channels)].to_numpy(dtype=np.float64)
    as_of = microseconds(cut_offs["as_of"])
    since = replaced_since(history.assets, assets, np.arange(len(assets)), as_of)
    return _latest(owner, event, known, readings, as_of, recipe, since)


def latest_of_rows(rows: Rows, as_of: IntArray, recipe: Recipe, since: IntArray | None = None) -> IntArray:
    """Find the latest readings as `latest_readings` does, from sorted rows with assets numbered as the cut-offs.

    `since` is `Machines.replaced_since`.
    """
    return _latest(rows.asset, rows.event, rows.known, rows.readings, as_of, recipe, since)


def _latest(
    owner: IntArray,
    event: IntArray,
    known: IntArray,
    readings: npt.NDArray[np.float64],
    as_of: IntArray,
    recipe: Recipe,
    since: IntArray | None,
) -> IntArray:
    latest = np.full(len(as_of), UNKNOWN)
    cut_off = as_of[owner]
    inside = (owner >= 0) & (event > cut_off - width(recipe.lookback)) & (np.maximum(event, known) <= cut_off)
    inside &= ~np.isnan(readings).all(axis=1)
    if since is not None:
        inside &= event >= since[owner]
    np.maximum.at(latest, owner[inside], event[inside])
    return latest
