"""Locations, counts, strikes and peaks."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.integers import greatest
from features.kernels.block import Block, FloatArray, stage
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters, plain

IntArray = npt.NDArray[np.int64]


def first_location_of_maximum(block: Block) -> FloatArray:
    """Return the first index of the maximum over n (tsfresh: first_location_of_maximum; one pass for all locations)."""
    return _places_of_extremes(block)[0] / block.samples


def last_location_of_maximum(block: Block) -> FloatArray:
    """Return one plus the last index of the maximum over n (tsfresh: last_location_of_maximum; shares the pass)."""
    return 1.0 - (block.samples - 1 - _places_of_extremes(block)[1]) / block.samples


def first_location_of_minimum(block: Block) -> FloatArray:
    """Return the first index of the minimum over n (tsfresh: first_location_of_minimum; shares the pass)."""
    return _places_of_extremes(block)[2] / block.samples


def last_location_of_minimum(block: Block) -> FloatArray:
    """Return one plus the last index of the minimum over n (tsfresh: last_location_of_minimum; shares the pass)."""
    return 1.0 - (block.samples - 1 - _places_of_extremes(block)[3]) / block.samples


def has_duplicate_max(block: Block) -> FloatArray:
    """Whether the maximum occurs twice (tsfresh: has_duplicate_max; shares the pass for locations)."""
    first, last, _, _ = _places_of_extremes(block)
    return (first < last).astype(np.float64)


def has_duplicate_min(block: Block) -> FloatArray:
    """Whether the minimum occurs twice (tsfresh: has_duplicate_min; shares the pass for locations)."""
    _, _, first, last = _places_of_extremes(block)
    return (first < last).astype(np.float64)


def count_above_mean(block: Block) -> FloatArray:
    """Count samples above the mean (tsfresh: count_above_mean; one pass for counts and strikes)."""
    return _sides_of_the_mean(block)[0]


def count_below_mean(block: Block) -> FloatArray:
    """Count samples below the mean (tsfresh: count_below_mean; shares the pass)."""
    return _sides_of_the_mean(block)[1]


def longest_strike_above_mean(block: Block) -> FloatArray:
    """Return the longest run of samples above the mean (tsfresh: longest_strike_above_mean; shares the pass)."""
    return _sides_of_the_mean(block)[2]


def longest_strike_below_mean(block: Block) -> FloatArray:
    """Return the longest run of samples below the mean (tsfresh: longest_strike_below_mean; shares the pass)."""
    return _sides_of_the_mean(block)[3]


def count_between(block: Block, bounds: FloatArray, out: FloatArray) -> None:
    """Count samples in [min, max) or equal to a value (tsfresh: range_count, value_count; one pass for each)."""
    count_in_bounds(block.series, bounds, out)


def share_between(block: Block, bounds: FloatArray, out: FloatArray) -> None:
    """Return the share of samples >= t or <= t (tsfresh: count_above, count_below; one pass for each)."""
    count_in_bounds(block.series, bounds, out)
    out /= block.samples


def number_peaks(block: Block, supports: IntArray, out: FloatArray) -> None:
    """Count samples above their n neighbours on both sides (tsfresh: number_peaks; about one pass for all n)."""
    count_peaks(block.series, supports, out)


def query_similarity_count(_block: Block, _tables: None, out: FloatArray) -> None:
    """Return NaN for no query, the only one in tsfresh's sets (tsfresh: query_similarity_count; free)."""
    out[:] = np.nan


@stage
def _places_of_extremes(block: Block) -> FloatArray:
    return places_of_extremes(block.series)


@stage
def _sides_of_the_mean(block: Block) -> FloatArray:
    return sides_of(block.series, block.mean)


def _bounds(lowest_and_highest: Callable[[Parameters], tuple[float, float]]) -> Callable[..., FloatArray]:
    """Make a function that tabulates the lowest and the highest value to count, (m, 2)."""

    def prepare(parameters: Sequence[Parameters], _samples: int) -> FloatArray:
        return np.array([lowest_and_highest(p) for p in parameters], dtype=np.float64)

    return prepare


def _supports(parameters: Sequence[Parameters], _samples: int) -> IntArray:
    return np.array([p["n"] for p in parameters], dtype=np.int64)


