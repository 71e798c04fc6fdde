"""The drift of a series: a polynomial through its mean change by level, and where that comes to rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.grouped_means import (
    average_bins,
    average_runs,
    is_sorted,
    leave_out,
    place_in_bins,
    smallest_gap,
)
from features.kernels.arithmetic.polynomials import fit_polynomial, largest_root
from features.kernels.arithmetic.quantiles import are_different, equal_fractions, places_of, quantiles_at
from features.kernels.block import Block, BoolArray, FloatArray, stage
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters
from features.kernels.lapack import fit_as_polyfit, largest_roots

_HIGHEST_DEGREE = 5
_CUBIC = 3

# What a fit may end in: no bins, digits that hold here and in numpy, digits that are LAPACK's own, bins that pandas
# may join.
_NO_BINS, _SURE, _ILL_CONDITIONED, _NEARLY_JOINED = 0, 1, 2, 3

# The error of coefficients and roots that is let pass: inside a relative 1e-6.
_RELATIVE, _ABSOLUTE = 3e-7, 3e-11

# Edges nearer to each other than this may get the same label from pandas, and their bins become one.
_DISTINCT = 1e-13

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fit:
    """Say which polynomial is wanted, and where its coefficients go.

    Parameters
    ----------
    degree, bins
        Of the polynomial, and how many means it runs through.
    rows
        Rows of the result, each with the number of its coefficient.
    """

    degree: int
    bins: int
    rows: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Drifts:
    """Polynomials through the mean changes of a block's series.

    Parameters
    ----------
    coefficients : (n, degree + 1)
        Highest power first; NaN where bins cannot be told apart.
    rest : (n,)
        The largest real part of the roots; NaN except for cubics.
    doubtful : (n,), optional
        Series whose bins pandas may join.
    """

    coefficients: FloatArray
    rest: FloatArray
    doubtful: BoolArray | None


@stage
def fitted_drifts(_block: Block) -> dict[tuple[int, int], Drifts]:
    """Keep the fits by degree and number of bins: both calculators want the same."""
    return {}


def drifts_of(block: Block, degree: int, bins: int) -> Drifts:
    """Fit a polynomial to the mean change in each of some equally filled bins of the level.

    Parameters
    ----------
    block
        Finite series.
    degree
        Of the polynomial.
    bins
        How many, as ``pandas.qcut`` makes them.

    Returns
    -------
    Drifts
    """
    known = fitted_drifts(block)
    if (degree, bins) not in known:
        known[degree, bins] = _fit(block, degree, bins)
    return known[degree, bins]


def _fit(block: Block, degree: int, bins: int) -> Drifts:
    coefficients, rest = np.full((block.n, degree + 1), np.nan), block.full(np.nan)
    if block.samples < 2:
        return Drifts(coefficients, rest, None)
    levels, changes = np.empty((block.n, bins)), np.empty((block.n, bins))
    used, ends = np.empty((2, block.n), dtype=np.int64)
    ordinary = fit_drifts(
        block.series,
        block.ordered,
        _places_of_edges(bins, block.samples - 1),
        levels,
        changes,
        used,
        coefficients,
        rest,
        ends,
    )
    if ordinary:
        return Drifts(coefficients, rest, None)
    rows = np.flatnonzero(ends == _ILL_CONDITIONED)
    if rows.size:
        coefficients[rows] = fitted = fit_as_polyfit(levels, changes, used, rows, degree)
        if degree == _CUBIC:
            rest[rows] = largest_roots(fitted)
    return Drifts(coefficients, rest, ends == _NEARLY_JOINED)


@lru_cache(maxsize=64)
def _places_of_edges(bins: int, samples: int) -> FloatArray:
    return places_of(equal_fractions(bins), samples)


def friedrich_coefficients(block: Block, fits: tuple[Fit, ...], out: FloatArray) -> BoolArray | None:
    """Fit a polynomial to the mean change by level, in equally filled bins (tsfresh: friedrich_coefficients).

    Highest power first; NaN where two bins have the same edge, and beyond the last coefficient. As many comparisons
    as samples and bins; beside that a few microseconds for LAPACK where the level is large beside its changes.

    References
    ----------
    Friedrich et al. (2000), "Extracting model equations from experimental data",
    doi:10.1016/S0375-9601(00)00334-0.
    """
    doubtful = None
    for fit in fits:
        drifts = drifts_of(block, fit.degree, fit.bins)
        for row, coefficient in fit.rows:
            out[row] = drifts.coefficients[:, coefficient] if coefficient <= fit.degree else np.nan
        doubtful = _either(doubtful, drifts.doubtful)
    return doubtful


def max_langevin_fixed_point(block: Block, fits: tuple[Fit, ...], out: FloatArray) -> BoolArray | None:
    """Give the largest root of the cubic drift, its real part if complex (tsfresh: max_langevin_fixed_point).

    Shares the fit with `friedrich_coefficients`.

    References
    ----------
    Gottschall (2009), "Modelling the variability of complex systems by means of Langevin processes", thesis,
    University of Oldenburg; Press et al. (2007), Numerical Recipes, section 5.6, for the roots.
    """
    doubtful = None
    for fit in fits:
        drifts = drifts_of(block, fit.degree, fit.bins)
        for row, _ in fit.rows:
            out[row] = drifts.rest
        doubtful = _either(doubtful, drifts.doubtful)
    return doubtful


def _either(one: BoolArray | None, other: BoolArray | None) -> BoolArray | None:
    if one is None or other is None:
        return other if one is None else one
    return one | other


@compiled
def fit_drifts(
    series: FloatArray,
    ordered: FloatArray,
    places: FloatArray,
    levels: FloatArray,
    changes: FloatArray,
    used: IntArray,
    coefficients: FloatArray,
    rest: FloatArray,
    ends: IntArray,
) -> bool:
    """Fit a polynomial to the mean change by level of each series.

    Parameters
    ----------
    series, ordered : (n, samples)
        One series a row, and the same sorted.
    places : (bins + 1,)
        Where the edges lie among the sorted samples, the last sample left out.
    levels, changes : (n, bins)
        Are filled from the left with the means of bins that hold samples.
    used : (n,)
        Is filled with how many those are.
    coefficients : (n, degree + 1)
        Is filled, highest power first, except where there are no bins or fewer than that.
    rest : (n,)
        Is filled with the largest real part of the roots of cubics.
    ends : (n,)
        Is filled: what each fit ended in.

    Returns
    -------
    bool
        Whether none ended in anything but sure digits or no bins.
    """
    n, samples = series.shape
    size, bins = coefficients.shape[1], levels.shape[1]
    signal, place, edges = np.empty(samples - 1), np.empty(samples - 1), np.empty(bins + 1)
    sums, begins, halves = np.empty((bins, 5)), np.empty(128, np.int64), np.empty(64)
    residual, powers, triangle = np.empty(bins), np.empty((size, bins)), np.empty((size, size))
    scale, errors = np.empty(size), np.empty(size)
    ordinary = True
    for row in range(n):
        ends[row] = _NO_BINS
        leave_out(ordered[row], series[row, samples - 1], signal)
        quantiles_at(signal, places, edges)
        if not are_different(edges):
            continue
        place_in_bins(series[row], edges, place)
        if is_sorted(place):
            points = average_runs(series[row], place, begins, halves, levels[row], changes[row])
        else:
            points = average_bins(series[row], place, sums, levels[row], changes[row])
        used[row] = points
        ends[row] = _ILL_CONDITIONED
        if smallest_gap(edges) < _DISTINCT:
            ends[row] = _NEARLY_JOINED
        elif points >= size:
            residual[:points] = changes[row, :points]
            fit_polynomial(levels[row, :points], residual[:points], powers, triangle, scale, coefficients[row], errors)
            sure = True
            for k in range(size):
                sure &= errors[k] < _RELATIVE * abs(coefficients[row, k]) + _ABSOLUTE
            if size == _CUBIC + 1:
                rest[row], wrong = largest_root(coefficients[row], errors)
                sure &= wrong < _RELATIVE * abs(rest[row]) + _ABSOLUTE
            if sure:
                ends[row] = _SURE
        ordinary &= ends[row] == _SURE
    return ordinary


def prepare_fits(wanted: Sequence[Parameters], _samples: int) -> tuple[Fit, ...]:
    """Gather the wanted parameter sets by polynomial."""
    rows: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for row, parameters in enumerate(wanted):
        rows.setdefault((parameters["m"], parameters["r"]), []).append((row, parameters.get("coeff", 0)))
    return tuple(Fit(degree, bins, tuple(places)) for (degree, bins), places in rows.items())


def _supports_fit(parameters: Parameters) -> bool:
    return 1 <= parameters["m"] <= _HIGHEST_DEGREE and parameters["r"] >= 2 and parameters.get("coeff", 0) >= 0


def _supports_root(parameters: Parameters) -> bool:
    return parameters["m"] == _CUBIC and parameters["r"] >= 2


KERNELS: dict[str, Kernel] = {
    "friedrich_coefficients": Kernel(friedrich_coefficients, prepare=prepare_fits, supports=_supports_fit),
    "max_langevin_fixed_point": Kernel(max_langevin_fixed_point, prepare=prepare_fits, supports=_supports_root),
}
