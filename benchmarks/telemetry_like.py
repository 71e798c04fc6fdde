"""Synthetic telemetry to measure feature extraction on: a little of everything that machines send."""

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]


def windows(n_windows: int, n_channels: int, samples: int, seed: int) -> FloatArray:
    """Return (n_windows, n_channels, samples) autoregressive noise with a sine, a level and a trend.

    Every fourth channel is quantised; of fifty channels one is stuck at a value.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(samples)
    values = rng.normal(size=(n_windows, n_channels, samples))
    memory = np.linspace(0.3, 0.9, n_channels)
    for place in range(1, samples):
        values[:, :, place] += memory * values[:, :, place - 1]
    each = (n_windows, n_channels, 1)
    values += 1.5 * np.sin(2 * np.pi * rng.uniform(0.01, 0.2, each) * t + rng.uniform(0, 2 * np.pi, each))
    values += rng.normal(0, 3, each) + rng.normal(0, 1, each) * t / samples
    values[:, 3::4] = np.round(values[:, 3::4], 1)
    stuck = rng.random(each[:2]) < 0.02
    values[stuck] = values[stuck][:, :1]
    return values


def long_frame(values: FloatArray) -> pd.DataFrame:
    """Return windows in tsfresh's form: a row a sample, columns window, time and one for each channel."""
    n_windows, n_channels, samples = values.shape
    frame = pd.DataFrame(
        {"window": np.repeat(np.arange(n_windows), samples), "time": np.tile(np.arange(samples), n_windows)}
    )
    return frame.assign(**{f"c{number}": values[:, number].ravel() for number in range(n_channels)})
