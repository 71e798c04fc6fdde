"""The entropy of a histogram of the samples."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.histograms import count_ordered, entropy, lay_bins, surprises
from features.kernels.arithmetic.integers import greatest
from features.kernels.block import Block, BoolArray, FloatArray
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters

IntArray = npt.NDArray[np.int64]


class EntropyTables(NamedTuple):
    """What the entropies of histograms need beside the series.

    Parameters
    ----------
    bins : (n_wanted,)
        How many bins each wanted histogram has.
    surprise : (samples + 1,)
        ``-p log p`` by count.
    """

    bins: IntArray
    surprise: FloatArray


def prepare_entropies(wanted: Sequence[Parameters], samples: int) -> EntropyTables:
    """Tabulate the bins and the logarithms."""
    return EntropyTables(np.array([p["max_bins"] for p in wanted], dtype=np.int64), surprises(samples))


def binned_entropy(block: Block, tables: EntropyTables, out: FloatArray) -> BoolArray | None:
    """Give ``-sum(p log p)`` over equal bins from minimum to maximum.

    tsfresh: binned_entropy. In nats; NaN where the range is too small for so many bins. The cost is that of the sorted
    series, which other calculators share; the rest is a bisection for every edge.
    """
    fill_binned_entropies(block.ordered, tables.bins, tables.surprise, out)
    overflows: BoolArray = ~np.isfinite(block.maximum - block.minimum)
    return overflows


def has_bins(parameters: Parameters) -> bool:
    """Say whether the number of bins is one that a histogram can have."""
    bins = parameters["max_bins"]
    return isinstance(bins, int) and 1 <= bins <= 100_000


@compiled
def fill_binned_entropies(ordered: FloatArray, bins: IntArray, surprise: FloatArray, out: FloatArray) -> None:
    """Fill the entropies of sorted series, a row for each number of bins."""
    most = greatest(bins)
    edges, counts = np.empty(most + 1), np.empty(most, np.int64)
    for row in range(ordered.shape[0]):
        series = ordered[row]
        for wanted in range(bins.size):
            laid, counted = edges[: bins[wanted] + 1], counts[: bins[wanted]]
            if lay_bins(series[0], series[-1], laid):
                count_ordered(series, laid, counted)
                out[wanted, row] = entropy(counted, surprise)
            else:
                out[wanted, row] = np.nan


KERNELS: dict[str, Kernel] = {
    "binned_entropy": Kernel(binned_entropy, prepare_entropies, has_bins),
}
