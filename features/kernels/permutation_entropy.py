"""Permutation entropy: how evenly the orders of a few consecutive samples are distributed.

Equal samples are ordered by time (stable ties), on every processor. tsfresh sorts by numpy's default, whose order of
ties depends on the processor: its values for tied series differ between machines, and ours are those of machines
without a vectorised sort.

References
----------
Bandt & Pompe (2002), "Permutation entropy: a natural complexity measure for time series", Phys. Rev. Lett. 88, 174102.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.integers import greatest
from features.kernels.block import Block, FloatArray
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters

Codes = npt.NDArray[np.int32]
Counts = npt.NDArray[np.uint32]
Integers = npt.NDArray[np.int64]

# 8! = 40,320 patterns are counted in an array that fits the cache; 9! are not.
_LONGEST_PATTERN = 8


# Entropies are added up as whole numbers of 2**-58: exactly, in one cycle each, whatever the order. None reaches 16.
_UNIT = 2.0**-58
# Patterns coded at a time: those left over by vector instructions would take longer than they do.
_WHOLE_VECTORS = 16


@dataclass(frozen=True)
class _Patterns:
    """What the requested entropies need for a number of samples."""

    dimensions: Integers  # (n_features,), samples in a pattern
    strides: Integers  # (n_features,), from the start of one pattern to the start of the next
    surprise: Integers  # (n_features, samples + 1), -p log p of a pattern that occurs c times, in units, at [c]
    rise: Integers  # how much one more occurrence changes `surprise`


def _prepare(parameters: Sequence[Parameters], samples: int) -> _Patterns:
    dimensions = np.array([p["dimension"] for p in parameters], dtype=np.int64)
    strides = np.array([p["tau"] for p in parameters], dtype=np.int64)
    patterns = np.maximum((samples - dimensions) // strides + 1, 1)
    # More occurrences than there are patterns do not occur.
    share = np.minimum(np.arange(1, samples + 2) / patterns[:, None], 1.0)
    surprise = np.zeros((len(parameters), samples + 2), dtype=np.int64)
    surprise[:, 1:] = np.rint(-share * np.log(share) / _UNIT)
    return _Patterns(dimensions, strides, surprise[:, :-1].copy(), np.diff(surprise))


def _supports(parameters: Parameters) -> bool:
    dimension, tau = parameters["dimension"], parameters["tau"]
    return isinstance(dimension, int) and isinstance(tau, int) and 2 <= dimension <= _LONGEST_PATTERN and tau >= 1


def permutation_entropy(block: Block, patterns: _Patterns, out: FloatArray) -> None:
    """Compute ``-sum(p log p)`` over the orders of `dimension` consecutive samples.

    tsfresh: permutation_entropy(tau, dimension); a pattern starts at every tau-th sample. One comparison a sample and
    dimension for all dimensions up to the longest, and two visits to a table of counts; Bandt & Pompe (2002).
    """
    codes = factorial(patterns.dimensions.max())
    _fill_entropies(block.series, patterns.dimensions, patterns.strides, patterns.surprise, patterns.rise, codes, out)


@compiled
def _fill_entropies(
    series: FloatArray,
    dimensions: Integers,
    strides: Integers,
    surprise: Integers,
    rise: Integers,
    codes: int,
    out: FloatArray,
) -> None:
    # Lehmer's code of a pattern: for each of its samples the later ones that are smaller, in the factorial number
    # system. One sample more lengthens every pattern by one comparison, and its tail is a pattern already coded.
    n, samples = series.shape
    longest = greatest(dimensions)
    room = -(-samples // _WHOLE_VECTORS) * _WHOLE_VECTORS
    x = np.zeros(room + longest)
    smaller_later = np.empty(room, np.int32)
    code = np.zeros(room + 1, np.int32)
    counts = np.zeros(codes, np.uint32)
    for row in range(n):
        x[:samples] = series[row]
        smaller_later[:] = 0
        code[:] = 0
        arrangements = 1
        for dimension in range(2, longest + 1):
            starts = samples - dimension + 1
            _lengthen(x, dimension, arrangements, smaller_later, code)
            arrangements *= dimension
            for k in range(len(dimensions)):
                if dimensions[k] == dimension:
                    out[k, row] = _entropy(code, starts, strides[k], arrangements, surprise, rise, k, counts)


@compiled
def _lengthen(x: FloatArray, dimension: int, arrangements: int, smaller_later: Codes, code: Codes) -> None:
    # `arrangements` of a pattern one shorter, (dimension - 1)!
    newest, weight = x[dimension - 1 :], np.int32(arrangements)
    for i in range(len(smaller_later)):
        smaller_later[i] += np.int32(newest[i] < x[i])
    for i in range(len(smaller_later)):
        code[i] = smaller_later[i] * weight + code[i + 1]


@compiled
def _entropy(
    code: Codes, starts: int, stride: int, codes: int, surprise: Integers, rise: Integers, k: int, counts: Counts
) -> float:
    # `counts` is zero before and after. A row of a table would be counted in and out by every call: that takes longer.
    if starts <= 0:
        return np.nan
    entropy = 0
    if 2 * codes * stride <= starts:
        for i in range(0, starts, stride):
            counts[np.uint32(code[i])] += np.uint32(1)
        for pattern in range(codes):
            entropy += surprise[k, counts[pattern]]
            counts[pattern] = 0
        return entropy * _UNIT
    for i in range(0, starts, stride):
        place = np.uint32(code[i])
        count = counts[place]
        entropy += rise[k, count]
        counts[place] = count + np.uint32(1)
    for i in range(0, starts, stride):
        counts[np.uint32(code[i])] = 0
    return entropy * _UNIT


KERNELS: dict[str, Kernel] = {"permutation_entropy": Kernel(permutation_entropy, _prepare, _supports)}
