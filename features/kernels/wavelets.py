"""Coefficients of a continuous wavelet transform: products with the wavelets' impulse responses."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.integers import greatest
from features.kernels.block import Block, BoolArray, FloatArray
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters

IntArray = npt.NDArray[np.int64]

# pywt samples the Mexican hat from -8 to 8 widths.
_REACH = 8
_WIDEST = 10_000
# Series computed side by side, a sample a row, so that products run along contiguous memory.
TILE = 64
# Every feature's tolerance against tsfresh.
RELATIVE, ABSOLUTE = 1e-6, 1e-10
# pywt takes differences of products with the wavelet's integral; a few roundings of their sum of absolute values.
_ROUNDINGS = 4 * 2.0**-53


class ImpulseTables(NamedTuple):
    """The requested rows of the transform's matrix."""

    widths: tuple[float, ...]  # the wavelet's width for each coefficient
    places: tuple[int, ...]  # where each coefficient stands
    weights: FloatArray  # (n_features, longest), of the samples from the first one that counts
    begins: IntArray  # (n_features,), the first sample that counts
    ends: IntArray  # (n_features,), the one after the last; equal to `begins` for a coefficient beyond the series
    rounding: FloatArray  # (n_features,), the error of pywt's own value, as a share of the largest sample


def impulse_response(width: float) -> FloatArray:
    """Transform an impulse with pywt; it stands in the middle of the result, (2 reach + 1,)."""
    reach = int(_REACH * width) + 2
    impulse = np.zeros(2 * reach + 1)
    impulse[reach] = 1.0
    return transform(impulse, width)


def transform(series: FloatArray, width: float) -> FloatArray:
    """Transform one series with pywt, as tsfresh does."""
    # pywt takes a tenth of a second to import, so only these coefficients import it.
    import pywt

    transformed: FloatArray = pywt.cwt(series, scales=(width,), wavelet="mexh")[0][0]
    return transformed


def prepare_impulses(parameters: Sequence[Parameters], samples: int) -> ImpulseTables:
    """Tabulate the rows of the transform's matrix: one impulse response a width, shifted."""
    responses = {width: impulse_response(width) for width in {p["w"] for p in parameters}}
    longest = min(samples, max(len(response) for response in responses.values()))
    weights, rounding = np.zeros((len(parameters), longest)), np.zeros(len(parameters))
    begins, ends = np.zeros(len(parameters), np.int64), np.zeros(len(parameters), np.int64)
    for row, p in enumerate(parameters):
        response, place = responses[p["w"]], p["coeff"]
        if place >= samples:
            continue
        reach = len(response) // 2
        begin, end = max(place - reach, 0), min(place + reach + 1, samples)
        begins[row], ends[row] = begin, end
        weights[row, : end - begin] = response[::-1][begin - place + reach : end - place + reach]
        rounding[row] = _ROUNDINGS * np.abs(np.cumsum(response)).sum()
    widths, places = tuple(p["w"] for p in parameters), tuple(p["coeff"] for p in parameters)
    return ImpulseTables(widths, places, weights, begins, ends, rounding)


def cwt_coefficients(block: Block, tables: ImpulseTables, out: FloatArray) -> None:
    """Compute coefficients of the transform with the Mexican hat (tsfresh: cwt_coefficients).

    The value at place c for width w is ``sum(x[m] psi((m - c) / w)) / sqrt(w)``, with pywt's samples of psi. NaN at
    places beyond the series. Costs one multiplication a sample within 8 widths, for every coefficient. Where a value is
    so small against its terms that rounding shows, pywt itself is used.
    """
    doubtful = np.empty(out.shape, dtype=np.bool_)
    if not multiply(block.series, tables.weights, tables.begins, tables.ends, tables.rounding, out, doubtful):
        return
    for row in np.flatnonzero(doubtful.any(axis=0)):
        numbers = np.flatnonzero(doubtful[:, row])
        transforms = {width: transform(block.series[row], width) for width in {tables.widths[i] for i in numbers}}
        for i in numbers:
            out[i, row] = transforms[tables.widths[i]][tables.places[i]]


def has_widths(parameters: Parameters) -> bool:
    """Whether pywt can compute the transform for any series."""
    widths, width, place = parameters["widths"], parameters["w"], parameters["coeff"]
    return (
        isinstance(place, int)
        and place >= 0
        and isinstance(widths, (tuple, list))
        and width in widths
        and all(isinstance(each, (int, float)) and 1 <= each <= _WIDEST for each in widths)
    )


@compiled
def multiply(
    series: FloatArray,
    weights: FloatArray,
    begins: IntArray,
    ends: IntArray,
    rounding: FloatArray,
    out: FloatArray,
    doubtful: BoolArray,
) -> bool:
    """Compute coefficients, a tile of series at a time, and flag those that are mostly rounding; true if any is."""
    n, samples = series.shape[0], greatest(ends)
    tile, any_doubtful = min(TILE, n), False
    columns, largest = np.zeros((samples + 1, tile)), np.zeros((samples + 1, tile))
    values, doubts = np.empty(tile), np.empty(tile, np.bool_)
    for first in range(0, n, tile):
        rows = min(tile, n - first)
        for row in range(rows):
            x = series[first + row]
            for i in range(samples):
                columns[i, row] = x[i]
        for i in range(samples):
            track_largest(largest[i], columns[i], largest[i + 1])
        for wanted in range(begins.size):
            begin, end = begins[wanted], ends[wanted]
            weigh(columns, weights[wanted], begin, end, values)
            if end == begin:
                values[:] = np.nan
            doubt_small(values, largest[end], rounding[wanted], doubts)
            for row in range(rows):
                out[wanted, first + row] = values[row]
                doubtful[wanted, first + row] = doubts[row]
                any_doubtful |= doubts[row]
    return any_doubtful


@compiled
def track_largest(before: FloatArray, column: FloatArray, largest: FloatArray) -> None:
    """Update the largest absolute sample of each series."""
    for row in range(column.size):
        size = abs(column[row])
        largest[row] = size if size > before[row] else before[row]


@compiled
def weigh(columns: FloatArray, weights: FloatArray, begin: int, end: int, values: FloatArray) -> None:
    """Sum the weighted samples of a tile of series, each in the order of time, independently of the others."""
    values[:] = 0.0
    whole = end - (end - begin) % 4
    for i in range(begin, whole, 4):
        a, b, c, d = columns[i], columns[i + 1], columns[i + 2], columns[i + 3]
        k = i - begin
        p, q, r, s = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for row in range(values.size):
            values[row] += (p * a[row] + q * b[row]) + (r * c[row] + s * d[row])
    for i in range(whole, end):
        a, p = columns[i], weights[i - begin]
        for row in range(values.size):
            values[row] += p * a[row]


@compiled
def doubt_small(values: FloatArray, largest: FloatArray, rounding: float, doubts: BoolArray) -> None:
    """Flag the values that rounding may change by more than the tolerance."""
    for row in range(values.size):
        doubts[row] = rounding * largest[row] > ABSOLUTE + RELATIVE * abs(values[row])


KERNELS: dict[str, Kernel] = {
    "cwt_coefficients": Kernel(cwt_coefficients, prepare_impulses, has_widths),
}
