"""Means of a level and of the following change, in bins of the level, with pandas' quantile bins and averages.

An ill-conditioned fit through the means exposes their last bit, so the sums are in pandas' order: compensated in
general, numpy's own where the bins follow one another.

References
----------
Kahan (1965), "Further remarks on reducing truncation errors", doi:10.1145/363707.363723;
pandas' ``group_mean`` and, since version 3.1, ``BaseGrouper._reduceat_aggregate``.
"""

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.pairwise import pairwise_sum
from features.kernels.compilation import compiled

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@compiled
def leave_out(ordered: FloatArray, value: float, rest: FloatArray) -> None:
    """Copy sorted values (n,) without one of them, into `rest` (n - 1,)."""
    gone, beyond = 0, len(ordered)
    while gone < beyond:
        middle = (gone + beyond) // 2
        if ordered[middle] < value:
            gone = middle + 1
        else:
            beyond = middle
    rest[:gone] = ordered[:gone]
    rest[gone:] = ordered[gone + 1 :]


@compiled
def is_sorted(place: FloatArray) -> bool:
    """Whether a series never returns to a lower bin, given the bin of each sample but the last."""
    i = 1
    while i < place.size and place[i] >= place[i - 1]:
        i += 1
    return i >= place.size


@compiled
def average_runs(
    series: FloatArray,
    place: FloatArray,
    begins: IntArray,
    halves: FloatArray,
    levels: FloatArray,
    changes: FloatArray,
) -> int:
    """Average samples and changes in bins that follow one another, as pandas does by ``numpy.add.reduceat``.

    `place` (samples - 1,), the sorted bin of each sample but the last, is overwritten; `begins` and `halves` are
    scratch of `pairwise_sum`. `levels` and `changes` are filled from the left with the means of non-empty bins, whose
    number is returned.
    """
    used, first = 0, 0
    while first < place.size:
        beyond = first + 1
        while beyond < place.size and place[beyond] == place[first]:
            beyond += 1
        count = beyond - first
        levels[used] = (series[first] + pairwise_sum(series[first + 1 : beyond], count - 1, begins, halves)) / count
        changed = place[first:beyond]
        for i in range(count):
            changed[i] = series[first + i + 1] - series[first + i]
        changes[used] = (changed[0] + pairwise_sum(changed[1:], count - 1, begins, halves)) / count
        used, first = used + 1, beyond
    return used


@compiled
def add(total: float, lost: float, value: float) -> tuple[float, float]:
    """Add to a compensated sum as pandas does; `lost` is the round-off by which `total` is too large."""
    corrected = value - lost
    larger = total + corrected
    lost = larger - total - corrected
    # Beyond the largest number there is nothing to compensate.
    return larger, (lost if lost == lost else 0.0)
