"""Peaks that stand out at several widths: ridge lines through a wavelet transform.

The transform is computed at most twice. A fast one uses the symmetry of the wavelets. The counts depend on comparisons
only (which value is a local maximum, which is louder than the noise), so they are right unless two compared values
differ by no more than the rounding of either transform. Such a series is transformed again by the very call that scipy
makes, and counted exactly. Mirrored stretches of quantised sensors are the usual case.

References
----------
Du, Kibbe and Lin (2006), "Improved peak detection in mass spectrum by incorporating continuous wavelet transform-based
pattern matching", Bioinformatics 22(17), doi:10.1093/bioinformatics/btl355; ``scipy.signal.find_peaks_cwt``, whose
defaults these are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.kernels.block import Block, BoolArray, FloatArray
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters

IntArray = npt.NDArray[np.int64]
BytesArray = npt.NDArray[np.int8]

WIDEST = 20
PAIRS_AT_ONCE = 5
# Transforms are padded to multiples of this: values left over by vector instructions would take longer than they do.
WHOLE_VECTORS = 16
# A line ends when it has missed more than one width.
LONGEST_GAP = 1
NOISE_SHARE = 10 / 100.0
UNKNOWN, LOUD, QUIET, UNSURE = 0, 1, 2, 3
_ROUNDING = 2.0**-53
# Above this many products scipy may convolve by FFT, with different rounding.
_DIRECT_PRODUCTS = 3_000_000


class RidgeTables(NamedTuple):
    """What ridge lines need besides the series."""

    largest_widths: IntArray  # (n_features,), the largest width of each count
    # (widths + 1, pairs), half of each wavelet from its middle outwards, then zeros; the last row is zero
    weights: FloatArray
    sizes: IntArray  # (widths,), points of each wavelet
    # (widths,), how much two sums of the same products may differ, as a share of the largest sample
    rounding: FloatArray
    wavelets: tuple[FloatArray, ...]  # the whole wavelets, as scipy convolves with them


def ricker(points: int, width: int) -> FloatArray:
    """Sample the Ricker wavelet of a width at points one apart, centred on 0, with tsfresh's own operations."""
    squares = (np.arange(0, points) - (points - 1.0) / 2) ** 2
    height = 2 / (np.sqrt(3 * width) * (np.pi**0.25))
    wave: FloatArray = height * (1 - squares / width**2) * np.exp(-squares / (2 * width**2))
    return wave


