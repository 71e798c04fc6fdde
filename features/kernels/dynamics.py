"""The drift of a series: a polynomial through its mean change by level, and where that comes to rest."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.kernels.arithmetic.quantiles import are_different, equal_fractions, places_of, quantiles_at
from features.kernels.block import Block, BoolArray, FloatArray, stage
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters

_HIGHEST_DEGREE = 5
_CUBIC = 3

# By which share of a column's length the least squares are wrong, here and in numpy, and which error of coefficients
# and roots is let pass: inside a relative 1e-6. Beyond it numpy itself fits the bins, and finds the root.
_ROUND_OFF = 1e-15
_RELATIVE, _ABSOLUTE = 3e-7, 3e-11

# Edges nearer to each other than this may get the same label from pandas, and their bins become one.
_DISTINCT = 1e-13


@dataclass(frozen=True)
class Drifts:
    """Polynomials through the mean changes of a block's series.

    Parameters
    ----------
    coefficients : (n, degree + 1)
        Highest power first; NaN where bins cannot be told apart.
    rest : (n,)
        The largest real part of the roots; NaN except for cubics.
    doubtful : (n,)
        Series whose bins pandas may join.
    """

    coefficients: FloatArray
    rest: FloatArray
    doubtful: BoolArray


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
    doubtful = np.zeros(block.n, dtype=np.bool_)
    if block.samples < 2:
        return Drifts(coefficients, rest, doubtful)
    places = places_of(equal_fractions(bins), block.samples - 1)
    place = np.empty((block.n, block.samples - 1))
    apart = place_in_bins(block.series, block.ordered, places, place)
    levels, changes = np.empty((block.n, bins)), np.empty((block.n, bins))
    used = average_bins(block.series, place, apart > 0, levels, changes)
    sure = np.zeros(block.n, dtype=np.bool_)
    fit_polynomials(levels, changes, used, coefficients, rest, sure)
    doubtful = (apart > 0) & (apart < _DISTINCT)
    rows = np.flatnonzero((apart >= _DISTINCT) & ~sure)
    for row in rows:
        coefficients[row], rest[row] = _fit_by_numpy(*_average_by_pandas(block.series[row], place[row]), degree)
    return Drifts(coefficients, rest, doubtful)


def _average_by_pandas(series: FloatArray, place: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Average the bins of one series to the last bit of pandas, which has its own way to sum."""
    frame = pd.DataFrame({"level": series[:-1], "change": np.diff(series)})
    means = frame.groupby(place.astype(np.int64)).mean()
    return means["level"].to_numpy(), means["change"].to_numpy()


def _fit_by_numpy(level: FloatArray, change: FloatArray, degree: int) -> tuple[FloatArray, float]:
    # An ill-conditioned fit is decided by numpy's cut-off, and its digits are those of LAPACK.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", np.exceptions.RankWarning)
            coefficients: FloatArray = np.polyfit(level, change, degree)
        return coefficients, float(np.max(np.real(np.roots(coefficients))))
    except (np.linalg.LinAlgError, ValueError):
        return np.full(degree + 1, np.nan), np.nan


def friedrich_coefficients(block: Block, wanted: Sequence[Parameters], out: FloatArray) -> BoolArray:
    """Fit a polynomial to the mean change by level, in equally filled bins (tsfresh: friedrich_coefficients).

    Highest power first; NaN where two bins have the same edge, and beyond the last coefficient. As many comparisons
    as samples and bins.

    References
    ----------
    Friedrich et al. (2000), "Extracting model equations from experimental data",
    doi:10.1016/S0375-9601(00)00334-0.
    """
    doubtful = np.zeros(block.n, dtype=np.bool_)
    for row, parameters in zip(out, wanted, strict=True):
        drifts = drifts_of(block, parameters["m"], parameters["r"])
        coefficient = parameters["coeff"]
        row[:] = drifts.coefficients[:, coefficient] if coefficient <= parameters["m"] else np.nan
        doubtful |= drifts.doubtful
    return doubtful


def max_langevin_fixed_point(block: Block, wanted: Sequence[Parameters], out: FloatArray) -> BoolArray:
    """Give the largest root of the cubic drift, its real part if complex (tsfresh: max_langevin_fixed_point).

    Shares the fit with `friedrich_coefficients`.

    References
    ----------
    Gottschall (2009), "Modelling the variability of complex systems by means of Langevin processes", thesis,
    University of Oldenburg; Press et al. (2007), Numerical Recipes, section 5.6, for the roots.
    """
    doubtful = np.zeros(block.n, dtype=np.bool_)
    for row, parameters in zip(out, wanted, strict=True):
        drifts = drifts_of(block, parameters["m"], parameters["r"])
        row[:] = drifts.rest
        doubtful |= drifts.doubtful
    return doubtful


