"""The power density of a series, and its entropy."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.histograms import entropy, surprises
from features.kernels.arithmetic.integers import greatest
from features.kernels.arithmetic.pairwise import pairwise_sum
from features.kernels.block import Block, BoolArray, FloatArray, stage
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters

ComplexArray = npt.NDArray[np.complex128]
IntArray = npt.NDArray[np.int64]

SEGMENT = 256
# Too near to the edge of a bin, as a share of its width; for up to 1000 bins a density's rounding is far less.
NEARNESS = 1e-9


@stage
def welch(block: Block) -> FloatArray:
    """Estimate the power density by averaged periodograms of half-overlapping segments, (n, segment // 2 + 1).

    The segments have at most 256 samples, their mean removed, a Hann window and a scale for unit sampling frequency.
    Every operation is scipy's, in its order, so the bits are, too.

    References
    ----------
    Welch (1967), "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. Audio
    Electroacoustics 15(2), doi:10.1109/TAU.1967.1161901; ``scipy.signal.welch``.
    """
    length = min(block.samples, SEGMENT)
    hop = length - length // 2
    segments = np.empty((block.n, (block.samples - length // 2) // hop, length))
    cut_segments(block.series, welch_window(length), hop, segments)
    density = np.empty((block.n, length // 2 + 1))
    average(np.fft.rfft(segments, axis=2), length % 2 == 0, density)
    return density


@cache
def welch_window(length: int) -> FloatArray:
    """Return the Hann window, scaled to a density."""
    if length == 1:
        return np.ones(1)
    angles = np.linspace(-np.pi, np.pi, length + 1)[:-1]
    window: FloatArray = 0.5 + 0.5 * np.cos(angles)
    return window * (1 / np.sqrt(sum(window**2)))


def spkt_welch_density(block: Block, coefficients: IntArray, out: FloatArray) -> None:
    """Return coefficients of Welch's power density (tsfresh: spkt_welch_density).

    NaN for coefficients beyond it. Costs the transform of the segments, shared with fourier_entropy.
    """
    density = welch(block)
    for row, coefficient in zip(out, coefficients, strict=True):
        row[:] = density[:, coefficient] if coefficient < density.shape[1] else np.nan


def prepare_coefficients(parameters: Sequence[Parameters], _samples: int) -> IntArray:
    """List the requested coefficients."""
    return np.array([p["coeff"] for p in parameters], dtype=np.int64)


def has_coefficient(parameters: Parameters) -> bool:
    """Whether a density may have this coefficient."""
    return isinstance(parameters["coeff"], int) and parameters["coeff"] >= 0


class EntropyTables(NamedTuple):
    """What the entropies of a density need besides it."""

    bins: IntArray  # (n_features,), bins of each histogram
    surprise: FloatArray  # (coefficients + 1,), ``-p log p`` by count


def prepare_entropies(parameters: Sequence[Parameters], samples: int) -> EntropyTables:
    """Tabulate the bins and the logarithms."""
    return EntropyTables(
        np.array([p["bins"] for p in parameters], dtype=np.int64), surprises(min(samples, SEGMENT) // 2 + 1)
    )


def fourier_entropy(block: Block, tables: EntropyTables, out: FloatArray) -> BoolArray:
    """Compute the entropy of a histogram of Welch's power density (tsfresh: fourier_entropy).

    In nats. NaN where the density is zero everywhere except for round-off, that is for a constant. Costs a pass over
    the density for each number of bins; where a density stands on the edge of a bin, scipy's rounding decides.
    """
    doubtful, on_edge = np.zeros(block.n, dtype=np.bool_), np.zeros(out.shape, dtype=np.bool_)
    if not fill_entropies(welch(block), block.constant, tables.bins, tables.surprise, out, doubtful, on_edge):
        return doubtful
    for number, row in np.argwhere(on_edge):
        if not doubtful[row]:
            out[number, row] = entropy_by_scipy(block.series[row], int(tables.bins[number]), tables.surprise)
    return doubtful


def entropy_by_scipy(series: FloatArray, bins: int, surprise: FloatArray) -> float:
    """Compute the entropy of one series that is not constant with the libraries that tsfresh uses."""
    # scipy.signal takes a second to import, and is rarely needed.
    from scipy.signal import welch as welch_of

    density = welch_of(series, nperseg=min(len(series), SEGMENT))[1]
    counts = np.histogram(density / np.max(density), bins=bins)[0]
    return float(surprise[counts].sum())


def has_bins(parameters: Parameters) -> bool:
    """Whether the number of bins is supported."""
    return isinstance(parameters["bins"], int) and 1 <= parameters["bins"] <= 1000


@compiled
def cut_segments(series: FloatArray, window: FloatArray, hop: int, segments: FloatArray) -> None:
    """Cut each series into segments, subtract their means and window them."""
    length = window.size
    begins, sums = np.empty(128, np.int64), np.empty(64)
    for row in range(series.shape[0]):
        for number in range(segments.shape[1]):
            samples = series[row, number * hop : number * hop + length]
            segment = segments[row, number]
            mean = pairwise_sum(samples, length, begins, sums) / length
            for i in range(length):
                segment[i] = (samples[i] - mean) * window[i]


@compiled
def average(transforms: ComplexArray, even: bool, density: FloatArray) -> None:
    """Average the power of the segments; all but the first frequency and the last of an even length count twice."""
    n, segments, frequencies = transforms.shape
    powers, begins, sums = np.empty(segments), np.empty(128, np.int64), np.empty(64)
    unpaired = frequencies - 1 if even else frequencies
    for row in range(n):
        mean = density[row]
        if segments >= 8:
            # numpy sums that many in another order.
            for k in range(frequencies):
                for number in range(segments):
                    powers[number] = power(transforms[row, number, k]) * (2 if 0 < k < unpaired else 1)
                mean[k] = pairwise_sum(powers, segments, begins, sums) / segments
            continue
        mean[:] = 0.0
        for number in range(segments):
            transform = transforms[row, number]
            for k in range(frequencies):
                mean[k] += power(transform[k])
        for k in range(frequencies):
            mean[k] = mean[k] * (2 if 0 < k < unpaired else 1) / segments


@compiled
def power(coefficient: complex) -> float:
    """Return the square of an amplitude."""
    return coefficient.real * coefficient.real + coefficient.imag * coefficient.imag


@compiled
def fill_entropies(
    density: FloatArray,
    constant: BoolArray,
    bins: IntArray,
    surprise: FloatArray,
    out: FloatArray,
    doubtful: BoolArray,
    on_edge: BoolArray,
) -> bool:
    """Compute the entropies of scaled densities, a row for each number of bins; a flat density is doubtful.

    True if any density stands on the edge of a bin.
    """
    frequencies = density.shape[1]
    shares, places = np.empty(frequencies), np.empty(frequencies, np.int64)
    counts, any_on_edge = np.empty(greatest(bins), np.int64), False
    for row in range(density.shape[0]):
        values = density[row]
        highest, lowest = values[0], values[0]
        for k in range(frequencies):
            highest = values[k] if values[k] > highest else highest
            lowest = values[k] if values[k] < lowest else lowest
        # The density of a constant is the rounding of its mean, or zero.
        if constant[row] or not 0 < highest < np.inf:
            out[:, row] = np.nan
            continue
        if highest - lowest < NEARNESS * highest:
            doubtful[row] = True
            continue
        for k in range(frequencies):
            shares[k] = (values[k] - lowest) / (highest - lowest)
        for wanted in range(bins.size):
            counted = counts[: bins[wanted]]
            on_edge[wanted, row] = count_bins(shares, places, counted) > 0
            any_on_edge |= on_edge[wanted, row]
            out[wanted, row] = entropy(counted, surprise)
    return any_on_edge


@compiled
def count_bins(shares: FloatArray, places: IntArray, counts: IntArray) -> int:
    """Count shares of the range in equal bins, and return how many are very near to an inner edge."""
    bins = counts.size
    on_edge = 0
    for k in range(shares.size):
        place = shares[k] * bins
        edge = np.floor(place + 0.5)
        on_edge += int((abs(place - edge) < NEARNESS) & (edge > 0) & (edge < bins))
        places[k] = min(int(place), bins - 1)
    counts[:] = 0
    for k in range(shares.size):
        counts[places[k]] += 1
    return on_edge


KERNELS: dict[str, Kernel] = {
    "spkt_welch_density": Kernel(spkt_welch_density, prepare_coefficients, has_coefficient),
    "fourier_entropy": Kernel(fourier_entropy, prepare_entropies, has_bins),
}
