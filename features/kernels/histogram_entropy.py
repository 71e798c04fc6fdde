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
    """What histogram entropies need besides the series."""

    bins: IntArray  # (n_features,), bins of each histogram
    surprise: FloatArray  # (samples + 1,), ``-p log p`` by count


def prepare_entropies(parameters: Sequence[Parameters], samples: int) -> EntropyTables:
    """Tabulate the bins and the logarithms."""
    return EntropyTables(np.array([p["max_bins"] for p in parameters], dtype=np.int64), surprises(samples))


def binned_entropy(block: Block, tables: EntropyTables, out: FloatArray) -> BoolArray | None:
    """Compute ``-sum(p log p)`` over equal bins from minimum to maximum (tsfresh: binned_entropy).

    In nats; NaN where the range is too small for that many bins. Costs the sorted series, which other calculators
    share, and a bisection for every edge.
    """
    fill_binned_entropies(block.ordered, tables.bins, tables.surprise, out)
    overflows: BoolArray = ~np.isfinite(block.maximum - block.minimum)
    return overflows


def has_bins(parameters: Parameters) -> bool:
    """Whether a histogram can have this number of bins."""
    bins = parameters["max_bins"]
    return isinstance(bins, int) and 1 <= bins <= 100_000


@compiled
def fill_binned_entropies(ordered: FloatArray, bins: IntArray, surprise: FloatArray, out: FloatArray) -> None:
    """Fill in the entropies of sorted series, a row for each number of bins."""
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