@compiled
def place_in_bins(series: FloatArray, ordered: FloatArray, places: FloatArray, place: FloatArray) -> FloatArray:
    """Find the bin of every sample but the last.

    Parameters
    ----------
    series, ordered : (n, samples)
        One series a row, and the same sorted.
    places : (bins + 1,)
        Where the edges lie among the sorted samples, the last sample left out.
    place : (n, samples - 1)
        Is filled with numbers from 0.

    Returns
    -------
    (n,) array
        How far apart the nearest edges are, relative to their size; 0 if some coincide, and then nothing is filled.
    """
    n, samples = series.shape
    apart = np.zeros(n)
    signal, edges = np.empty(samples - 1), np.empty(places.size)
    for row in range(n):
        leave_out(ordered[row], series[row, samples - 1], signal)
        quantiles_at(signal, places, edges)
        if not are_different(edges):
            continue
        apart[row] = np.inf
        for k in range(1, edges.size):
            gap = (edges[k] - edges[k - 1]) / max(abs(edges[k]), abs(edges[k - 1]))
            apart[row] = min(apart[row], gap)
        x = series[row, : samples - 1]
        bin_number = place[row]
        bin_number[:] = 0.0
        # A comparison with every edge is branch-free, and faster than a search.
        for k in range(1, edges.size - 1):
            edge = edges[k]
            for i in range(x.size):
                bin_number[i] += 1.0 if x[i] > edge else 0.0
    return apart


@compiled
def average_bins(
    series: FloatArray, place: FloatArray, distinct: BoolArray, levels: FloatArray, changes: FloatArray
) -> npt.NDArray[np.int64]:
    """Average the level and the change that follows it in each bin of the level.

    Parameters
    ----------
    series : (n, samples)
        One series a row.
    place : (n, samples - 1)
        The bin of each sample but the last.
    distinct : (n,)
        Whether there are bins.
    levels, changes : (n, bins)
        Are filled from the left with the means of bins that hold samples.

    Returns
    -------
    (n,) array
        How many bins hold samples.
    """
    n, samples = series.shape
    bins = levels.shape[1]
    used = np.zeros(n, np.int64)
    counts, level_sums, change_sums = np.empty(bins), np.empty(bins), np.empty(bins)
    for row in range(n):
        if not distinct[row]:
            continue
        counts[:] = 0.0
        level_sums[:] = 0.0
        change_sums[:] = 0.0
        for i in range(samples - 1):
            k = int(place[row, i])
            counts[k] += 1.0
            level_sums[k] += series[row, i]
            change_sums[k] += series[row, i + 1] - series[row, i]
        for k in range(bins):
            if counts[k] > 0.0:
                levels[row, used[row]] = level_sums[k] / counts[k]
                changes[row, used[row]] = change_sums[k] / counts[k]
                used[row] += 1
    return used


@compiled
def leave_out(ordered: FloatArray, value: float, rest: FloatArray) -> None:
    """Copy sorted values but for one of them.

    Parameters
    ----------
    ordered : (n,)
        Sorted upwards; the value is among them.
    value
        The one to leave out.
    rest : (n - 1,)
        Is filled.
    """
    gone = np.searchsorted(ordered, value)
    rest[:gone] = ordered[:gone]
    rest[gone:] = ordered[gone + 1 :]


@compiled
def fit_polynomials(
    levels: FloatArray,
    changes: FloatArray,
    used: npt.NDArray[np.int64],
    coefficients: FloatArray,
    rest: FloatArray,
    sure: BoolArray,
) -> None:
    """Fit a polynomial to each row of points, by orthogonalising the scaled powers twice.

    Parameters
    ----------
    levels, changes : (n, bins)
        The points.
    used : (n,)
        How many of them count.
    coefficients : (n, degree + 1)
        Is filled, highest power first, except where fewer points count than that.
    rest : (n,)
        Is filled with the largest real part of the roots of cubics.
    sure : (n,)
        Is set where both have the digits that they show.
    """
    n, size = coefficients.shape
    powers, triangle = np.empty((size, levels.shape[1])), np.empty((size, size))
    scale, residual, solution, errors = np.empty(size), np.empty(levels.shape[1]), np.empty(size), np.empty(size)
    for row in range(n):
        points = used[row]
        if points < size:
            continue
        y = residual[:points]
        y[:] = changes[row, :points]
        smallest = orthogonalise_powers(levels[row, :points], powers, triangle, scale)
        # From the constant up: each power is orthogonal to those under it.
        for a in range(size):
            share = 0.0
            for i in range(points):
                share += powers[a, i] * y[i]
            for i in range(points):
                y[i] -= share * powers[a, i]
            solution[a] = share
        norm, unexplained = 0.0, 0.0
        for a in range(size - 1, -1, -1):
            for b in range(a + 1, size):
                solution[a] -= triangle[a, b] * solution[b]
            solution[a] /= triangle[a, a]
            norm += solution[a] * solution[a]
        for i in range(points):
            unexplained += y[i] * y[i]
        error = _ROUND_OFF / smallest * (np.sqrt(norm) + np.sqrt(unexplained) / smallest)
        good = True
        for a in range(size):
            good &= error < _RELATIVE * abs(solution[a]) + _ABSOLUTE * scale[a]
            coefficients[row, size - 1 - a] = solution[a] / scale[a]
            errors[size - 1 - a] = error / scale[a]
        if size == _CUBIC + 1:
            rest[row], wrong = largest_root(coefficients[row], errors)
            good &= wrong < _RELATIVE * abs(rest[row]) + _ABSOLUTE
        sure[row] = good


