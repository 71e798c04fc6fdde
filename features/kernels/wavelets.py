"""Coefficients of a continuous wavelet transform: a product with the wavelets' impulse responses."""

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
# So many series stand side by side, a sample a row: the products then run along contiguous memory.
TILE = 64
# The tolerance that every feature has against tsfresh.
RELATIVE, ABSOLUTE = 1e-6, 1e-10
# pywt takes differences of products with the wavelet's integral; a few roundings of their sum of absolute values.
_ROUNDINGS = 4 * 2.0**-53


class ImpulseTables(NamedTuple):
    """The rows of the transform's matrix that are wanted.

    Parameters
    ----------
    widths, places : tuple of float, tuple of int
        The wavelet's width and the place of each coefficient.
    weights : (n_wanted, longest)
        The weights of the samples from the first one that counts.
    begins, ends : (n_wanted,)
        The samples that count; none for a coefficient beyond the series.
    rounding : (n_wanted,)
        By how much pywt's own value may be off, as a share of the largest sample.
    """

    widths: tuple[float, ...]
    places: tuple[int, ...]
    weights: FloatArray
    begins: IntArray
    ends: IntArray
    rounding: FloatArray


def impulse_response(width: float) -> FloatArray:
    """Transform an impulse with pywt.

    Parameters
    ----------
    width
        The wavelet's scale.

    Returns
    -------
    (2 reach + 1,) array
        The impulse stands in the middle.
    """
    reach = int(_REACH * width) + 2
    impulse = np.zeros(2 * reach + 1)
    impulse[reach] = 1.0
    return transform(impulse, width)


def transform(series: FloatArray, width: float) -> FloatArray:
    """Transform one series with pywt, as tsfresh does.

    Parameters
    ----------
    series : (samples,)
        The series.
    width
        The wavelet's scale.

    Returns
    -------
    (samples,) array
    """
    # pywt takes a tenth of a second to load: only those who want these coefficients wait for it.
    import pywt

    made: FloatArray = pywt.cwt(series, scales=(width,), wavelet="mexh")[0][0]
    return made


def prepare_impulses(wanted: Sequence[Parameters], samples: int) -> ImpulseTables:
    """Write the rows of the transform's matrix: one impulse response a width, shifted."""
    responses = {width: impulse_response(width) for width in {p["w"] for p in wanted}}
    longest = min(samples, max(len(response) for response in responses.values()))
    weights, rounding = np.zeros((len(wanted), longest)), np.zeros(len(wanted))
    begins, ends = np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.int64)
    for row, parameters in enumerate(wanted):
        response, place = responses[parameters["w"]], parameters["coeff"]
        if place >= samples:
            continue
        reach = len(response) // 2
        begin, end = max(place - reach, 0), min(place + reach + 1, samples)
        begins[row], ends[row] = begin, end
        weights[row, : end - begin] = response[::-1][begin - place + reach : end - place + reach]
        rounding[row] = _ROUNDINGS * np.abs(np.cumsum(response)).sum()
    widths, places = tuple(p["w"] for p in wanted), tuple(p["coeff"] for p in wanted)
    return ImpulseTables(widths, places, weights, begins, ends, rounding)


def cwt_coefficients(block: Block, tables: ImpulseTables, out: FloatArray) -> None:
    """Give coefficients of the transform with the Mexican hat.

    The value at place c for width w is ``sum(x[m] psi((m - c) / w)) / sqrt(w)``, with pywt's samples of psi. tsfresh:
    cwt_coefficients. NaN at places beyond the series. Costs one multiplication a sample within 8 widths, for every
    coefficient. A value so small beside its terms that rounding shows is pywt's own.
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
    """Say whether the transform is one that pywt can make of any series."""
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
    """Fill one row for each coefficient, a tile of series at a time; doubt values that are little but rounding.

    Says whether any is doubtful.
    """
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
    """Follow the largest absolute sample of each series."""
    for row in range(column.size):
        size = abs(column[row])
        largest[row] = size if size > before[row] else before[row]


@compiled
def weigh(columns: FloatArray, weights: FloatArray, begin: int, end: int, values: FloatArray) -> None:
    """Sum the weighted samples of a tile of series, each in the order of time: its sum does not see the others."""
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
