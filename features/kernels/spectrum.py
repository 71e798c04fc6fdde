"""What the Fourier transform tells."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from features.kernels.block import Block, FloatArray
from features.kernels.kernel import Kernel, Parameters, listed

_PARTS: dict[str, Callable[[Any], FloatArray]] = {
    "real": np.real,
    "imag": np.imag,
    "abs": np.abs,
    "angle": lambda coefficient: np.angle(coefficient, deg=True),
}


def fft_coefficient(block: Block, wanted: Sequence[Parameters]) -> list[FloatArray]:
    """Give parts of ``sum(x[m] exp(-2 pi i m k / n))``, angles in degrees (tsfresh: fft_coefficient; one FFT).

    NaN for coefficients beyond n / 2.
    """
    spectrum = np.fft.rfft(block.series, axis=1)
    return [
        np.ascontiguousarray(_PARTS[p["attr"]](spectrum[:, p["coeff"]]))
        if p["coeff"] < spectrum.shape[1]
        else block.full(np.nan)
        for p in wanted
    ]


KERNELS: dict[str, Kernel] = {
    "fft_coefficient": listed(fft_coefficient),
}
