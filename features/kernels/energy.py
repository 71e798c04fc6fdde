"""The distribution of energy and mass over the window."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.pairwise import pairwise_sum
from features.kernels.block import Block, FloatArray
from features.kernels.compilation import compiled, compiled_sums
from features.kernels.kernel import Kernel, Parameters

IntArray = npt.NDArray[np.int64]


def energy_ratio_by_chunks(block: Block, chunks: IntArray, out: FloatArray) -> None:
    """Divide the energy of a chunk by that of all (tsfresh: energy_ratio_by_chunks; one pass and the chunks).

    ``sum(x[begin:end]**2) / sum(x**2)``, NaN without energy; the chunks are those of `numpy.array_split`.
    """
    energy_ratios(block.series, chunks, out)


def index_mass_quantile(block: Block, shares: FloatArray, out: FloatArray) -> None:
    """Return the part of the window that holds the share q of ``sum(|x|)`` (tsfresh: index_mass_quantile; two passes).

    NaN when all samples are zero. Total and running sum have numpy's rounding, as a sample exactly at the share
    decides.
    """
    mass_quantiles(block.series, shares, out)


def _has_chunk(p: Parameters) -> bool:
    return bool(0 <= p["segment_focus"] < p["num_segments"])


def _chunks(parameters: Sequence[Parameters], samples: int) -> IntArray:
    """Tabulate the first sample of each chunk and the one after its last, (m, 2)."""
    chunks = np.empty((len(parameters), 2), dtype=np.int64)
    for number, p in enumerate(parameters):
        least, longer = divmod(samples, p["num_segments"])
        # The first chunks are one sample longer until nothing is left over.
        chunks[number] = [least * k + min(k, longer) for k in (p["segment_focus"], p["segment_focus"] + 1)]
    return chunks


def _shares(parameters: Sequence[Parameters], _samples: int) -> FloatArray:
    return np.array([p["q"] for p in parameters], dtype=np.float64)


@compiled_sums
def energy_of(x: FloatArray) -> float:
    """Sum the squares."""
    energy = 0.0
    for i in range(x.size):
        energy += x[i] * x[i]
    return energy


@compiled
def energy_ratios(series: FloatArray, chunks: IntArray, out: FloatArray) -> None:
    """Divide the energies of chunks (m, 2) by that of each series, into `out` (m, n)."""
    for row in range(len(series)):
        x = series[row]
        energy = energy_of(x)
        for j in range(len(chunks)):
            part = energy_of(x[chunks[j, 0] : chunks[j, 1]])
            out[j, row] = part / energy if energy > 0 else np.nan


@compiled
def mass_quantiles(series: FloatArray, shares: FloatArray, out: FloatArray) -> None:
    """Find where the running sum of absolute samples reaches shares (m,) of the total, over n, into `out` (m, n)."""
    n, samples = series.shape
    mass = np.empty(samples)
    begins, sums = np.empty(128, np.int64), np.empty(64)
    for row in range(n):
        x = series[row]
        for i in range(samples):
            mass[i] = abs(x[i])
        total = pairwise_sum(mass, samples, begins, sums)
        for i in range(1, samples):
            mass[i] += mass[i - 1]
        for j in range(shares.size):
            place = first_reaching(mass, total, shares[j])
            out[j, row] = (place + 1) / samples if total > 0 else np.nan


@compiled
def first_reaching(running: FloatArray, total: float, share: float) -> int:
    """Find the first running sum that reaches a share of the total, by bisection; 0 when none does, as `numpy.argmax`.

    The total may differ from the last running sum by rounding.
    """
    first, beyond = 0, running.size
    while first < beyond:
        middle = (first + beyond) // 2
        if running[middle] / total >= share:
            beyond = middle
        else:
            first = middle + 1
    return first if first < running.size else 0


KERNELS: dict[str, Kernel] = {
    "energy_ratio_by_chunks": Kernel(energy_ratio_by_chunks, _chunks, _has_chunk),
    "index_mass_quantile": Kernel(index_mass_quantile, _shares),
}
