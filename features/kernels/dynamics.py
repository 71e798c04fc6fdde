"""The drift of a series: a polynomial fitted to its mean change by level, and its fixed point."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.grouped_means import add, average_runs, is_sorted, leave_out
from features.kernels.arithmetic.polynomials import largest_root
from features.kernels.arithmetic.quantiles import are_different, equal_fractions, places_of, quantiles_at
from features.kernels.block import Block, BoolArray, FloatArray, stage
from features.kernels.compilation import compiled, compiled_sums
from features.kernels.kernel import Kernel, Parameters
from features.kernels.lapack import fit_as_polyfit, largest_roots

_HIGHEST_DEGREE = 5
_CUBIC = 3

# How a fit may end: without bins, with digits that agree with numpy's, with digits only LAPACK has, with bins that
# pandas may join.
_NO_BINS, _SURE, _ILL_CONDITIONED, _NEARLY_JOINED = 0, 1, 2, 3

# The accepted error of coefficients and roots: inside a relative 1e-6.
_RELATIVE, _ABSOLUTE = 3e-7, 3e-11

# Edges nearer to each other than this may get the same label from pandas, and their bins become one.
_DISTINCT = 1e-13

# The error of least squares, as a share of a column's length, here and in LAPACK.
_ROUND_OFF = 2e-15

IntArray = npt.NDArray[np.int64]
Places = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Fit:
    """A requested polynomial."""

    degree: int
    bins: int  # how many means it is fitted to
    rows: tuple[tuple[int, int], ...]  # rows of the result, each with the number of its coefficient


@dataclass(frozen=True)
class Drifts:
    """Polynomials fitted to the mean changes of a block's series."""

    coefficients: FloatArray  # (n, degree + 1), highest power first; NaN where bins coincide
    rest: FloatArray  # (n,), the largest real part of the roots; NaN except for cubics
    doubtful: BoolArray | None  # (n,), series whose bins pandas may join


@stage
def fitted_drifts(_block: Block) -> dict[tuple[int, int], Drifts]:
    """Return the block's fits by degree and number of bins, which both calculators share."""
    return {}


