"""Which columns a detector learns from: not those that are constant or drift through the healthy span.

No label is used. The level of a channel that wanders lies tomorrow where it never lay before: it would alarm for ever.
Such a column is known by how much of its variance lies between contiguous blocks of the healthy span, rather than
within them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from models.anomalies.blocks import block_numbers

Matrix = npt.NDArray[np.float64]
Times = npt.NDArray[np.float64]

MOST_BETWEEN = 0.8
"""A column drifts if more of its variance than this lies between the blocks, and more than chance puts there.

A straight line has 0.96 of it between five blocks, half of all random walks 0.8 or more.
"""
_BY_CHANCE = 0.01  # how often noise is taken for a drift
MOST_MISSING = 0.5
_BLOCKS = 5
_NORMAL = 1.4826  # the standard deviation of a normal variable in median absolute deviations
_FURTHEST = 1e6  # in scales: beyond it squares would lose what other columns say


@dataclass(frozen=True)
class Screening:
    """The columns that a detector learns from, with their centre and scale, and why the others are left out."""

    kept: npt.NDArray[np.intp]  # indices of columns
    centre: npt.NDArray[np.float64]  # of the kept columns: medians
    scale: npt.NDArray[np.float64]
    left_out: Mapping[int, str]  # by the index of the column: "constant", "missing", "drifts"

    def standardize(self, x: Matrix) -> Matrix:
        """Return the kept columns of rows (n, n_columns) in scales from their centres; 0 where missing."""
        z = (x[:, self.kept] - self.centre) / self.scale
        return np.where(np.isnan(z), 0.0, np.clip(z, -_FURTHEST, _FURTHEST))


def screen(
    x: Matrix,
    times: Times,
    assets: npt.NDArray[np.intp] | None = None,
    *,
    window: float = 0.0,
    most_between: float = MOST_BETWEEN,
) -> Screening:
    """Choose columns by the rows (n, n_columns) of a healthy span; `assets` numbers the asset of each row.

    Rows describe windows, whose length is in the unit of the times.
    """
    reasons: dict[int, str] = {}
    between = variance_between_blocks(x, times, assets)
    most_between = max(most_between, between_by_chance(float(np.ptp(times)), window))
    for column in range(x.shape[1]):
        values = x[:, column]
        missing = float(np.isnan(values).mean())
        if missing > MOST_MISSING:
            reasons[column] = "missing"
        elif np.nanmin(values) == np.nanmax(values):
            reasons[column] = "constant"
        elif between[column] > most_between:
            reasons[column] = "drifts"
    kept = np.array([column for column in range(x.shape[1]) if column not in reasons], dtype=np.intp)
    centre, scale = centre_and_scale(x[:, kept])
    return Screening(kept, centre, scale, reasons)


def variance_between_blocks(x: Matrix, times: Times, assets: npt.NDArray[np.intp] | None = None) -> Matrix:
    """Return the share of each column's variance within assets that lies between blocks of time; (n_columns,).

    The median over assets of their own shares: one asset that was repaired does not make a channel drift.
    """
    codes = np.zeros(len(x), dtype=np.intp) if assets is None else assets
    shares = []
    for asset in np.unique(codes):
        own = codes == asset
        if own.sum() >= 2 * _BLOCKS:
            shares.append(_share_between(x[own], block_numbers(times[own], _BLOCKS)))
    return np.zeros(x.shape[1]) if not shares else np.asarray(np.median(shares, axis=0))


def between_by_chance(span: float, window: float) -> float:
    """Return the share of its variance that noise averaged over windows exceeds once in a hundred times.

    Such rows are worth as many independent ones as two thirds of a window fit into the span.
    """
    independent = 1.5 * span / window if window > 0 else np.inf
    if not np.isfinite(independent):
        return 0.0
    freedom = max(independent - _BLOCKS, 0.1)
    return float(stats.beta.isf(_BY_CHANCE, (_BLOCKS - 1) / 2, freedom / 2))


def centre_and_scale(x: Matrix) -> tuple[Matrix, Matrix]:
    """Return medians and robust standard deviations of columns that are neither constant nor all missing.

    The median absolute deviation is zero where most values are equal; then the standard deviation is used.
    """
    centre = np.nanmedian(x, axis=0) if x.size else np.zeros(x.shape[1])
    robust = _NORMAL * np.nanmedian(np.abs(x - centre), axis=0) if x.size else np.ones(x.shape[1])
    spread = np.nanstd(x, axis=0) if x.size else np.ones(x.shape[1])
    scale = np.where(robust > 1e-3 * spread, robust, spread)
    return centre, np.where(scale > 0, scale, 1.0)


def _share_between(x: Matrix, blocks: npt.NDArray[np.intp]) -> Matrix:
    known = ~np.isnan(x)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0.0).sum(axis=0) / count
    away = np.where(known, x - mean, 0.0)
    between = np.zeros(x.shape[1])
    for block in np.unique(blocks):
        rows = blocks == block
        counted = np.maximum(known[rows].sum(axis=0), 1)
        between += away[rows].sum(axis=0) ** 2 / counted
    total = (away**2).sum(axis=0)
    return np.asarray(np.where(total > 0, between / np.where(total > 0, total, 1.0), 0.0))