@compiled
def orthogonalise_powers(x: FloatArray, powers: FloatArray, triangle: FloatArray, scale: FloatArray) -> float:
    """Factor the scaled powers of some points into orthonormal ones and a triangle.

    Parameters
    ----------
    x : (points,)
        The points.
    powers : (size, points or more)
        Is filled with the orthonormal columns, lowest power first.
    triangle : (size, size)
        Its upper triangle is filled.
    scale : (size,)
        Is filled with the length of each power.

    Returns
    -------
    float
        The least length that a scaled power keeps beside those under it.
    """
    smallest = 1.0
    for a in range(scale.size):
        column = powers[a, : x.size]
        square = 0.0
        for i in range(x.size):
            power = 1.0
            for _ in range(a):
                power *= x[i]
            column[i] = power
            square += power * power
        scale[a] = np.sqrt(square)
        for i in range(x.size):
            column[i] /= scale[a]
        triangle[:, a] = 0.0
        for _ in range(2):
            for b in range(a):
                share = 0.0
                for i in range(x.size):
                    share += powers[b, i] * column[i]
                triangle[b, a] += share
                for i in range(x.size):
                    column[i] -= share * powers[b, i]
        square = 0.0
        for i in range(x.size):
            square += column[i] * column[i]
        triangle[a, a] = np.sqrt(square)
        for i in range(x.size):
            column[i] /= triangle[a, a]
        smallest = min(smallest, triangle[a, a])
    return smallest


@compiled
def largest_root(cubic: FloatArray, errors: FloatArray) -> tuple[float, float]:
    """Find the root of a cubic with the largest real part.

    Parameters
    ----------
    cubic : (4,)
        Coefficients, highest power first.
    errors : (4,)
        How wrong they may be.

    Returns
    -------
    tuple of float
        The real part, and how wrong it may be.
    """
    a, b, c = cubic[1] / cubic[0], cubic[2] / cubic[0], cubic[3] / cubic[0]
    q = (a * a - 3 * b) / 9
    r = (2 * a * a * a - 9 * a * b + 27 * c) / 54
    imaginary = 0.0
    if r * r < q * q * q:
        angle = np.arccos(r / np.sqrt(q * q * q))
        # Of the three cosines this one is the least, and its factor is negative.
        root = _polish(-2 * np.sqrt(q) * np.cos((angle + 2 * np.pi) / 3) - a / 3, a, b, c)
    else:
        larger = -np.copysign((abs(r) + np.sqrt(r * r - q * q * q)) ** (1 / 3), r)
        smaller = q / larger if larger != 0.0 else 0.0
        root = _polish(larger + smaller - a / 3, a, b, c)
        of_pair = -(a + root) / 2
        if of_pair > root:
            imaginary = np.sqrt(max(b + root * (a + root) - of_pair * of_pair, 0.0))
            root = of_pair
    size = np.hypot(root, imaginary)
    real_slope = (3 * root + 2 * a) * root + b - 3 * imaginary * imaginary
    imaginary_slope = (6 * root + 2 * a) * imaginary
    slope = abs(cubic[0]) * np.hypot(real_slope, imaginary_slope)
    wrong = 0.0
    for k in range(4):
        wrong = wrong * size + errors[k] + 10 * _ROUND_OFF * abs(cubic[k])
    return root, wrong / slope


@compiled
def _polish(root: float, a: float, b: float, c: float) -> float:
    for _ in range(3):
        value, slope = ((root + a) * root + b) * root + c, (3 * root + 2 * a) * root + b
        if slope != 0.0:
            root -= value / slope
    return root


def prepare_wanted(wanted: Sequence[Parameters], _samples: int) -> tuple[Parameters, ...]:
    """Keep the wanted parameter sets as they are."""
    return tuple(wanted)


def _supports_fit(parameters: Parameters) -> bool:
    return 1 <= parameters["m"] <= _HIGHEST_DEGREE and parameters["r"] >= 2 and parameters.get("coeff", 0) >= 0


def _supports_root(parameters: Parameters) -> bool:
    return parameters["m"] == _CUBIC and parameters["r"] >= 2


KERNELS: dict[str, Kernel] = {
    "friedrich_coefficients": Kernel(friedrich_coefficients, prepare=prepare_wanted, supports=_supports_fit),
    "max_langevin_fixed_point": Kernel(max_langevin_fixed_point, prepare=prepare_wanted, supports=_supports_root),
}