def prepare_ridges(parameters: Sequence[Parameters], samples: int) -> RidgeTables:
    """Sample the wavelets of all widths up to the largest."""
    largest = np.array([p["n"] for p in parameters], dtype=np.int64)
    widths = range(1, int(largest.max()) + 1)
    wavelets = tuple(ricker(min(10 * width, samples), width)[::-1] for width in widths)
    sizes = np.array([len(wave) for wave in wavelets], dtype=np.int64)
    most = -(-(int(sizes.max()) // 2 + 1) // PAIRS_AT_ONCE) * PAIRS_AT_ONCE
    weights = np.zeros((len(wavelets) + 1, most))
    for row, wave in zip(weights, wavelets, strict=False):
        half = wave[len(wave) // 2 :]
        row[: len(half)] = half
        if len(wave) % 2:
            row[0] /= 2  # the middle point makes a pair with itself
    # Each of two compared values, in each of two transforms, is off by n roundings of the sum of absolute products.
    rounding = np.array([4 * (len(wave) + 4) * _ROUNDING * np.abs(wave).sum() for wave in wavelets])
    return RidgeTables(largest, weights, sizes, rounding, wavelets)


def number_cwt_peaks(block: Block, tables: RidgeTables, out: FloatArray) -> BoolArray | None:
    """Count the ridge lines that are long and loud enough, for widths 1 to n (tsfresh: number_cwt_peaks).

    A ridge line joins the maxima of the transform from the largest width down, each within a quarter of the width of
    the one before; it counts when it has a maximum at a quarter of the widths and its last one is no smaller than the
    10 % quantile of the narrowest transform around it. Costs 25 multiplications a width and a sample for widths up to
    5.
    """
    if block.samples * int(tables.sizes.max()) > _DIRECT_PRODUCTS:
        return np.ones(block.n, dtype=np.bool_)
    doubtful = np.zeros(block.n, dtype=np.bool_)
    largest = np.maximum(np.abs(block.minimum), np.abs(block.maximum))
    count_quickly(block.series, largest, *tables[:4], out, doubtful)
    for row in np.flatnonzero(doubtful):
        series = block.series[row]
        transform = np.array([np.convolve(series, wave, "same") for wave in tables.wavelets])
        slack = tables.rounding * largest[row]
        count_exactly(transform, tables.largest_widths, slack, out, int(row))
    return None


def has_width(parameters: Parameters) -> bool:
    """Whether the largest width is supported."""
    return isinstance(parameters["n"], int) and 1 <= parameters["n"] <= WIDEST


@compiled
def count_quickly(
    series: FloatArray,
    largest: FloatArray,
    wanted: IntArray,
    weights: FloatArray,
    sizes: IntArray,
    rounding: FloatArray,
    out: FloatArray,
    doubtful: BoolArray,
) -> None:
    """Count the ridge lines of each series, given its largest absolute sample, and flag those that rounding decides."""
    samples, widths, margin = series.shape[1], sizes.size, weights.shape[1]
    room = -(-samples // WHOLE_VECTORS) * WHOLE_VECTORS
    padded, transform, slack = np.zeros(room + 2 * margin), np.empty((widths + 1, room)), np.empty(widths)
    maxima, counts = np.empty((widths, samples), np.int64), np.empty(widths, np.int64)
    lines, place = np.empty((4, widths * samples), np.int64), np.full(samples + 2 * widths, -1)
    verdicts = np.empty(samples, np.int8)
    for row in range(series.shape[0]):
        x = series[row]
        padded[margin : margin + samples] = x
        transform_series(padded, margin, weights, sizes, transform)
        sure = True
        for width in range(widths):
            slack[width] = rounding[width] * largest[row]
            values = transform[width][:samples]
            counts[width] = find_maxima(values, maxima[width])
            sure = sure and not may_round(values, slack[width], x, sizes[width])
        verdicts[:] = UNKNOWN
        for number in range(wanted.size):
            if sure:
                join_lines(maxima, counts, wanted[number], lines, place)
                found = count_lines(transform, slack, False, wanted[number], lines, verdicts)
                out[number, row] = found
                sure = found >= 0
        doubtful[row] = not sure


@compiled
def count_exactly(transform: FloatArray, wanted: IntArray, slack: FloatArray, out: FloatArray, row: int) -> None:
    """Count the ridge lines of one series from scipy's own transform of it."""
    widths, samples = transform.shape
    maxima, counts = np.empty((widths, samples), np.int64), np.empty(widths, np.int64)
    lines, place = np.empty((4, widths * samples), np.int64), np.full(samples + 2 * widths, -1)
    verdicts = np.full(samples, UNKNOWN, np.int8)
    for width in range(widths):
        counts[width] = find_maxima(transform[width], maxima[width])
    for number in range(wanted.size):
        join_lines(maxima, counts, wanted[number], lines, place)
        out[number, row] = count_lines(transform, slack, True, wanted[number], lines, verdicts)


@compiled
def transform_series(
    padded: FloatArray, margin: int, weights: FloatArray, sizes: IntArray, transform: FloatArray
) -> None:
    """Convolve a series with all wavelets, two at a time, as both need the sums of two samples at one distance."""
    transform[:] = 0.0
    spare = sizes.size  # a row of zero weights, paired with a wavelet without a partner
    wide = sizes.size - 1
    while wide >= 0:
        odd = sizes[wide] % 2
        narrow = wide - 1 if wide > 0 and sizes[wide - 1] % 2 == odd else spare
        pairs = (sizes[wide] + 1) // 2
        for k in range(0, pairs, PAIRS_AT_ONCE):
            add_five_pairs(padded, margin - 1 + odd - k, margin + k, weights, k, wide, narrow, transform)
        wide = narrow - 1 if narrow < spare else wide - 1


@compiled
def add_five_pairs(
    padded: FloatArray,
    left: int,
    right: int,
    weights: FloatArray,
    k: int,
    wide: int,
    narrow: int,
    transform: FloatArray,
) -> None:
    """Add five pairs of samples, weighted, to two transforms, every sum in the same order.

    So equal samples give equal values anywhere in the series.
    """
    of_wide, of_narrow = transform[wide], transform[narrow]
    n = of_wide.size
    l0, r0 = padded[left : left + n], padded[right : right + n]
    l1, r1 = padded[left - 1 : left - 1 + n], padded[right + 1 : right + 1 + n]
    l2, r2 = padded[left - 2 : left - 2 + n], padded[right + 2 : right + 2 + n]
    l3, r3 = padded[left - 3 : left - 3 + n], padded[right + 3 : right + 3 + n]
    l4, r4 = padded[left - 4 : left - 4 + n], padded[right + 4 : right + 4 + n]
    a0, a1, a2 = weights[wide, k], weights[wide, k + 1], weights[wide, k + 2]
    a3, a4 = weights[wide, k + 3], weights[wide, k + 4]
    b0, b1, b2 = weights[narrow, k], weights[narrow, k + 1], weights[narrow, k + 2]
    b3, b4 = weights[narrow, k + 3], weights[narrow, k + 4]
    for i in range(n):
        p0, p1, p2, p3, p4 = l0[i] + r0[i], l1[i] + r1[i], l2[i] + r2[i], l3[i] + r3[i], l4[i] + r4[i]
        of_wide[i] += (a0 * p0 + a1 * p1) + (a2 * p2 + a3 * p3) + a4 * p4
        of_narrow[i] += (b0 * p0 + b1 * p1) + (b2 * p2 + b3 * p3) + b4 * p4


@compiled
def find_maxima(values: FloatArray, positions: IntArray) -> int:
    """List the inner values larger than both neighbours, each written before it is known to count."""
    found = 0
    before, here, after = values[:-2], values[1:-1], values[2:]
    for i in range(values.size - 2):
        positions[found] = i + 1
        found += int((here[i] > before[i]) & (here[i] > after[i]))
    return found


@compiled
def may_round(values: FloatArray, slack: float, x: FloatArray, size: int) -> bool:
    """Whether a maximum depends on two neighbours that differ by less than the rounding of the transform.

    It does not where the series is constant under both wavelets (the sums are equal in every transform), nor at the
    bottom of a valley.
    """
    n, near = values.size, 0
    here, after = values[:-1], values[1:]
    for i in range(n - 1):
        near += int(abs(after[i] - here[i]) < slack)
    if near == 0:
        return False
    ahead, last_change = (size - 1) // 2 + 1, 0
    for i in range(1 - ahead, n - 1):
        right = i + ahead
        if 1 <= right < n and x[right] != x[right - 1]:
            last_change = right
        if i >= 0 and abs(values[i + 1] - values[i]) < slack:
            stands_still = right < n and last_change <= right - size and right >= size
            valley = 0 < i < n - 2 and values[i - 1] - values[i] > slack and values[i + 2] - values[i + 1] > slack
            if not (stands_still or valley):
                return True
    return False


@compiled
def join_lines(maxima: IntArray, counts: IntArray, widths: int, lines: IntArray, place: IntArray) -> None:
    """Join the maxima from the largest width down to ridge lines.

    `maxima` and `counts` are positions and number of the maxima at each width. `lines` (4, n) gets last position, last
    width and length; the last row is scratch, and ``lines[3, -1]`` the number of lines. `place` (samples + 2 margins,)
    is scratch: which line ended at a position; -1 everywhere, before and after.
    """
    column, bottom, length, target = lines[0], lines[1], lines[2], lines[3]
    margin, n_lines = (place.size - maxima.shape[1]) // 2, 0
    for width in range(widths - 1, -1, -1):
        reach = (width + 1) // 4
        # All maxima see the lines as they ended at larger widths, so finding and joining are two passes.
        for k in range(counts[width]):
            target[k] = nearest_line(place, margin + maxima[width, k], reach, bottom, width + 1 + LONGEST_GAP)
        for k in range(counts[width]):
            is_new = target[k] < 0
            line = n_lines if is_new else target[k]
            end = maxima[width, k]
            place[margin + (end if is_new else column[line])] = -1
            place[margin + end] = line
            length[line] = 1 + (0 if is_new else length[line])
            column[line], bottom[line] = end, width
            n_lines += int(is_new)
    for line in range(n_lines):
        place[margin + column[line]] = -1
    lines[3, -1] = n_lines


@compiled
def nearest_line(place: IntArray, position: int, reach: int, bottom: IntArray, oldest: int) -> int:
    """Find the line that ended nearest to a position, the older of a tie; -1 when none is in reach."""
    line = place[position]
    line = -1 if bottom[line] > oldest else line
    if line >= 0 or reach == 0:
        return line
    for distance in range(1, reach + 1):
        left, right = place[position - distance], place[position + distance]
        left = -1 if bottom[left] > oldest else left
        right = -1 if bottom[right] > oldest else right
        if left >= 0 and right >= 0:
            return min(left, right)
        if left >= 0 or right >= 0:
            return max(left, right)
    return -1


@compiled
def count_lines(
    transform: FloatArray, slack: FloatArray, exact: bool, widths: int, lines: IntArray, verdicts: BytesArray
) -> int:
    """Count the lines that are long and loud enough; -1 when rounding may decide one of them."""
    narrowest, shortest = transform[0][: verdicts.size], (widths + 3) // 4
    found = 0
    for line in range(lines[3, -1]):
        if lines[2, line] < shortest:
            continue
        column, width = lines[0, line], lines[1, line]
        if width > 0:
            verdict = judge(narrowest, column, transform[width, column], slack[0] + slack[width], exact, 0)
        else:
            if verdicts[column] == UNKNOWN:
                verdicts[column] = judge(narrowest, column, narrowest[column], slack[0], exact, 1)
            verdict = verdicts[column]
        if verdict == UNSURE:
            return -1
        found += int(verdict == LOUD)
    return found


@compiled
def judge(narrowest: FloatArray, column: int, value: float, slack: float, exact: bool, itself: int) -> int:
    """Compare the end of a line with the 10 % quantile of the narrowest transform around it: LOUD, QUIET or UNSURE.

    Two counts nearly always decide: of the values below -|value| and of those above |value|. `slack` is a difference
    that rounding may cause; in an `exact` transform, scipy's own, rounding decides as it does there. `itself` is 1 when
    the value is one of those around it, otherwise 0.
    """
    samples = narrowest.size
    window = (samples + 19) // 20
    around = narrowest[max(column - window // 2, 0) : min(column + window // 2 + window % 2, samples)]
    n, size = around.size, abs(value)
    below, above, near = 0, 0, 0
    for i in range(n):
        below += int(around[i] < -size)
        above += int(around[i] > size)
        near += int(abs(abs(around[i]) - size) <= slack)
    rank = NOISE_SHARE * (n - 1)
    low = int(rank)
    high = low if low == rank else low + 1
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
    """Interpolate between the largest value below a limit and the smallest at or above it."""
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


KERNELS: dict[str, Kernel] = {
    "number_cwt_peaks": Kernel(number_cwt_peaks, prepare_ridges, has_width),
}
