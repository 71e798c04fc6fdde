"""Lagged products of a series with itself, summed over the series."""

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled_sums

FloatArray = npt.NDArray[np.float64]

# Lags that share one pass over the series.
GROUP = 4


@compiled_sums
def lagged_products(series: FloatArray, first: int, products: FloatArray) -> None:
    """Sum ``x[t] x[t+h]`` for consecutive lags h from `first` on, into (n, lags), in one pass for every four lags.

    The number of lags is a multiple of four. Zero for lags beyond the series.
    """
    n, samples = series.shape
    lags = products.shape[1]
    # Zeros after the series let all lags of a group run over the same times.
    padded = np.zeros(samples + first + lags)
    for row in range(n):
        padded[:samples] = series[row]
        for place in range(0, lags, 4):
            lag = first + place
            pairs = max(samples - lag, 0)
            x = padded[:pairs]
            y0 = padded[lag : lag + pairs]
            y1 = padded[lag + 1 : lag + 1 + pairs]
            y2 = padded[lag + 2 : lag + 2 + pairs]
            y3 = padded[lag + 3 : lag + 3 + pairs]
            sum0, sum1, sum2, sum3 = 0.0, 0.0, 0.0, 0.0
            for i in range(pairs):
                sum0 += x[i] * y0[i]
                sum1 += x[i] * y1[i]
                sum2 += x[i] * y2[i]
                sum3 += x[i] * y3[i]
            products[row, place] = sum0
            products[row, place + 1] = sum1
            products[row, place + 2] = sum2
            products[row, place + 3] = sum3
