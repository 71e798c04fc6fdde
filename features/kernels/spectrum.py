"""The Fourier transform: its coefficients, and the moments of its amplitudes.

The transform is numpy's own, of a whole block at once: every row has the bits that it has alone, and those are
tsfresh's bits. So even an angle that is only the direction of a rounding error agrees.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.kernels.block import Block, BoolArray, FloatArray, stage
from features.kernels.compilation import compiled, compiled_sums
from features.kernels.kernel import Kernel, Parameters

ComplexArray = npt.NDArray[np.complex128]
IntArray = npt.NDArray[np.int64]

PARTS = ("real", "imag", "abs", "angle")
REAL, IMAGINARY, AMPLITUDE, ANGLE = range(len(PARTS))
MOMENTS = ("centroid", "variance", "skew", "kurtosis")
# Every feature's tolerance against tsfresh.
RELATIVE, ABSOLUTE = 1e-6, 1e-10
# The most by which two sums of the same positive terms in different orders differ, as a share of the sum.
ROUNDING = 2e-15
# tsfresh computes neither skew nor kurtosis of a narrower spectrum.
NARROWEST = 0.5
# Squares of larger and smaller amplitudes may leave the range of a double.
LARGEST, SMALLEST = 1e150, 1e-140


@stage
def spectrum(block: Block) -> ComplexArray:
    """Transform each series: ``sum(x[m] exp(-2 pi i m k / n))`` for k up to n / 2, (n, samples // 2 + 1)."""
    return np.fft.rfft(block.series, axis=1)


class PartTables(NamedTuple):
    """The requested parts of coefficients."""

    coefficients: IntArray  # (n_features,), -1 for one beyond the transform
    parts: IntArray  # (n_features,), the number of the part among `PARTS`
    angles: slice | IntArray  # which of the features are angles
    n_angles: int


def prepare_parts(parameters: Sequence[Parameters], samples: int) -> PartTables:
    """Tabulate the requested coefficients and parts."""
    coefficients = [p["coeff"] if p["coeff"] <= samples // 2 else -1 for p in parameters]
    angles = [i for i, p in enumerate(parameters) if p["attr"] == "angle" and coefficients[i] >= 0]
    parts = [PARTS.index(p["attr"]) for p in parameters]
    return PartTables(_integers(coefficients), _integers(parts), _as_slice(_integers(angles)), len(angles))


def fft_coefficient(block: Block, tables: PartTables, out: FloatArray) -> None:
    """Compute real part, imaginary part, amplitude or angle of Fourier coefficients (tsfresh: fft_coefficient).

    Angles in degrees; NaN for coefficients beyond n / 2. Costs the transform and an arc tangent for each angle.
    """
    # One more row, as scratch for amplitudes.
    real, imaginary = np.empty((2, tables.n_angles + 1, block.n))
    write_parts(spectrum(block), tables.coefficients, tables.parts, real, imaginary, out)
    if tables.n_angles:
        # numpy takes several arc tangents at a time.
        contiguous = isinstance(tables.angles, slice)
        angles = np.arctan2(imaginary[:-1], real[:-1], out=out[tables.angles] if contiguous else imaginary[:-1])
        np.multiply(angles, 180 / np.pi, out=angles)
        if not contiguous:
            out[tables.angles] = angles


def has_part(parameters: Parameters) -> bool:
    """Whether a transform has this part and coefficient."""
    return parameters["attr"] in PARTS and isinstance(parameters["coeff"], int) and parameters["coeff"] >= 0


def prepare_moments(parameters: Sequence[Parameters], _samples: int) -> IntArray:
    """Return the numbers of the requested moments."""
    return _integers([MOMENTS.index(p["aggtype"]) for p in parameters])


def fft_aggregated(block: Block, moments: IntArray, out: FloatArray) -> BoolArray:
    """Compute centroid, variance, skew and kurtosis of the amplitudes, taken as a distribution over k.

    tsfresh: fft_aggregated, whose kurtosis is ``(m4 - 4 c m3 + 6 m2 c^2 - 3 c) / v^2``. They are differences of moments
    about zero: a spectrum only a few coefficients wide, far from zero, leaves nothing but rounding, and is doubtful.
    """
    doubtful = np.zeros(block.n, dtype=np.bool_)
    aggregate(spectrum(block), moments, out, doubtful)
    return doubtful


def has_moment(parameters: Parameters) -> bool:
    """Whether the moment is one of tsfresh's."""
    return parameters["aggtype"] in MOMENTS


@compiled
def write_parts(
    transforms: ComplexArray,
    coefficients: IntArray,
    parts: IntArray,
    real: FloatArray,
    imaginary: FloatArray,
    out: FloatArray,
) -> None:
    """Write parts of Fourier coefficients, a row for each, except for angles.

    Their real and imaginary parts are filled into `real` and `imaginary` (n_angles + 1, n), whose last row is scratch.
    """
    angles = 0
    for number in range(coefficients.size):
        k, part, target = coefficients[number], parts[number], out[number]
        if k < 0:
            target[:] = np.nan
            continue
        if part == REAL:
            for row in range(target.size):
                target[row] = transforms[row, k].real
            continue
        if part == IMAGINARY:
            for row in range(target.size):
                target[row] = transforms[row, k].imag
            continue
        place = angles if part == ANGLE else len(real) - 1
        angles += int(part == ANGLE)
        x, y = real[place], imaginary[place]
        for row in range(target.size):
            x[row] = transforms[row, k].real
            y[row] = transforms[row, k].imag
        if part == AMPLITUDE:
            amplitudes(x, y, target)


@compiled
def amplitudes(real: FloatArray, imaginary: FloatArray, size: FloatArray) -> None:
    """Compute the absolute values of complex numbers."""
    extreme = 0
    for i in range(size.size):
        size[i] = np.sqrt(real[i] * real[i] + imaginary[i] * imaginary[i])
        extreme += int((size[i] > LARGEST) | (size[i] < SMALLEST))
    if extreme > 0:
        # Only these: a value must not depend on the series next to it.
        for i in range(size.size):
            if size[i] > LARGEST or size[i] < SMALLEST:
                size[i] = np.hypot(real[i], imaginary[i])


@compiled
def aggregate(coefficients: ComplexArray, wanted: IntArray, out: FloatArray, doubtful: BoolArray) -> None:
    """Compute the requested moments of the amplitudes of each series, and flag those lost to cancellation."""
    n = coefficients.shape[1]
    real, imaginary, size = np.empty(n), np.empty(n), np.empty(n)
    moments, values, errors = np.empty(5), np.empty(4), np.empty(4)
    for row in range(coefficients.shape[0]):
        for k in range(n):
            real[k] = coefficients[row, k].real
            imaginary[k] = coefficients[row, k].imag
        amplitudes(real, imaginary, size)
        raw_moments(size, moments)
        standardise(moments, values, errors)
        for number in range(wanted.size):
            out[number, row] = values[wanted[number]]
        # All four decide, whichever are requested: a value must not depend on the other requests.
        doubt = abs(values[1] - NARROWEST) <= errors[1]
        for number in range(4):
            doubt |= errors[number] > ABSOLUTE + RELATIVE * abs(values[number])
        doubtful[row] = doubt


@compiled_sums
def raw_moments(size: FloatArray, moments: FloatArray) -> None:
    """Sum the amplitudes times k^0 to k^4."""
    zeroth, first, second, third, fourth = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(size.size):
        place = float(k)
        once = size[k] * place
        twice = once * place
        thrice = twice * place
        zeroth += size[k]
        first += once
        second += twice
        third += thrice
        fourth += thrice * place
    moments[0], moments[1], moments[2], moments[3], moments[4] = zeroth, first, second, third, fourth


@compiled
def standardise(moments: FloatArray, values: FloatArray, errors: FloatArray) -> None:
    """Turn moments about zero into tsfresh's four numbers, with bounds on their rounding."""
    centroid, second, third, fourth = moments[1:] / moments[0]
    variance = second - centroid**2
    values[0], values[1] = centroid, variance
    errors[0], errors[1] = 0.0, ROUNDING * (second + centroid**2)
    if variance < NARROWEST:
        values[2:], errors[2:] = np.nan, 0.0
        return
    # The rounding of the variance below the line counts in proportion.
    loss = errors[1] / variance
    values[2] = (third - 3 * centroid * variance - centroid**3) / variance**1.5
    errors[2] = ROUNDING * (third + centroid**3 + 3 * centroid * (second + centroid**2)) / variance**1.5
    errors[2] += 1.5 * loss * abs(values[2])
    values[3] = (fourth - 4 * centroid * third + 6 * second * centroid**2 - 3 * centroid) / variance**2
    errors[3] = ROUNDING * (fourth + 4 * centroid * third + 6 * second * centroid**2) / variance**2
    errors[3] += 2 * loss * abs(values[3])


def _integers(values: Sequence[int]) -> IntArray:
    return np.array(values, dtype=np.int64)


def _as_slice(numbers: IntArray) -> slice | IntArray:
    if numbers.size and np.array_equal(numbers, np.arange(numbers[0], numbers[0] + numbers.size)):
        return slice(int(numbers[0]), int(numbers[0]) + numbers.size)
    return numbers


KERNELS: dict[str, Kernel] = {
    "fft_coefficient": Kernel(fft_coefficient, prepare_parts, has_part),
    "fft_aggregated": Kernel(fft_aggregated, prepare_moments, has_moment),
}
