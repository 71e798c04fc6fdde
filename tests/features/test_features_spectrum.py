"""The Fourier transform's part of the feature engine: what the parity tests cannot see."""

import numpy as np
import pytest
from scipy import signal

from features.kernels import power_density, spectrum
from features.kernels.block import Block
from features.kernels.kernel import Parameters
from features.kernels.power_density import welch, welch_window

rng = np.random.default_rng(0)
MOMENTS: list[Parameters] = [{"aggtype": name} for name in spectrum.MOMENTS]
BINS: list[Parameters] = [{"bins": bins} for bins in (2, 3, 5, 10, 100)]


def realistic(samples: int, n: int = 50) -> dict[str, np.ndarray]:
    """Series as sensors give them."""
    noise = rng.normal(size=(n, samples))
    walk = noise.cumsum(axis=1)
    time = np.arange(samples)
    return {
        "noise": noise,
        "walk": walk,
        "noisy sine": np.sin(0.1 * time) + 0.1 * noise,
        "quantised": np.round(walk) / 4,
        "binary": (noise > 0) * 1.0,
        "stuck": np.where(time > samples // 2, 7.3, 7.3 + noise),
        "steps": np.repeat(np.round(noise[:, : samples // 10 + 1]), 10, axis=1)[:, :samples] * 1.1,
        "large offset": 1e6 + noise,
    }


@pytest.mark.parametrize("samples", [1, 2, 3, 30, 255, 256, 257, 1024, 1152, 2048])
def test_a_density_has_the_bits_of_scipy(samples: int) -> None:
    """Welch's density is scipy's to the last bit, so that histograms of it agree."""
    series = rng.normal(size=(3, samples)) * 1e3 + 50
    expected = [signal.welch(row, nperseg=min(samples, 256))[1] for row in series]
    assert welch(Block(series)).tobytes() == np.array(expected).tobytes()


@pytest.mark.parametrize("length", [1, 2, 7, 256])
def test_the_window_is_the_hann_window(length: int) -> None:
    """The segments' window is scipy's, scaled so that its squares add up to one."""
    window = signal.get_window("hann", length)
    np.testing.assert_allclose(welch_window(length), window / np.sqrt((window**2).sum()), rtol=1e-14)


@pytest.mark.parametrize("samples", [2, 30, 97, 1024])
def test_a_block_is_transformed_like_its_rows(samples: int) -> None:
    """Each row of a batched transform has the bits that it has alone."""
    series = rng.normal(size=(20, samples))
    alone = np.array([np.fft.rfft(row) for row in series])
    assert spectrum.spectrum(Block(series)).tobytes() == alone.tobytes()


def test_the_angle_of_a_rounding_error_is_that_of_numpy() -> None:
    """A coefficient that is zero but for rounding has numpy's own angle."""
    series = np.tile(np.sin(2 * np.pi * np.arange(64) / 16), (2, 1))
    parameters: list[Parameters] = [{"coeff": k, "attr": "angle"} for k in range(33)]
    out = np.empty((33, 2))
    spectrum.fft_coefficient(Block(series), spectrum.prepare_parts(parameters, 64), out)
    np.testing.assert_allclose(out[:, 0], np.angle(np.fft.rfft(series[0]), deg=True), rtol=1e-12)


def test_parts_come_in_the_requested_order() -> None:
    """Coefficients in any order, with gaps and beyond the transform, land in their own rows."""
    series = rng.normal(size=(3, 20))
    parameters: list[Parameters] = [
        {"coeff": coefficient, "attr": part}
        for coefficient, part in [(7, "imag"), (0, "abs"), (11, "real"), (10, "real"), (2, "abs"), (7, "real")]
    ]
    out = np.empty((len(parameters), 3))
    spectrum.fft_coefficient(Block(series), spectrum.prepare_parts(parameters, 20), out)
    z = np.fft.rfft(series).T
    expected = [z[7].imag, abs(z[0]), np.full(3, np.nan), z[10].real, abs(z[2]), z[7].real]
    np.testing.assert_allclose(out, expected, rtol=1e-14)


@pytest.mark.parametrize("scale", [1e-160, 1e160])
def test_amplitudes_survive_squares_that_do_not(scale: float) -> None:
    """The amplitude of a number whose square is out of range is right all the same."""
    real, out = np.array([3.0, 0.0]) * scale, np.empty(2)
    spectrum.amplitudes(real, real / 3 * 4, out)
    np.testing.assert_allclose(out, [5 * scale, 0], rtol=1e-14)


@pytest.mark.parametrize("samples", [30, 1024])
def test_spectra_are_hardly_ever_doubted(samples: int) -> None:
    """Series as sensors give them, constants aside, need no second computation."""
    for name, rows in realistic(samples).items():
        series = rows[np.ptp(rows, axis=1) > 0]
        out = np.empty((4, len(series)))
        doubtful = spectrum.fft_aggregated(Block(series), spectrum.prepare_moments(MOMENTS, samples), out)
        assert doubtful.mean() <= 0.02, name
        out = np.empty((5, len(series)))
        doubtful = power_density.fourier_entropy(Block(series), power_density.prepare_entropies(BINS, samples), out)
        assert doubtful.mean() <= 0.02, name


def test_narrow_spectra_far_from_zero_are_doubted() -> None:
    """A sine of whole periods leaves differences of moments that are only rounding: they are not guessed."""
    series = np.cos(2 * np.pi * 200 * np.arange(1024) / 1024)[None, :]
    out = np.empty((4, 1))
    assert spectrum.fft_aggregated(Block(series), spectrum.prepare_moments(MOMENTS, 1024), out).all()


def test_the_entropy_of_a_constant_is_undefined_or_doubted() -> None:
    """A constant has no density but that of its mean's rounding."""
    series = np.array([[1.0] * 64, [0.1] * 64, [0.0] * 64])
    out = np.empty((5, 3))
    doubtful = power_density.fourier_entropy(Block(series), power_density.prepare_entropies(BINS, 64), out)
    assert (np.isnan(out).all(axis=0) | doubtful).all()
    assert not doubtful[[0, 2]].any()
