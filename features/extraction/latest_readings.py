"""How old features are: the latest reading that went into them."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.recipe.recipe import Recipe
from features.telemetry.reconciliation import Rows
from features.telemetry.sorted_times import IntArray, microseconds, width

if TYPE_CHECKING:
    from data_contracts.tables.history import History

UNKNOWN = int(np.iinfo(np.int64).min)
"""Stands for an instant that there is none of, among microseconds since 1970."""


def latest_readings(history: "History", cut_offs: pd.DataFrame, recipe: Recipe) -> IntArray:
    """Find for each cut-off the latest reading that its features go by.

    Parameters
    ----------
    history
        What is known.
    cut_offs
        Columns ``asset`` and ``as_of``, an asset once.
    recipe
        Which channels are read, and how far back.

    Returns
    -------
    (n,) array
        Microseconds since 1970; `UNKNOWN` where no channel has a reading known by the cut-off in the longest window.
    """
    telemetry = history.telemetry
    owner = pd.Index(cut_offs["asset"]).get_indexer(pd.Index(telemetry["asset"])).astype(np.int64)
    event, known = microseconds(telemetry["event_time"]), microseconds(telemetry["known_time"])
    readings = telemetry[list(recipe.measured_channels)].to_numpy(dtype=np.float64)
    return _latest(owner, event, known, readings, microseconds(cut_offs["as_of"]), recipe)


def latest_of_rows(rows: Rows, as_of: IntArray, recipe: Recipe) -> IntArray:
    """Find for each cut-off the latest reading as `latest_readings` does, from telemetry that is sorted already.

    Parameters
    ----------
    rows
        Telemetry of the measured channels, its assets numbered as the cut-offs.
    as_of : (n,)
        Cut-offs, in microseconds since 1970.
    recipe
        As for `latest_readings`.

    Returns
    -------
    (n,) array
    """
    return _latest(rows.asset, rows.event, rows.known, rows.readings, as_of, recipe)


def _latest(
    owner: IntArray,
    event: IntArray,
    known: IntArray,
    readings: npt.NDArray[np.float64],
    as_of: IntArray,
    recipe: Recipe,
) -> IntArray:
    latest = np.full(len(as_of), UNKNOWN)
    until = as_of[owner]
    inside = (owner >= 0) & (event > until - width(recipe.lookback)) & (np.maximum(event, known) <= until)
    inside &= ~np.isnan(readings).all(axis=1)
    np.maximum.at(latest, owner[inside], event[inside])
    return latest
