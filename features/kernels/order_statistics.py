"""Extremes, median, quantiles and duplicates: what depends on the sorted window."""

import numpy as np

from features.kernels.block import Block, BoolArray, FloatArray, row_count, row_sum
from features.kernels.kernel import Kernel, each, plain


def maximum(block: Block) -> FloatArray:
    """Give ``max(x)`` (tsfresh: maximum; one pass)."""
    return block.maximum


def minimum(block: Block) -> FloatArray:
    """Give ``min(x)`` (tsfresh: minimum; one pass)."""
    return block.minimum


def absolute_maximum(block: Block) -> FloatArray:
    """Give ``max(|x|)`` (tsfresh: absolute_maximum; shares both extremes)."""
    return np.maximum(np.abs(block.maximum), np.abs(block.minimum))


def median(block: Block) -> FloatArray:
    """Give the middle of the sorted samples, or the mean of the two (tsfresh: median; shares one sort)."""
    lower, upper = (block.samples - 1) // 2, block.samples // 2
    ordered = block.ordered
    middle: FloatArray = ordered[:, lower] if lower == upper else (ordered[:, lower] + ordered[:, upper]) / 2
    return middle


def quantile(block: Block, q: float) -> FloatArray:
    """Interpolate the q quantile linearly between sorted samples (tsfresh: quantile; shares one sort).

    The two branches are numpy's own, so that the last bit agrees.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"the quantile {q:g} does not lie between 0 and 1")
    place = q * (block.samples - 1)
    below = int(np.floor(place))
    above = min(below + 1, block.samples - 1)
    share = place - below
    low: FloatArray = block.ordered[:, below]
    high: FloatArray = block.ordered[:, above]
    value: FloatArray = low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)
    return value


def symmetry_looking(block: Block, r: float) -> FloatArray:
    """Say whether ``|mean(x) - median(x)| < r * (max(x) - min(x))`` (tsfresh: symmetry_looking; shares all)."""
    return (np.abs(block.mean - median(block)) < r * (block.maximum - block.minimum)).astype(np.float64)


def mean_n_absolute_max(block: Block, number_of_maxima: int) -> FloatArray:
    """Average the n largest ``|x|``, NaN unless there are more samples (tsfresh: mean_n_absolute_max; one sort)."""
    if block.samples <= number_of_maxima:
        return block.full(np.nan)
    largest = np.sort(np.abs(block.series), axis=1)[:, -number_of_maxima:]
    return row_sum(largest) / number_of_maxima


def has_duplicate(block: Block) -> FloatArray:
    """Say whether a value occurs twice (tsfresh: has_duplicate; shares one sort)."""
    return (row_count(_repeats(block)) > 0).astype(np.float64)


def has_duplicate_max(block: Block) -> FloatArray:
    """Say whether the maximum occurs twice (tsfresh: has_duplicate_max; one pass)."""
    return (row_count(block.series == block.maximum[:, None]) >= 2).astype(np.float64)


def has_duplicate_min(block: Block) -> FloatArray:
    """Say whether the minimum occurs twice (tsfresh: has_duplicate_min; one pass)."""
    return (row_count(block.series == block.minimum[:, None]) >= 2).astype(np.float64)


def ratio_value_number_to_time_series_length(block: Block) -> FloatArray:
    """Divide the number of different values by n (tsfresh: ratio_value_number_to_time_series_length; one sort)."""
    return (block.samples - row_count(_repeats(block))) / block.samples


def percentage_of_reoccurring_values_to_all_values(block: Block) -> FloatArray:
    """Give the share of different values that occur twice or more (tsfresh's name is the same; one sort)."""
    repeats = _repeats(block)
    return row_count(_first_repeats(repeats)) / (block.samples - row_count(repeats))


def percentage_of_reoccurring_datapoints_to_all_datapoints(block: Block) -> FloatArray:
    """Give the share of samples whose value occurs twice or more (tsfresh's name is the same; one sort)."""
    repeats = _repeats(block)
    return (row_count(repeats) + row_count(_first_repeats(repeats))) / block.samples


def sum_of_reoccurring_values(block: Block) -> FloatArray:
    """Add up, once each, the values that occur twice or more (tsfresh: sum_of_reoccurring_values; one sort)."""
    return row_sum(np.where(_first_repeats(_repeats(block)), block.ordered[:, 1:], 0.0))


def sum_of_reoccurring_data_points(block: Block) -> FloatArray:
    """Add up all samples whose value occurs twice or more (tsfresh: sum_of_reoccurring_data_points; one sort)."""
    repeats = _repeats(block)
    return row_sum(np.where(repeats, block.ordered[:, 1:], 0.0)) + sum_of_reoccurring_values(block)


def _repeats(block: Block) -> BoolArray:
    """Flag each sorted sample but the first that equals the one before it, (n, samples - 1)."""
    same: BoolArray = block.ordered[:, 1:] == block.ordered[:, :-1]
    return same


def _first_repeats(repeats: BoolArray) -> BoolArray:
    """Flag the first repetition of each value."""
    first = repeats.copy()
    first[:, 1:] &= ~repeats[:, :-1]
    return first


KERNELS: dict[str, Kernel] = {
    "maximum": plain(maximum),
    "minimum": plain(minimum),
    "absolute_maximum": plain(absolute_maximum),
    "median": plain(median),
    "quantile": each(quantile),
    "symmetry_looking": each(symmetry_looking),
    "mean_n_absolute_max": each(mean_n_absolute_max),
    "has_duplicate": plain(has_duplicate),
    "has_duplicate_max": plain(has_duplicate_max),
    "has_duplicate_min": plain(has_duplicate_min),
    "ratio_value_number_to_time_series_length": plain(ratio_value_number_to_time_series_length),
    "percentage_of_reoccurring_values_to_all_values": plain(percentage_of_reoccurring_values_to_all_values),
    "percentage_of_reoccurring_datapoints_to_all_datapoints": plain(
        percentage_of_reoccurring_datapoints_to_all_datapoints
    ),
    "sum_of_reoccurring_values": plain(sum_of_reoccurring_values),
    "sum_of_reoccurring_data_points": plain(sum_of_reoccurring_data_points),
}
