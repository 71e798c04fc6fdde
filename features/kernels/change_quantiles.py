"""Changes inside a corridor between two quantiles.

A change counts when the samples at both its ends lie in the corridor. So for each pair of neighbours two numbers decide
for all corridors at once: the highest lower edge that neither is below, and the lowest upper edge that neither is
above. Sums over pairs are tabulated by these two numbers; sums over the table's corners are the sums of the corridors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.pairwise import pairwise_sum
from features.kernels.arithmetic.quantiles import places_of, quantiles_at
from features.kernels.block import Block, FloatArray
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters

IntArray = npt.NDArray[np.int64]
Levels = npt.NDArray[np.int16]

_AGGREGATES = ("mean", "var")
#: A table's cell holds: how many changes, their sum, the sum of their sizes, the sum of their squares.
COUNT, SUM, SIZES, SQUARES = 0, 1, 2, 3
#: Rounding in a sum of a few thousand terms, in parts of the sum of their sizes.
ROUNDING = 1e-14

# The edges of the corridors in tsfresh's own sets.
_GRID = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Corridors:
    """The corridors of several features."""

    places: FloatArray  # (edges,), where the edges lie in a sorted series
    # (m, 4), lower edge, upper edge, whether changes are absolute, whether to take the variance, not the mean
    features: IntArray


Grids = tuple[tuple[Corridors, IntArray], ...]


def change_quantiles(block: Block, grids: Grids, out: FloatArray) -> None:
    """Compute mean or variance of the changes in a corridor (tsfresh: change_quantiles; one pass for all corridors).

    Over the i with both ``x[i]`` and ``x[i+1]`` in [quantile ql, quantile qh], of ``x[i+1] - x[i]`` or its absolute
    value; 0 when there are none. The quantiles are those of pandas, to the last bit. Where a mean or a variance is
    mostly rounding, numpy's own steps are repeated.
    """
    for corridors, rows in grids:
        filled = out if len(rows) == len(out) else np.empty((len(rows), block.n))
        aggregate_changes(block.series, block.ordered, corridors.places, corridors.features, filled)
        if filled is not out:
            out[rows] = filled


def _prepare(parameters: Sequence[Parameters], samples: int) -> Grids:
    # A corridor's sum is taken over the cells of a grid. tsfresh's corridors share one grid, and any other has its own,
    # so that a value does not depend on the other requested features.
    rows: dict[tuple[float, ...], list[int]] = {}
    for row, p in enumerate(parameters):
        edges = (float(p["ql"]), float(p["qh"]))
        rows.setdefault(_GRID if set(edges) <= set(_GRID) else tuple(sorted(set(edges))), []).append(row)
    return tuple(
        (_corridors(edges, [parameters[row] for row in chosen], samples), np.array(chosen))
        for edges, chosen in rows.items()
    )


def _corridors(edges: tuple[float, ...], parameters: Sequence[Parameters], samples: int) -> Corridors:
    table = [(edges.index(p["ql"]), edges.index(p["qh"]), bool(p["isabs"]), p["f_agg"] == "var") for p in parameters]
    return Corridors(places_of(list(edges), samples), np.array(table, dtype=np.int64))


def _is_supported(p: Parameters) -> bool:
    return p["f_agg"] in _AGGREGATES and 0 <= p["ql"] <= 1 and 0 <= p["qh"] <= 1


@compiled
def aggregate_changes(
    series: FloatArray, ordered: FloatArray, places: FloatArray, wanted: IntArray, out: FloatArray
) -> None:
    """Aggregate the changes of each series inside corridors into `out` (m, n); `wanted` is `Corridors.features`."""
    n, samples = series.shape
    edges = np.empty(places.size)
    reached, within = np.empty(samples, np.int16), np.empty(samples, np.int16)
    table = np.empty((places.size + 1, places.size + 1, 4))
    inside, squares = np.empty(samples), np.empty(samples)
    begins, sums = np.empty(128, np.int64), np.empty(64)
    for row in range(n):
        x = series[row]
        quantiles_at(ordered[row], places, edges)
        find_levels(x, edges, reached, within)
        tabulate(x, reached, within, table)
        add_corners(table)
        for j in range(len(wanted)):
            lower, upper, sizes, spread = wanted[j, 0], wanted[j, 1], wanted[j, 2], wanted[j, 3]
            # A pair is above the lower edge when it has reached one more edge than stand before it.
            cell = table[lower + 1, upper]
            if lower >= upper or cell[COUNT] == 0:
                out[j, row] = 0.0
                continue
            mean = (cell[SIZES] if sizes else cell[SUM]) / cell[COUNT]
            square = cell[SQUARES] / cell[COUNT]
            value = max(square - mean * mean, 0.0) if spread else mean
            scale = square if spread else cell[SIZES] / cell[COUNT]
            # Not the other way round: infinity and NaN are computed as numpy does, too.
            if not ROUNDING * scale < 1e-11 + 1e-7 * abs(value):
                taken = take_changes(x, edges[lower], edges[upper], sizes, inside)
                value = pairwise_sum(inside, taken, begins, sums) / taken
                if spread:
                    for i in range(taken):
                        squares[i] = (inside[i] - value) * (inside[i] - value)
                    value = pairwise_sum(squares, taken, begins, sums) / taken
            out[j, row] = value


@compiled
def find_levels(x: FloatArray, edges: FloatArray, reached: Levels, within: Levels) -> None:
    """Count for each sample the ascending edges that it is not below (`reached`), and those it is above (`within`)."""
    reached[:] = 0
    within[:] = 0
    # Edges outside, samples inside: that runs eight samples at a time.
    for j in range(edges.size):
        edge = edges[j]
        for i in range(x.size):
            reached[i] += x[i] >= edge
            within[i] += x[i] > edge


@compiled
def tabulate(x: FloatArray, reached: Levels, within: Levels, table: FloatArray) -> None:
    """Add each change to the cell of `table` (m + 1, m + 1, 4) of what both its ends have reached and are within."""
    table[:] = 0.0
    for i in range(1, x.size):
        change = x[i] - x[i - 1]
        cell = table[min(reached[i - 1], reached[i]), max(within[i - 1], within[i])]
        cell[COUNT] += 1.0
        cell[SUM] += change
        cell[SIZES] += abs(change)
        cell[SQUARES] += change * change


@compiled
def add_corners(table: FloatArray) -> None:
    """Add to each cell all those that have reached as much or more, and are within as little or less."""
    m = len(table)
    for lower in range(m - 2, -1, -1):
        for upper in range(m):
            for k in range(4):
                table[lower, upper, k] += table[lower + 1, upper, k]
    for lower in range(m):
        for upper in range(1, m):
            for k in range(4):
                table[lower, upper, k] += table[lower, upper - 1, k]


@compiled
def take_changes(x: FloatArray, lowest: float, highest: float, sizes: bool, inside: FloatArray) -> int:
    """Collect the changes inside one corridor at the beginning of `inside` (samples,), and return their number."""
    taken = 0
    for i in range(1, x.size):
        change = x[i] - x[i - 1]
        inside[taken] = abs(change) if sizes else change
        taken += (lowest <= x[i - 1] <= highest) & (lowest <= x[i] <= highest)
    return taken


KERNELS: dict[str, Kernel] = {"change_quantiles": Kernel(change_quantiles, _prepare, _is_supported)}