def drifts_of(block: Block, degree: int, bins: int) -> Drifts:
    """Fit a polynomial to the mean change in each of some equally filled bins, as ``pandas.qcut`` defines them."""
    fits = fitted_drifts(block)
    if (degree, bins) not in fits:
        fits[degree, bins] = _fit(block, degree, bins)
    return fits[degree, bins]


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

    Highest power first; NaN where two bins have the same edge, and beyond the last coefficient. One comparison a sample
    and bin, and a few microseconds of LAPACK where the level is large against its changes.

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
    """Return the largest root of the cubic drift, its real part if complex (tsfresh: max_langevin_fixed_point).

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


def _either(first: BoolArray | None, second: BoolArray | None) -> BoolArray | None:
    if first is None or second is None:
        return second if first is None else first
    return first | second


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
    """Fit a polynomial to the mean change by level of each series; true if every fit is accurate or has no bins.

    `ordered` are the sorted series, `places` (bins + 1,) the edges among the sorted samples without the last sample.
    Filled: `levels` and `changes` (n, bins) from the left with the means of non-empty bins, `used` (n,) with their
    number, `coefficients` (n, degree + 1), highest power first, `rest` (n,) with the largest real part of the roots of
    cubics, `ends` (n,) with how each fit ended.
    """
    n, samples = series.shape
    size, bins = coefficients.shape[1], levels.shape[1]
    signal, place, edges = np.empty(samples - 1), np.empty(samples - 1, np.uint64), np.empty(bins + 1)
    sums, begins, halves = np.empty((5, bins)), np.empty(128, np.int64), np.empty(64)
    ladder, scratch = empty_ladder(bins), np.empty((size + 3, bins))
    expansions, errors = np.empty((size + 1, size + 1)), np.empty(size)
    ordinary = True
    for row in range(n):
        ends[row] = _NO_BINS
        leave_out(ordered[row], series[row, samples - 1], signal)
        quantiles_at(signal, places, edges)
        if not are_different(edges):
            continue
        ladder[: bins - 1] = edges[1:bins]
        place_in_bins(series[row], ladder, place)
        if is_sorted(place):
            signal[:] = place
            points = average_runs(series[row], signal, begins, halves, levels[row], changes[row])
        else:
            points = average_bins(series[row], place, sums, levels[row], changes[row])
        used[row] = points
        ends[row] = _ILL_CONDITIONED
        if are_nearly_joined(edges):
            ends[row] = _NEARLY_JOINED
        elif points >= size:
            fit_polynomial(levels[row][:points], changes[row], scratch, expansions, coefficients[row], errors)
            sure = are_sure(coefficients[row], errors)
            if size == _CUBIC + 1:
                rest[row], wrong = largest_root(coefficients[row], errors)
                sure &= wrong < _RELATIVE * abs(rest[row]) + _ABSOLUTE
            if sure:
                ends[row] = _SURE
        ordinary &= ends[row] == _SURE
    return ordinary


@compiled
def are_sure(values: FloatArray, errors: FloatArray) -> bool:
    """Whether all errors are within the accepted tolerance."""
    sure = True
    for k in range(values.size):
        sure &= errors[k] < _RELATIVE * abs(values[k]) + _ABSOLUTE
    return sure


@compiled
def are_nearly_joined(edges: FloatArray) -> bool:
    """Whether two ascending edges are so close that pandas may give them one label."""
    near = False
    below, above = edges[:-1], edges[1:]
    for k in range(below.size):
        near |= above[k] - below[k] < _DISTINCT * max(abs(above[k]), abs(below[k]))
    return near


@compiled
def empty_ladder(bins: int) -> FloatArray:
    """Allocate the inner edges of some bins: a power of two less one, padded with infinities."""
    rungs = 1
    while rungs < bins:
        rungs *= 2
    return np.full(rungs - 1, np.inf)


@compiled
def place_in_bins(series: FloatArray, ladder: FloatArray, place: Places) -> None:
    """Count the inner edges below each sample but the last: branchless bisections, all of them in step.

    `ladder` holds ``2**steps - 1`` ascending inner edges, the last of them infinite; `place` is unsigned, so that
    indexing does not check for negative numbers.
    """
    x = series[: place.size]
    step = np.uint64((ladder.size + 1) // 2)
    for i in range(x.size):
        place[i] = step if x[i] > ladder[step - np.uint64(1)] else np.uint64(0)
    step >>= np.uint64(1)
    while step > 0:
        rungs = ladder[step - np.uint64(1) :]
        for i in range(x.size):
            place[i] += step if x[i] > rungs[place[i]] else np.uint64(0)
        step >>= np.uint64(1)


@compiled
def average_bins(series: FloatArray, place: Places, sums: FloatArray, levels: FloatArray, changes: FloatArray) -> int:
    """Average the level and the following change in each bin of the level, to the last bit of pandas.

    `sums` (5, bins) is scratch; `levels` and `changes` are filled from the left with the means of non-empty bins, whose
    number is returned.
    """
    sums[:] = 0.0
    counts, of_levels, lost_levels, of_changes, lost_changes = sums[0], sums[1], sums[2], sums[3], sums[4]
    for i in range(place.size):
        k = place[i]
        counts[k] += 1.0
        of_levels[k], lost_levels[k] = add(of_levels[k], lost_levels[k], series[i])
        of_changes[k], lost_changes[k] = add(of_changes[k], lost_changes[k], series[i + 1] - series[i])
    for k in range(levels.size):
        of_levels[k] /= counts[k]
        of_changes[k] /= counts[k]
    used = 0
    for k in range(levels.size):
        levels[used], changes[used] = of_levels[k], of_changes[k]
        used += int(counts[k] > 0.0)
    return used


@compiled_sums
def fit_polynomial(
    x: FloatArray,
    values: FloatArray,
    scratch: FloatArray,
    expansions: FloatArray,
    coefficients: FloatArray,
    errors: FloatArray,
) -> None:
    """Fit a polynomial to points through polynomials orthogonal on them, from the constant up.

    `scratch` (size + 3, points or more) becomes the residual, the powers of x, and the orthogonal polynomials at x;
    `expansions` (size + 1, size + 1) their coefficients, the constant first. `coefficients` and `errors` (size,) are
    filled, highest power first; the errors bound those here and in LAPACK. Forsythe (1957), "Generation and use of
    orthogonal polynomials for data-fitting with a digital computer", J. SIAM 5(2).
    """
    points, size = x.size, coefficients.size
    residual, powers = scratch[0][:points], scratch[1][:points]
    residual[:], powers[:], scratch[2] = values[:points], 1.0, 1.0
    coefficients[:], expansions[:], expansions[0, 0] = 0.0, 0.0, 1.0
    smallest, square_before = 1.0, np.inf
    for degree in range(size):
        before, column, following = scratch[1 + degree], scratch[2 + degree], scratch[3 + degree]
        square, moment, share, length = 0.0, 0.0, 0.0, 0.0
        for i in range(points):
            square += column[i] * column[i]
            moment += column[i] * column[i] * x[i]
            share += column[i] * residual[i]
            length += powers[i] * powers[i]
        share, centre, overlap = share / square, moment / square, square / square_before
        for i in range(points):
            residual[i] -= share * column[i]
            powers[i] *= x[i]
            following[i] = (x[i] - centre) * column[i] - overlap * before[i]
        for k in range(degree + 1):
            coefficients[size - 1 - k] += share * expansions[degree, k]
        expand_next(expansions, degree, centre, overlap)
        errors[size - 1 - degree] = np.sqrt(length)
        smallest, square_before = min(smallest, np.sqrt(square / length)), square
    norm, unexplained = 0.0, 0.0
    for k in range(size):
        norm += (coefficients[k] * errors[k]) ** 2
    for i in range(points):
        unexplained += residual[i] * residual[i]
    error = _ROUND_OFF / smallest * (np.sqrt(norm) + np.sqrt(unexplained) / smallest)
    for k in range(size):
        errors[k] = error / errors[k]


@compiled
def expand_next(expansions: FloatArray, degree: int, centre: float, overlap: float) -> None:
    """Expand the next orthogonal polynomial: ``(x - centre)`` times the last, less ``overlap`` of the one before."""
    for k in range(degree + 2):
        coefficient = -centre * expansions[degree, k]
        if k > 0:
            coefficient += expansions[degree, k - 1]
        if degree > 0:
            coefficient -= overlap * expansions[degree - 1, k]
        expansions[degree + 1, k] = coefficient


def prepare_fits(parameters: Sequence[Parameters], _samples: int) -> tuple[Fit, ...]:
    """Group the requested parameters by polynomial."""
    rows: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for row, p in enumerate(parameters):
        rows.setdefault((p["m"], p["r"]), []).append((row, p.get("coeff", 0)))
    return tuple(Fit(degree, bins, tuple(places)) for (degree, bins), places in rows.items())


def _supports_fit(parameters: Parameters) -> bool:
    return 1 <= parameters["m"] <= _HIGHEST_DEGREE and parameters["r"] >= 2 and parameters.get("coeff", 0) >= 0


def _supports_root(parameters: Parameters) -> bool:
    return parameters["m"] == _CUBIC and parameters["r"] >= 2


KERNELS: dict[str, Kernel] = {
    "friedrich_coefficients": Kernel(friedrich_coefficients, prepare=prepare_fits, supports=_supports_fit),
    "max_langevin_fixed_point": Kernel(max_langevin_fixed_point, prepare=prepare_fits, supports=_supports_root),
}
