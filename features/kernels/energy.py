"""How energy and mass lie along the window."""

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
    """Give the part of the window that holds the share q of ``sum(|x|)`` (tsfresh: index_mass_quantile; two passes).

    NaN when all samples are zero. Total and running sum have numpy's rounding: a sample just on the share decides.
    """
    mass_quantiles(block.series, shares, out)


def _has_chunk(given: Parameters) -> bool:
    return bool(0 <= given["segment_focus"] < given["num_segments"])


def _chunks(wanted: Sequence[Parameters], samples: int) -> IntArray:
    """Make a table (m, 2) of the first sample of each chunk and the one after its last."""
    chunks = np.empty((len(wanted), 2), dtype=np.int64)
    for number, given in enumerate(wanted):
        least, longer = divmod(samples, given["num_segments"])
        # The first chunks are one sample longer until nothing is left over.
        chunks[number] = [least * k + min(k, longer) for k in (given["segment_focus"], given["segment_focus"] + 1)]
    return chunks


def _shares(wanted: Sequence[Parameters], _samples: int) -> FloatArray:
    return np.array([given["q"] for given in wanted], dtype=np.float64)


@compiled_sums
def energy_of(x: FloatArray) -> float:
    """Add up squares.

    Parameters
    ----------
    x : (m,)

    Returns
    -------
    float
    """
    energy = 0.0
    for i in range(x.size):
        energy += x[i] * x[i]
    return energy


@compiled
def energy_ratios(series: FloatArray, chunks: IntArray, out: FloatArray) -> None:
    """Divide the energies of chunks by that of each series.

    Parameters
    ----------
    series : (n, samples)
    chunks : (m, 2)
        First sample, and the one after the last.
    out : (m, n)
        Is filled.
    """
    for row in range(len(series)):
        x = series[row]
        energy = energy_of(x)
        for j in range(len(chunks)):
            part = energy_of(x[chunks[j, 0] : chunks[j, 1]])
            out[j, row] = part / energy if energy > 0 else np.nan


@compiled
def mass_quantiles(series: FloatArray, shares: FloatArray, out: FloatArray) -> None:
    """Find where the running sum of absolute samples reaches shares of the total.

    Parameters
    ----------
    series : (n, samples)
    shares : (m,)
    out : (m, n)
        Is filled with one more than that index, over the number of samples.
    """
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
    """Find the first running sum that is a share of the total or more, by halving.

    Parameters
    ----------
    running : (samples,)
        Rising.
    total
        The total, which may differ from the last running sum by rounding.
    share
        The share.

    Returns
    -------
    int
        Its index; 0 when none is, as `numpy.argmax` has it.
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