@compiled
def places_of_extremes(series: FloatArray) -> FloatArray:
    """Find first and last index of the maximum, first and last index of the minimum of each series, (4, n)."""
    n, samples = series.shape
    out = np.empty((4, n))
    for row in range(n):
        x = series[row]
        largest, smallest = x[0], x[0]
        first_largest, last_largest, first_smallest, last_smallest = 0, 0, 0, 0
        for i in range(1, samples):
            if x[i] >= largest:
                first_largest = i if x[i] > largest else first_largest
                largest, last_largest = x[i], i
            if x[i] <= smallest:
                first_smallest = i if x[i] < smallest else first_smallest
                smallest, last_smallest = x[i], i
        out[0, row], out[1, row] = first_largest, last_largest
        out[2, row], out[3, row] = first_smallest, last_smallest
    return out


@compiled
def sides_of(series: FloatArray, level: FloatArray) -> FloatArray:
    """Count the samples above and below a level (n,), and the longest runs above and below, (4, n)."""
    n, samples = series.shape
    out = np.empty((4, n))
    for row in range(n):
        x = series[row]
        middle = level[row]
        above, below = 0, 0
        for i in range(samples):
            above += x[i] > middle
            below += x[i] < middle
        run_above, run_below, longest_above, longest_below = 0, 0, 0, 0
        for i in range(samples):
            run_above = run_above + 1 if x[i] > middle else 0
            run_below = run_below + 1 if x[i] < middle else 0
            longest_above = max(longest_above, run_above)
            longest_below = max(longest_below, run_below)
        out[0, row], out[1, row] = above, below
        out[2, row], out[3, row] = longest_above, longest_below
    return out


@compiled
def count_in_bounds(series: FloatArray, bounds: FloatArray, out: FloatArray) -> None:
    """Count the samples between pairs of bounds (m, 2), both included, into `out` (m, n)."""
    n, samples = series.shape
    for row in range(n):
        x = series[row]
        for j in range(len(bounds)):
            lowest, highest = bounds[j, 0], bounds[j, 1]
            inside = 0
            for i in range(samples):
                inside += (x[i] >= lowest) & (x[i] <= highest)
            out[j, row] = inside


@compiled
def count_peaks(series: FloatArray, supports: IntArray, out: FloatArray) -> None:
    """Count the peaks of several supports (m,), each at least 1, into `out` (m, n).

    Step by step outwards, samples below a neighbour drop out of a list of candidates.
    """
    n, samples = series.shape
    widest = min(greatest(supports), samples)
    # Infinity on both sides: a sample whose support reaches beyond the edge is no peak.
    padded = np.full(samples + 2 * widest, np.inf)
    # Unsigned, so that indexing does not check for negative numbers.
    candidates = np.empty(samples, np.uint64)
    peaks = np.empty(widest + 1, np.int64)
    for row in range(n):
        x = series[row]
        padded[widest : widest + samples] = x
        for i in range(samples):
            candidates[i] = i
        kept, support = samples, 0
        while kept > 0 and support < widest:
            support += 1
            before, after = padded[widest - support :], padded[widest + support :]
            left, kept = kept, 0
            for candidate in range(left):
                i = candidates[candidate]
                candidates[kept] = i
                kept += (x[i] > before[i]) & (x[i] > after[i])
            peaks[support] = kept
        for j in range(supports.size):
            # No candidates left after some steps means none after more.
            out[j, row] = peaks[min(supports[j], support)]


KERNELS: dict[str, Kernel] = {
    "first_location_of_maximum": plain(first_location_of_maximum),
    "last_location_of_maximum": plain(last_location_of_maximum),
    "first_location_of_minimum": plain(first_location_of_minimum),
    "last_location_of_minimum": plain(last_location_of_minimum),
    "has_duplicate_max": plain(has_duplicate_max),
    "has_duplicate_min": plain(has_duplicate_min),
    "count_above_mean": plain(count_above_mean),
    "count_below_mean": plain(count_below_mean),
    "longest_strike_above_mean": plain(longest_strike_above_mean),
    "longest_strike_below_mean": plain(longest_strike_below_mean),
    "count_above": Kernel(share_between, _bounds(lambda p: (p["t"], np.inf))),
    "count_below": Kernel(share_between, _bounds(lambda p: (-np.inf, p["t"]))),
    # The largest number below max makes [min, max) a closed range.
    "range_count": Kernel(count_between, _bounds(lambda p: (p["min"], np.nextafter(p["max"], -np.inf)))),
    "value_count": Kernel(count_between, _bounds(lambda p: (p["value"], p["value"]))),
    "number_peaks": Kernel(number_peaks, _supports, lambda p: bool(p["n"] >= 1)),
    "query_similarity_count": Kernel(query_similarity_count, supports=lambda p: p.get("query") is None),
}
