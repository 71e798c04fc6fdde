"""Wavelet transforms and ridge lines: what the parity tests cannot see."""

import numpy as np
import pytest
import pywt
from scipy import signal

from features.kernels import wavelet_peaks
from features.kernels.block import Block
from features.kernels.kernel import Parameters
from features.kernels.wavelet_peaks import count_quickly, number_cwt_peaks, prepare_ridges, ricker
from features.kernels.wavelets import cwt_coefficients, prepare_impulses

rng = np.random.default_rng(1)
COUNTS: list[Parameters] = [{"n": n} for n in (1, 2, 5, 10)]


def slow_count(series: np.ndarray, n: int) -> int:
    return len(signal.find_peaks_cwt(series, np.arange(1, n + 1), wavelet=ricker))


def doubted(series: np.ndarray, widths: int) -> np.ndarray:
    out, doubtful = np.empty((1, len(series))), np.empty(len(series), dtype=np.bool_)
    largest = np.abs(series).max(axis=1)
    count_quickly(series, largest, *prepare_ridges([{"n": widths}], series.shape[1])[:4], out, doubtful)
    return doubtful


@pytest.mark.parametrize("samples", [2, 9, 31, 60, 110])
@pytest.mark.parametrize("levels", [2, 3, 40])
def test_ridge_lines_are_those_of_scipy(samples: int, levels: int) -> None:
    """Few levels make ties of every kind; each count is scipy's."""
    series = (rng.integers(0, levels, (4, samples)) * 0.1).astype(np.float64)
    out = np.empty((len(COUNTS), len(series)))
    number_cwt_peaks(Block(series), prepare_ridges(COUNTS, samples), out)
    assert out.tolist() == [[slow_count(row, parameters["n"]) for row in series] for parameters in COUNTS]


@pytest.mark.parametrize("samples", [30, 1024])
def test_series_without_mirrored_stretches_are_transformed_once(samples: int) -> None:
    """Noise, walks, stuck sensors and constants need no second transform."""
    noise, time = rng.normal(size=(40, samples)), np.arange(samples)
    stuck = np.where(time > samples // 2, 7.3, 7.3 + noise)
    for series in (noise, noise.cumsum(axis=1), stuck, np.round(noise.cumsum(axis=1), 1), np.zeros((1, samples))):
        assert doubted(series, 5).mean() <= 0.05
    if samples > 100:
        assert not doubted(np.full((1, samples), 7.3), 5).any()


def test_mirrored_samples_are_doubted() -> None:
    """A pulse makes two neighbours of one height in exact arithmetic: scipy's rounding decides, so scipy is used."""
    assert doubted((np.arange(64) == 30)[None, :] * 0.3, 1).all()


def test_very_long_series_are_left_to_tsfresh() -> None:
    """Where scipy may convolve by FFT its rounding is another; such series are doubted."""
    doubtful = number_cwt_peaks(Block(np.zeros((1, 70_000))), prepare_ridges([{"n": 5}], 70_000), np.empty((1, 1)))
    assert doubtful is not None
    assert doubtful.all()


@pytest.mark.parametrize("samples", [1, 10, 30, 200])
def test_coefficients_of_any_widths_are_those_of_pywt(samples: int) -> None:
    """Any widths, whole or not, and places up to the end; nothing beyond."""
    series = rng.normal(size=(3, samples))
    parameters: list[Parameters] = [
        {"widths": (1, 2.5, 7), "coeff": place, "w": width} for width in (1, 2.5, 7) for place in (0, 5, 29, 150)
    ]
    out = np.empty((len(parameters), 3))
    cwt_coefficients(Block(series), prepare_impulses(parameters, samples), out)
    for number, p in enumerate(parameters):
        if p["coeff"] >= samples:
            assert np.isnan(out[number]).all()
        else:
            expected = pywt.cwt(series, (p["w"],), "mexh")[0][0][:, p["coeff"]]
            np.testing.assert_allclose(out[number], expected, rtol=1e-9, atol=1e-12)


def test_a_coefficient_that_is_rounding_is_that_of_pywt() -> None:
    """Deep inside a large constant the transform is the rounding of pywt's own sums."""
    series = np.full((1, 200), 1e9 / 3)
    parameters: list[Parameters] = [{"widths": (2,), "coeff": 100, "w": 2}]
    out = np.empty((1, 1))
    cwt_coefficients(Block(series), prepare_impulses(parameters, 200), out)
    assert out[0, 0] == pywt.cwt(series[0], (2,), "mexh")[0][0, 100]


def test_the_noise_is_a_quantile_between_two_values() -> None:
    """The 10 % quantile of a few values, of whatever sign, decides as scipy's does."""
    for n in (1, 5, 11, 20, 31, 52):
        for _ in range(20):
            around = rng.normal(size=20 * n)
            value, column = rng.normal() * 1.5, 10 * n
            window = around[column - n // 2 : column + n // 2 + n % 2]
            noise = np.quantile(window, 0.1)
            verdict = wavelet_peaks.judge(around, column, value, 1e-14, False, 0)
            assert verdict == (wavelet_peaks.QUIET if abs(value) < abs(noise) else wavelet_peaks.LOUD)
