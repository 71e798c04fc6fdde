"""Quantiles of a sorted series and the bins between them, in the rounding of numpy and of pandas.

Both interpolate linearly at ``fraction * (samples - 1)``, with the same rounding; they differ in the fractions. Where
numpy takes the fraction as it is given, `pandas.qcut` rounds those of equal bins up. A sample on an edge changes its
bin when the last bit of the edge does, so each step here is theirs.

References
----------
Hyndman and Fan (1996), "Sample quantiles in statistical packages", doi:10.1080/00031305.1996.10473566, definition 7;
numpy's ``_lerp`` and ``_get_indexes``; pandas' ``qcut`` and ``_bins_to_cuts``.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled

FloatArray = npt.NDArray[np.float64]


def equal_fractions(bins: int) -> FloatArray:
    """Give the fractions of the edges of bins with as many samples each, as ``pandas.qcut`` rounds them.

    Parameters
    ----------
    bins
        How many bins, at least 1.

    Returns
    -------
    (bins + 1,) array
        From 0 to 1. A fraction k / bins that binary numbers cannot hold lies a bit higher than the nearest one.
    """
    fractions: FloatArray = np.linspace(0, 1, bins + 1)
    exact = bins * fractions == np.arange(bins + 1)
    return np.where(exact, fractions, np.nextafter(fractions, 1))


def places_of(fractions: Sequence[float] | FloatArray, samples: int) -> FloatArray:
    """Find where quantiles lie in a sorted series.

    Parameters
    ----------
    fractions
        Each in [0, 1].
    samples
        The length of the series, at least 1.

    Returns
    -------
    array, as long as the fractions
        Each in [0, samples - 1], most of them between two samples: what `quantile_at` wants.
    """
    places: FloatArray = (samples - 1) * np.array(fractions, dtype=np.float64)
    return places


@compiled
def quantile_at(ordered: FloatArray, place: float) -> float:
    """Interpolate a sorted series linearly between two samples, from the nearer of them.

    Parameters
    ----------
    ordered : (samples,)
        Sorted upwards.
    place
        In [0, samples - 1], from `places_of`.

    Returns
    -------
    float
    """
    below = int(place)
    if below >= ordered.size - 1:
        return ordered[ordered.size - 1]
    low, high = ordered[below], ordered[below + 1]
    share = place - below
    # Not one formula for both halves: numpy has these two, and they round differently.
    if share >= 0.5:
        return high - (high - low) * (1 - share)
    return low + (high - low) * share


@compiled
def quantiles_at(ordered: FloatArray, places: FloatArray, quantiles: FloatArray) -> None:
    """Interpolate a sorted series at several places.

    Parameters
    ----------
    ordered : (samples,)
        Sorted upwards.
    places : (m,)
        From `places_of`.
    quantiles : (m,)
        Is filled.
    """
    for i in range(places.size):
        quantiles[i] = quantile_at(ordered, places[i])


@compiled
def are_different(edges: FloatArray) -> bool:
    """Say whether every edge lies above the one before it; ``pandas.qcut`` refuses three or more with equal ones.

    Parameters
    ----------
    edges : (bins + 1,)
        Upwards.

    Returns
    -------
    bool
    """
    different = True
    for i in range(1, edges.size):
        different &= edges[i] > edges[i - 1]
    return different


@compiled
def bin_of(edges: FloatArray, value: float) -> int:
    """Find the bin of a value: (edge, next edge], of which the first also holds its lower edge.

    Parameters
    ----------
    edges : (bins + 1,)
        Upwards.
    value
        Any finite number.

    Returns
    -------
    int
        From 0; -1 for a value under the first edge, the number of bins for one over the last.
    """
    if value == edges[0]:
        return 0
    first, beyond = 0, edges.size
    while first < beyond:
        middle = (first + beyond) // 2
        if edges[middle] < value:
            first = middle + 1
        else:
            beyond = middle
    return first - 1
