"""Is a value as loud as the noise around it? The noise is the 10 % quantile of its neighbours, interpolated.

Most values are judged by counts in single precision; only numbers that are nearly equal are looked at closely.

References
----------
``scipy.signal.find_peaks_cwt``: ``_filter_ridge_lines`` and ``scoreatpercentile``, whose rounding this has.
"""

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled, compiled_sums

FloatArray = npt.NDArray[np.float64]
SingleArray = npt.NDArray[np.float32]

#: Verdicts.
UNKNOWN, LOUD, QUIET, UNSURE = 0, 1, 2, 3
NOISE_SHARE = 10 / 100.0
# Single precision is good for a first look, except between numbers that differ by so little of themselves.
_ROUGHLY = np.float32(1e-6)
_SMALLEST = 1e-280


@compiled
def roughen(narrowest: FloatArray, largest: float, rough: SingleArray) -> float:
    """Fill the narrowest transform in single precision, scaled by the largest sample; give the scale."""
    scale = 1.0 / largest if largest > _SMALLEST else 0.0
    for i in range(rough.size):
        rough[i] = np.float32(narrowest[i] * scale)
    return scale


@compiled
def judge_roughly(rough: SingleArray, column: int, value: float, slack: float, itself: int) -> int:
    """Do what `judge` does in single precision, where that suffices: LOUD, QUIET or UNKNOWN."""
    first, last = window_around(column, rough.size)
    below, above, near = count_roughly(rough[first:last], np.float32(abs(value)), np.float32(slack))
    low, high = noise_ranks(last - first)
    is_quiet = (below > high) | (last - first - above <= low)
    is_loud = (below <= low) & (last - first - above > high)
    if (near > itself) | (is_quiet == is_loud):
        return UNKNOWN
    return QUIET if is_quiet else LOUD


@compiled_sums
def count_roughly(around: SingleArray, size: np.float32, slack: np.float32) -> tuple[int, int, int]:
    """Count the values below -size, those above it, and those as large or nearly so, of whatever sign."""
    # Counts of single precision are summed twice as many at a time as integers are, and as exactly.
    none, one = np.float32(0.0), np.float32(1.0)
    below, above, near = none, none, none
    slack += _ROUGHLY * size
    for i in range(around.size):
        value = around[i]
        below += one if value < -size else none
        above += one if value > size else none
        near += one if abs(abs(value) - size) <= slack else none
    return int(below), int(above), int(near)


@compiled
def window_around(column: int, samples: int) -> tuple[int, int]:
    """Give the first place of the window that noise is measured in, and the one beyond its last."""
    window = (samples + 19) // 20
    return max(column - window // 2, 0), min(column + window // 2 + window % 2, samples)


@compiled
def noise_ranks(n: int) -> tuple[int, int]:
    """Give the two ranks among n values that their 10 % quantile lies between."""
    rank = NOISE_SHARE * (n - 1)
    low = int(rank)
    return low, low if low == rank else low + 1


@compiled
def judge(narrowest: FloatArray, column: int, value: float, slack: float, exact: bool, itself: int) -> int:
    """Compare the end of a line with the 10 % quantile of the narrowest transform around it: LOUD, QUIET or UNSURE.

    Two counts decide nearly always: of the values below -|value| and of those above |value|. `slack` is a difference
    that rounding may make; in an `exact` transform, scipy's own, rounding decides as it does there. `itself` is 1 when
    the value is one of those around it, otherwise 0.
    """
    first, last = window_around(column, narrowest.size)
    around = narrowest[first:last]
    n, size = around.size, abs(value)
    below, above, near = 0, 0, 0
    for i in range(n):
        below += int(around[i] < -size)
        above += int(around[i] > size)
        near += int(abs(abs(around[i]) - size) <= slack)
    rank = NOISE_SHARE * (n - 1)
    low, high = noise_ranks(n)
    is_quiet = (below > high) | (n - above <= low)
    is_loud = (below <= low) & (n - above > high)
    if (near <= itself) & (is_quiet | is_loud):
        return QUIET if is_quiet else LOUD
    if near > itself:
        if not exact:
            return UNSURE
        ordered = np.sort(around)
        noise = interpolate(ordered[low], ordered[high], rank, low, high)
    else:
        noise = interpolate_at(around, -size if below == high else np.nextafter(size, np.inf), rank, low, high)
        if not exact and abs(size - abs(noise)) <= slack:
            return UNSURE
    return QUIET if abs(value / noise) < 1 else LOUD


@compiled
def interpolate_at(values: FloatArray, limit: float, rank: float, low: int, high: int) -> float:
    """Interpolate between the largest value below a limit and the smallest that is not."""
    down, up = -np.inf, np.inf
    for i in range(values.size):
        is_below = values[i] < limit
        down = values[i] if is_below and values[i] > down else down
        up = values[i] if not is_below and values[i] < up else up
    return interpolate(down, up, rank, low, high)


@compiled
def interpolate(down: float, up: float, rank: float, low: int, high: int) -> float:
    """Interpolate between two order statistics with scipy's operations."""
    if low == high:
        return down
    return (down * (high - rank) + up * (rank - low)) / ((high - rank) + (rank - low))
