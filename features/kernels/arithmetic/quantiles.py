"""Quantiles of a sorted series and the bins between them, in the rounding of numpy and of pandas.

Both interpolate linearly at ``fraction * (samples - 1)``, with the same rounding, but at different fractions: numpy
takes the fraction as given, `pandas.qcut` rounds those of equal bins up. A sample on an edge changes its bin when the
last bit of the edge does, so each step here is theirs.

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
    """Return the fractions 0 ... 1 of the edges of equally filled bins, (bins + 1,), as ``pandas.qcut`` rounds them.

    A fraction k / bins that has no exact binary form is slightly above the nearest one.
    """
    fractions: FloatArray = np.linspace(0, 1, bins + 1)
    exact = bins * fractions == np.arange(bins + 1)
    return np.where(exact, fractions, np.nextafter(fractions, 1))


def places_of(fractions: Sequence[float] | FloatArray, samples: int) -> FloatArray:
    """Return where quantiles lie in a sorted series, each in [0, samples - 1], usually between two samples."""
    places: FloatArray = (samples - 1) * np.array(fractions, dtype=np.float64)
    return places


@compiled
def quantile_at(ordered: FloatArray, place: float) -> float:
    """Interpolate an ascending series linearly at a place from `places_of`, starting at the nearer sample."""
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
    """Interpolate an ascending series at several places (m,)."""
    for i in range(places.size):
        quantiles[i] = quantile_at(ordered, places[i])


@compiled
def are_different(edges: FloatArray) -> bool:
    """Whether ascending edges are all distinct; ``pandas.qcut`` rejects three or more with equal ones."""
    different = True
    for i in range(1, edges.size):
        different &= edges[i] > edges[i - 1]
    return different
