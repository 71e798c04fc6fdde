"""Where in the window, how many, how long: locations, counts and strikes."""

import numpy as np

from features.kernels.block import Block, BoolArray, FloatArray, row_count
from features.kernels.kernel import Kernel, each, plain


def first_location_of_maximum(block: Block) -> FloatArray:
    """Give the first index of the maximum over n (tsfresh: first_location_of_maximum; one pass)."""
    place: FloatArray = np.argmax(block.series, axis=1) / block.samples
    return place


def last_location_of_maximum(block: Block) -> FloatArray:
    """Give one more than the last index of the maximum over n (tsfresh: last_location_of_maximum; one pass)."""
    place: FloatArray = 1.0 - np.argmax(block.series[:, ::-1], axis=1) / block.samples
    return place


def first_location_of_minimum(block: Block) -> FloatArray:
    """Give the first index of the minimum over n (tsfresh: first_location_of_minimum; one pass)."""
    place: FloatArray = np.argmin(block.series, axis=1) / block.samples
    return place


def last_location_of_minimum(block: Block) -> FloatArray:
    """Give one more than the last index of the minimum over n (tsfresh: last_location_of_minimum; one pass)."""
    place: FloatArray = 1.0 - np.argmin(block.series[:, ::-1], axis=1) / block.samples
    return place


def count_above_mean(block: Block) -> FloatArray:
    """Count samples over the mean (tsfresh: count_above_mean; one pass)."""
    return row_count(block.series > block.mean[:, None])


def count_below_mean(block: Block) -> FloatArray:
    """Count samples under the mean (tsfresh: count_below_mean; one pass)."""
    return row_count(block.series < block.mean[:, None])


def longest_strike_above_mean(block: Block) -> FloatArray:
    """Give the longest run of samples over the mean (tsfresh: longest_strike_above_mean; three passes)."""
    return _longest_run(block.series > block.mean[:, None])


def longest_strike_below_mean(block: Block) -> FloatArray:
    """Give the longest run of samples under the mean (tsfresh: longest_strike_below_mean; three passes)."""
    return _longest_run(block.series < block.mean[:, None])


def count_above(block: Block, t: float) -> FloatArray:
    """Give the share of samples at or over t (tsfresh: count_above; one pass)."""
    return row_count(block.series >= t) / block.samples


def count_below(block: Block, t: float) -> FloatArray:
    """Give the share of samples at or under t (tsfresh: count_below; one pass)."""
    return row_count(block.series <= t) / block.samples


def range_count(block: Block, min: float, max: float) -> FloatArray:  # noqa: A002 - tsfresh's parameters' names
    """Count samples in [min, max) (tsfresh: range_count; one pass)."""
    return row_count((block.series >= min) & (block.series < max))


def value_count(block: Block, value: float) -> FloatArray:
    """Count samples that equal a value, or NaN if that is the value (tsfresh: value_count; one pass)."""
    return row_count(np.isnan(block.series) if np.isnan(value) else block.series == value)


def number_peaks(block: Block, n: int) -> FloatArray:
    """Count samples over their n neighbours on both sides (tsfresh: number_peaks; 2 n passes)."""
    inner = block.samples - 2 * n
    if inner <= 0:
        return block.full(0.0)
    peak = np.ones((block.n, inner), dtype=np.bool_)
    centre = block.series[:, n:-n]
    for shift in range(1, n + 1):
        peak &= centre > block.series[:, n - shift : n - shift + inner]
        peak &= centre > block.series[:, n + shift : n + shift + inner]
    return row_count(peak)


def _longest_run(flags: BoolArray) -> FloatArray:
    """Count, at each sample, the samples since the last false flag; the longest of these counts."""
    place = np.arange(1, flags.shape[1] + 1)
    last_false = np.maximum.accumulate(np.where(flags, 0, place), axis=1)
    longest: FloatArray = np.max(place - last_false, axis=1).astype(np.float64)
    return longest


KERNELS: dict[str, Kernel] = {
    "first_location_of_maximum": plain(first_location_of_maximum),
    "last_location_of_maximum": plain(last_location_of_maximum),
    "first_location_of_minimum": plain(first_location_of_minimum),
    "last_location_of_minimum": plain(last_location_of_minimum),
    "count_above_mean": plain(count_above_mean),
    "count_below_mean": plain(count_below_mean),
    "longest_strike_above_mean": plain(longest_strike_above_mean),
    "longest_strike_below_mean": plain(longest_strike_below_mean),
    "count_above": each(count_above),
    "count_below": each(count_below),
    "range_count": each(range_count),
    "value_count": each(value_count),
    "number_peaks": each(number_peaks),
}
