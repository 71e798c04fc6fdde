"""The entropy of ordinal patterns: how evenly do the orders occur in which a few consecutive samples stand.

Equal samples stand in the order of time (stable ties), on every processor. tsfresh sorts by numpy's default, which
leaves that order to the processor's sort: its values for tied series differ from one machine to the next, and ours are
those of the machines without a vector sort.

References
----------
Bandt & Pompe (2002), "Permutation entropy: a natural complexity measure for time series", Phys. Rev. Lett. 88, 174102.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np
import numpy.typing as npt

from features.kernels.block import Block, FloatArray
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters

Counts = npt.NDArray[np.int32]
Integers = npt.NDArray[np.int64]

# 8! = 40,320 patterns are counted in an array that fits the cache; 9! are not.
_LONGEST_PATTERN = 8


@dataclass(frozen=True)
class _Patterns:
    """What the wanted entropies need of the number of samples.

    Parameters
    ----------
    dimensions, strides : (n_wanted,)
        Samples in a pattern, and from the start of one pattern to the start of the next.
    surprise : (n_wanted, samples + 1)
        -p log p of a pattern that occurs c times, at [c].
    """

    dimensions: Integers
    strides: Integers
    surprise: FloatArray


def _prepare(wanted: Sequence[Parameters], samples: int) -> _Patterns:
    dimensions = np.array([given["dimension"] for given in wanted], dtype=np.int64)
    strides = np.array([given["tau"] for given in wanted], dtype=np.int64)
    patterns = np.maximum((samples - dimensions) // strides + 1, 1)
    share = np.arange(1, samples + 1) / patterns[:, None]
    surprise = np.zeros((len(wanted), samples + 1))
    surprise[:, 1:] = -share * np.log(share)
    return _Patterns(dimensions, strides, surprise)


def _supports(parameters: Parameters) -> bool:
    dimension, tau = parameters["dimension"], parameters["tau"]
    return isinstance(dimension, int) and isinstance(tau, int) and 2 <= dimension <= _LONGEST_PATTERN and tau >= 1


def permutation_entropy(block: Block, patterns: _Patterns, out: FloatArray) -> None:
    """Give ``-sum(p log p)`` over the orders in which `dimension` consecutive samples stand.

    tsfresh: permutation_entropy(tau, dimension); a pattern starts at every tau-th sample. One comparison a sample and
    dimension for all dimensions up to the longest, and two visits to a table of counts; Bandt & Pompe (2002).
    """
    codes = factorial(patterns.dimensions.max())
    _fill_entropies(block.series, patterns.dimensions, patterns.strides, patterns.surprise, codes, out)


@compiled
def _fill_entropies(
    series: FloatArray, dimensions: Integers, strides: Integers, surprise: FloatArray, codes: int, out: FloatArray
) -> None:
    # Lehmer's code of a pattern: for each of its samples the later ones that are smaller, in the factorial number
    # system. One sample more lengthens every pattern by one comparison, and its tail is a pattern already coded.
    n, samples = series.shape
    longest = dimensions.max()
    smaller_later = np.empty(samples, np.int32)
    code = np.empty(samples, np.int32)
    counts = np.zeros(codes, np.int32)
    for row in range(n):
        smaller_later[:] = 0
        code[:] = 0
        arrangements = 1
        for dimension in range(2, longest + 1):
            starts = samples - dimension + 1
            _lengthen(series[row], dimension, arrangements, smaller_later, code)
            arrangements *= dimension
            for k in range(len(dimensions)):
                if dimensions[k] == dimension:
                    out[k, row] = _entropy(code, starts, strides[k], arrangements, surprise[k], counts)


@compiled
def _lengthen(x: FloatArray, dimension: int, arrangements: int, smaller_later: Counts, code: Counts) -> None:
    # `arrangements` of a pattern one shorter, (dimension - 1)!
    starts = max(len(x) - dimension + 1, 0)
    newest = x[dimension - 1 :]
    weight = np.int32(arrangements)
    for i in range(starts):
        smaller_later[i] += np.int32(newest[i] < x[i])
    tail = code[1:]
    for i in range(starts):
        code[i] = smaller_later[i] * weight + tail[i]


@compiled
def _entropy(code: Counts, starts: int, stride: int, codes: int, surprise: FloatArray, counts: Counts) -> float:
    # `counts` is zero before and after.
    if starts <= 0:
        return np.nan
    for i in range(0, starts, stride):
        counts[code[i]] += 1
    entropy = 0.0
    if codes * stride <= starts:
        for pattern in range(codes):
            entropy += surprise[counts[pattern]]
            counts[pattern] = 0
    else:
        for i in range(0, starts, stride):
            entropy += surprise[counts[code[i]]]
            counts[code[i]] = 0
    return entropy


KERNELS: dict[str, Kernel] = {"permutation_entropy": Kernel(permutation_entropy, _prepare, _supports)}
