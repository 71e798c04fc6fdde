"""Histograms with numpy's own bins, to the last bit: a sample on an edge must fall on numpy's side of it.

References
----------
``numpy.histogram`` and ``numpy.linspace``: an edge is ``first + k * step``, rounded twice; bins are closed on the left,
the last one on both sides.
"""

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@compiled
def lay_bins(lowest: float, highest: float, edges: FloatArray) -> bool:
    """Compute edges (bins + 1,) of equal bins; false where numpy raises because the range is too small for them.

    An empty range is widened by a half on both sides.
    """
    bins = edges.size - 1
    first, last = lowest, highest
    if first == last:
        first -= 0.5
        last += 0.5
    span = last - first
    step = span / bins
    for k in range(bins):
        # numpy has a separate rule for a step that underflows to zero.
        edges[k] = k * step + first if step != 0 else k / bins * span + first
    edges[bins] = last
    rising = True
    for k in range(bins):
        rising &= edges[k] < edges[k + 1]
    return rising


@compiled
def count_ordered(ordered: FloatArray, edges: FloatArray, counts: IntArray) -> None:
    """Count the samples of an ascending series in each bin, by bisection; the edges span all of it."""
    bins, before = counts.size, 0
    for k in range(bins):
        below = ordered.size
        if k < bins - 1:
            low, high = before, ordered.size
            while low < high:
                middle = (low + high) // 2
                if ordered[middle] < edges[k + 1]:
                    low = middle + 1
                else:
                    high = middle
            below = low
        counts[k] = below - before
        before = below


@compiled
def entropy(counts: IntArray, surprise: FloatArray) -> float:
    """Return ``-sum(p log p)`` of a histogram, in nats, given the terms by count from `surprises`."""
    total = 0.0
    for k in range(counts.size):
        total += surprise[counts[k]]
    return total


def surprises(n: int) -> FloatArray:
    """Tabulate ``-p log p`` for the share of c among n, by c, (n + 1,); zero for c = 0."""
    share = np.arange(n + 1) / n
    share[0] = 1.0
    terms: FloatArray = -share * np.log(share)
    return terms
