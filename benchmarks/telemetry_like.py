"""Made-up telemetry to measure feature extraction on: a little of everything that machines deliver."""

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]


def windows(n_windows: int, n_channels: int, samples: int, seed: int) -> FloatArray:
    """Make windows of autoregressive noise with a sine, a level and a trend; every fourth channel is quantised.

    In one window of fifty a channel is stuck at its last value.

    Parameters
    ----------
    n_windows, n_channels, samples
        The shape.
    seed
        Decides everything.

    Returns
    -------
    (n_windows, n_channels, samples) array
    """
    rng = np.random.default_rng(seed)
    t = np.arange(samples)
    values = rng.normal(size=(n_windows, n_channels, samples))
    memory = np.linspace(0.3, 0.9, n_channels)
    for place in range(1, samples):
        values[:, :, place] += memory * values[:, :, place - 1]
    one = (n_windows, n_channels, 1)
    values += 1.5 * np.sin(2 * np.pi * rng.uniform(0.01, 0.2, one) * t + rng.uniform(0, 2 * np.pi, one))
    values += rng.normal(0, 3, one) + rng.normal(0, 1, one) * t / samples
    values[:, 3::4] = np.round(values[:, 3::4], 1)
    stuck = rng.random(one[:2]) < 0.02
    values[stuck] = values[stuck][:, :1]
    return values


def long_frame(values: FloatArray) -> pd.DataFrame:
    """Give windows the shape that tsfresh wants: a row a sample, a column a channel.

    Parameters
    ----------
    values : (n_windows, n_channels, samples)
        The windows.

    Returns
    -------
    pandas.DataFrame
        Columns window, time and one for each channel.
    """
    n_windows, n_channels, samples = values.shape
    frame = pd.DataFrame(
        {"window": np.repeat(np.arange(n_windows), samples), "time": np.tile(np.arange(samples), n_windows)}
    )
    return frame.assign(**{f"c{number}": values[:, number].ravel() for number in range(n_channels)})
