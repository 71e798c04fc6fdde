"""Entropies of templates: how often two matching stretches still match for one more sample.

Two templates of m samples match when no sample of the one is further than a tolerance from its counterpart in the
other. The samples within the tolerance of x[i] are neighbours in the sorted series (rounding keeps the order of
differences), so the sets of their times are differences of two prefixes of the sorted series: bits of 64 times a word.
One set shifted by a sample and intersected with the next lengthens the templates by one; the sizes are exact integers.

References
----------
Pincus (1991), "Approximate entropy as a measure of system complexity", PNAS 88(6);
Richman & Moorman (2000), "Physiological time-series analysis using approximate entropy and sample entropy",
Am. J. Physiol. Heart Circ. Physiol. 278(6).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from features.kernels.block import Block, BoolArray, FloatArray, stage
from features.kernels.compilation import compiled, compiled_sums
from features.kernels.kernel import Kernel, Parameters

Integers = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]

# Words of 64 times held at once: with 2,048 samples their sets fill half a megabyte.
_WORDS_AT_ONCE = 16
# A template lengthened this often still needs no more bits than one word beyond the words held at once.
_LONGEST = 32
# Finite when multiplied by the largest finite deviation, about 1e154.
_LARGEST_SHARE = 1e100
_SAMPLE_SHARE, _SAMPLE_LENGTH = 0.2, 2


def _count_ones(_context: Any, _word: Any) -> Any:
    return types.uint64(types.uint64), lambda _target, builder, _signature, arguments: builder.ctpop(arguments[0])


# Counts the bits set in a word by the processor's own instruction, which numba does not expose.
_ones: Any = intrinsic(_count_ones)


@stage
def _order(block: Block) -> Integers:
    """Sort the times of each series by value; the order of ties does not matter."""
    return np.argsort(block.series, axis=1)


@compiled
def _add_up(
    series: FloatArray, order: Integers, tolerances: FloatArray, length: int, worth: FloatArray, sums: FloatArray
) -> None:
    # For each series, tolerance, and templates of `length` and of one sample more: sum over all templates the worth of
    # their number of matches.
    n, samples = series.shape
    wanted, words = tolerances.shape[1], (samples + 63) // 64
    at_once = min(words, _WORDS_AT_ONCE)
    ordered = np.empty(samples + 1)
    begins, ends = np.empty((wanted, samples + 1), np.int32), np.empty((wanted, samples + 1), np.int32)
    left, right = np.empty(wanted, np.uint64), np.empty(wanted, np.uint64)
    prefixes = np.zeros((samples + 1, at_once + 1), np.uint64)
    alike = np.zeros((samples + 1, at_once + 1), np.uint64)
    counts = np.empty((wanted, 2, samples), np.int32)
    for row in range(n):
        for k in range(samples):
            ordered[k] = series[row, order[row, k]]
        ordered[samples] = np.inf
        _find_neighbours(ordered, tolerances[row], left, right, begins, ends)
        counts[:] = 0
        for first in range(0, words, at_once):
            _collect(order[row], first, prefixes)
            for k in range(wanted):
                _match(prefixes, order[row], begins[k], ends[k], alike)
                for shorter in range(1, length - 1):
                    _lengthen(alike, samples - shorter)
                _count(alike, samples - length + 1, counts[k])
        for k in range(wanted):
            sums[0, k, row] = _total_worth(counts[k, 0], samples - length + 1, worth[0])
            sums[1, k, row] = _total_worth(counts[k, 1], samples - length, worth[1])


@compiled
def _find_neighbours(
    ordered: FloatArray, tolerances: FloatArray, left: Words, right: Words, begins: Places, ends: Places
) -> None:
    # Sample k of the sorted series is within the tolerance of those from begins[k] to before ends[k]. Each step moves
    # one end of a window over the sorted series, without a branch; the last write before an end moves is the right one.
    one = np.uint64(1)
    left[:] = 0
    right[:] = 0
    for _ in range(2 * (len(ordered) - 1)):
        for k in range(len(tolerances)):
            first, last = left[k], right[k]
            ends[k, first] = last
            begins[k, last] = first
            within = np.uint64(ordered[last] - ordered[first] <= tolerances[k])
            right[k] = last + within
            left[k] = first + one - within


@compiled
def _collect(order: Integers, first: int, prefixes: Words) -> None:
    # Row k: the times of the k smallest samples, as far as they fall into the words from `first` on.
    for k in range(len(order)):
        before, after = prefixes[k], prefixes[k + 1]
        word = (order[k] >> 6) - first
        bit = np.uint64(1) << np.uint64(order[k] & 63)
        for w in range(prefixes.shape[1]):
            after[w] = before[w] | (bit if w == word else np.uint64(0))


@compiled
def _match(prefixes: Words, order: Integers, begins: Places, ends: Places, alike: Words) -> None:
    # Row i: the times of the samples that match sample i.
    for k in range(len(order)):
        upto, before, row = prefixes[ends[k]], prefixes[begins[k]], alike[order[k]]
        for w in range(len(row)):
            row[w] = upto[w] ^ before[w]


@compiled
def _lengthen(alike: Words, templates: int) -> None:
    # The last word only supplies its lowest bits to the word before it.
    last = alike.shape[1] - 1
    for i in range(templates):
        row, after = alike[i], alike[i + 1]
        for w in range(last):
            row[w] &= (after[w] >> np.uint64(1)) | (after[w + 1] << np.uint64(63))
        row[last] &= after[last] >> np.uint64(1)


@compiled
def _count(alike: Words, templates: int, counts: Places) -> None:
    # From templates one sample shorter to the number of matches, and of matches one sample longer.
    words = alike.shape[1] - 1
    for i in range(templates):
        here, after, after_next = alike[i, :words], alike[i + 1, :words], alike[i + 2, :words]
        rest, rest_next = alike[i + 1, 1:], alike[i + 2, 1:]
        found = longer = np.uint64(0)
        for w in range(words):
            both = here[w] & ((after[w] >> np.uint64(1)) | (rest[w] << np.uint64(63)))
            found += _ones(both)
            longer += _ones(both & ((after_next[w] >> np.uint64(2)) | (rest_next[w] << np.uint64(62))))
        counts[0, i] += np.int32(found)
        counts[1, i] += np.int32(longer)


@compiled_sums
def _total_worth(counts: Places, templates: int, worth: FloatArray) -> float:
    total = 0.0
    for i in range(templates):
        total += worth[counts[i]]
    return total


@dataclass(frozen=True)
class _Group:
    """Approximate entropies of one template length."""

    places: list[int]  # their positions among all requested
    length: int  # samples in the shorter templates, tsfresh's m
    shares: FloatArray  # tolerances as shares of the standard deviation, tsfresh's r
    worth: FloatArray  # (2, samples + 1), log share of c matches at [c], for the shorter and the longer templates


def _prepare(parameters: Sequence[Parameters], samples: int) -> list[_Group]:
    groups = []
    for length in sorted({p["m"] for p in parameters}):
        places = [place for place, p in enumerate(parameters) if p["m"] == length]
        shares = np.array([parameters[place]["r"] for place in places], dtype=np.float64)
        worth = np.zeros((2, samples + 1))
        if samples > length + 1:
            templates = np.array([[samples - length + 1], [samples - length]])
            worth[:, 1:] = np.log(np.arange(1, samples + 1) / templates)
        groups.append(_Group(places, length, shares, worth))
    return groups


def _supports(parameters: Parameters) -> bool:
    m, r = parameters["m"], parameters["r"]
    return isinstance(m, int) and 2 <= m <= _LONGEST and isinstance(r, int | float) and 0 <= r <= _LARGEST_SHARE


def approximate_entropy(block: Block, groups: Sequence[_Group], out: FloatArray) -> BoolArray:
    """Compute ``|phi(m) - phi(m + 1)|``, phi the mean log share of matching templates, self matches included.

    tsfresh: approximate_entropy(m, r), matching within r standard deviations; 0 for m + 1 samples and fewer. A sort,
    then n * n / 64 words of bits for each r; Pincus (1991). Doubtful when the deviation overflows.
    """
    for group in groups:
        if block.samples <= group.length + 1:
            out[group.places] = 0.0
        else:
            shorter, longer = _sums(block, group.shares, group.length, group.worth)
            templates = block.samples - group.length + 1.0
            out[group.places] = np.abs(shorter / templates - longer / (templates - 1.0))
    return ~np.isfinite(block.deviation)


def sample_entropy(block: Block, _tables: None, out: FloatArray) -> BoolArray:
    """Compute ``-log(A / B)`` of the pairs of templates that match for 3 and for 2 samples, self matches excluded.

    tsfresh: sample_entropy, matching within 0.2 standard deviations. Cost as for one approximate_entropy; Richman &
    Moorman (2000). Doubtful when the deviation overflows.
    """
    others = np.tile(np.arange(-1.0, block.samples), (2, 1))
    shorter, longer = _sums(block, np.array([_SAMPLE_SHARE]), _SAMPLE_LENGTH, others)
    out[:] = -np.log(longer / shorter)
    return ~np.isfinite(block.deviation)


def _sums(block: Block, shares: FloatArray, length: int, worth: FloatArray) -> FloatArray:
    tolerances = shares * block.deviation[:, None]
    tolerances[~np.isfinite(tolerances)] = 0.0
    sums = np.empty((2, len(shares), block.n))
    _add_up(block.series, _order(block), tolerances, length, worth, sums)
    return sums


KERNELS: dict[str, Kernel] = {
    "sample_entropy": Kernel(sample_entropy),
    "approximate_entropy": Kernel(approximate_entropy, _prepare, _supports),
}
