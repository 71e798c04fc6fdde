"""Extremes, median, quantiles and duplicates: what depends on the sorted window."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.pairwise import pairwise_sum
from features.kernels.arithmetic.quantiles import places_of, quantile_at
from features.kernels.block import Block, FloatArray, stage
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters, plain

IntArray = npt.NDArray[np.int64]


def maximum(block: Block) -> FloatArray:
    """Return ``max(x)`` (tsfresh: maximum; one pass)."""
    return block.maximum


def minimum(block: Block) -> FloatArray:
    """Return ``min(x)`` (tsfresh: minimum; one pass)."""
    return block.minimum


def absolute_maximum(block: Block) -> FloatArray:
    """Return ``max(|x|)`` (tsfresh: absolute_maximum; shares both extremes)."""
    return np.maximum(np.abs(block.maximum), np.abs(block.minimum))


def median(block: Block) -> FloatArray:
    """Return the middle of the sorted samples, or the mean of the two (tsfresh: median; shares one sort)."""
    lower, upper = (block.samples - 1) // 2, block.samples // 2
    ordered = block.ordered
    middle: FloatArray = ordered[:, lower] if lower == upper else (ordered[:, lower] + ordered[:, upper]) / 2
    return middle


def quantile(block: Block, places: FloatArray, out: FloatArray) -> None:
    """Interpolate the q quantile linearly between sorted samples (tsfresh: quantile; shares one sort)."""
    all_quantiles(block.ordered, places, out)


def symmetry_looking(block: Block, radii: FloatArray, out: FloatArray) -> None:
    """Whether ``|mean(x) - median(x)| < r * (max(x) - min(x))`` (tsfresh: symmetry_looking; shares all)."""
    np.less(np.abs(block.mean - median(block)), radii[:, None] * (block.maximum - block.minimum), out=out)


def mean_n_absolute_max(block: Block, numbers: IntArray, out: FloatArray) -> None:
    """Average the n largest ``|x|``, NaN unless there are more samples (tsfresh: mean_n_absolute_max; one sort)."""
    mean_of_largest(block.ordered, numbers, out)


def has_duplicate(block: Block) -> FloatArray:
    """Whether a value occurs twice (tsfresh: has_duplicate; one sort and one pass for all of these)."""
    different, *_ = _repetitions(block)
    return (different < block.samples).astype(np.float64)


def ratio_value_number_to_time_series_length(block: Block) -> FloatArray:
    """Divide the number of different values by n (tsfresh: ratio_value_number_to_time_series_length; shares)."""
    different, *_ = _repetitions(block)
    return different / block.samples


def percentage_of_reoccurring_values_to_all_values(block: Block) -> FloatArray:
    """Return the share of different values that occur twice or more (tsfresh's name is the same; shares)."""
    different, values, *_ = _repetitions(block)
    return values / different


def percentage_of_reoccurring_datapoints_to_all_datapoints(block: Block) -> FloatArray:
    """Return the share of samples whose value occurs twice or more (tsfresh's name is the same; shares)."""
    _, _, points, *_ = _repetitions(block)
    return points / block.samples


def sum_of_reoccurring_values(block: Block) -> FloatArray:
    """Add up, once each, the values that occur twice or more (tsfresh: sum_of_reoccurring_values; shares)."""
    *_, sum_of_values, _ = _repetitions(block)
    return sum_of_values


def sum_of_reoccurring_data_points(block: Block) -> FloatArray:
    """Add up all samples whose value occurs twice or more (tsfresh: sum_of_reoccurring_data_points; shares)."""
    *_, sum_of_points = _repetitions(block)
    return sum_of_points


@stage
def _repetitions(block: Block) -> FloatArray:
    return repetitions(block.ordered)


def _places(parameters: Sequence[Parameters], samples: int) -> FloatArray:
    for p in parameters:
        if not 0 <= p["q"] <= 1:
            raise ValueError(f"the quantile {p['q']:g} does not lie between 0 and 1")
    return places_of([p["q"] for p in parameters], samples)


def _radii(parameters: Sequence[Parameters], _samples: int) -> FloatArray:
    return np.array([p["r"] for p in parameters], dtype=np.float64)


def _numbers(parameters: Sequence[Parameters], _samples: int) -> IntArray:
    return np.array([p["number_of_maxima"] for p in parameters], dtype=np.int64)


@compiled
def all_quantiles(ordered: FloatArray, places: FloatArray, out: FloatArray) -> None:
    """Interpolate each sorted series at places (m,) from `places_of`, into `out` (m, n)."""
    for row in range(len(ordered)):
        for j in range(places.size):
            out[j, row] = quantile_at(ordered[row], places[j])


@compiled
def mean_of_largest(ordered: FloatArray, numbers: IntArray, out: FloatArray) -> None:
    """Average the samples furthest from zero, at the two ends of the sorted series, into `out` (m, n).

    `numbers` (m,) are at least 1; NaN where there are not more samples than that.
    """
    n, samples = ordered.shape
    for row in range(n):
        x = ordered[row]
        for j in range(numbers.size):
            if numbers[j] >= samples:
                out[j, row] = np.nan
                continue
            first, last, total = 0, samples - 1, 0.0
            for _ in range(numbers[j]):
                if -x[first] > x[last]:
                    total -= x[first]
                    first += 1
                else:
                    total += x[last]
                    last -= 1
            out[j, row] = total / numbers[j]


@compiled
def repetitions(ordered: FloatArray) -> FloatArray:
    """Count distinct values, repeated ones and their samples, and sum repeated values and samples, (5, n).

    The sums are numpy's to the last bit, as cancellation may leave nothing else.
    """
    n, samples = ordered.shape
    out = np.empty((5, n))
    values, points = np.empty(samples), np.empty(samples)
    begins, sums = np.empty(128, np.int64), np.empty(64)
    for row in range(n):
        x = ordered[row]
        different = 1 + count_steps(x)
        repeated_values, repeated_points = 0, 0
        sum_of_values, sum_of_points = 0.0, 0.0
        if different < samples:
            first, value = 0, 0
            while first < samples:
                beyond = first + 1
                while beyond < samples and x[beyond] == x[first]:
                    beyond += 1
                times = beyond - first
                repeated = times > 1
                repeated_values += repeated
                repeated_points += times if repeated else 0
                values[value] = x[first] if repeated else 0.0
                points[value] = times * x[first] if repeated else 0.0
                value += 1
                first = beyond
            sum_of_values = pairwise_sum(values, different, begins, sums)
            sum_of_points = pairwise_sum(points, different, begins, sums)
        out[0, row], out[1, row], out[2, row] = different, repeated_values, repeated_points
        out[3, row], out[4, row] = sum_of_values, sum_of_points
    return out


@compiled
def count_steps(ordered: FloatArray) -> int:
    """Count the samples of a sorted series that differ from the one before."""
    before, after = ordered[: ordered.size - 1], ordered[1 : ordered.size]
    steps = 0
    for i in range(before.size):
        steps += after[i] != before[i]
    return steps


KERNELS: dict[str, Kernel] = {
    "maximum": plain(maximum),
    "minimum": plain(minimum),
    "absolute_maximum": plain(absolute_maximum),
    "median": plain(median),
    "quantile": Kernel(quantile, _places),
    "symmetry_looking": Kernel(symmetry_looking, _radii),
    "mean_n_absolute_max": Kernel(mean_n_absolute_max, _numbers, lambda p: bool(p["number_of_maxima"] > 0)),
    "has_duplicate": plain(has_duplicate),
    "ratio_value_number_to_time_series_length": plain(ratio_value_number_to_time_series_length),
    "percentage_of_reoccurring_values_to_all_values": plain(percentage_of_reoccurring_values_to_all_values),
    "percentage_of_reoccurring_datapoints_to_all_datapoints": plain(
        percentage_of_reoccurring_datapoints_to_all_datapoints
    ),
    "sum_of_reoccurring_values": plain(sum_of_reoccurring_values),
    "sum_of_reoccurring_data_points": plain(sum_of_reoccurring_data_points),
}
