"""Compiled writing of a payload's metrics, the reverse of `metric_scan`."""

import numpy as np
import numpy.typing as npt

from features.kernels.compilation import compiled

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

LARGEST_METRIC = 64
"""The most bytes of one metric, without its properties."""


@compiled
def write_metrics(
    out: Bytes,
    aliases: Numbers,
    times: Numbers,
    doubles: npt.NDArray[np.bool_],
    values: Numbers,
    nulls: npt.NDArray[np.bool_],
    sets: Numbers,
    properties: Bytes,
    bounds: Numbers,
    historical: bool,
) -> int:
    """Write one metric for each alias, time and value (as bits); `sets` says which properties; return the length."""
    at = 0
    for n in range(len(aliases)):
        first, last = bounds[sets[n]], bounds[sets[n] + 1]
        size = 2 + _size(aliases[n]) + _size(times[n]) + (2 if historical else 0) + (last - first)
        size += 2 if nulls[n] else 9 if doubles[n] else 5
        out[at] = 18
        at = _write(out, at + 1, size)
        out[at] = 16
        at = _write(out, at + 1, aliases[n])
        out[at] = 24
        at = _write(out, at + 1, times[n])
        if historical:
            out[at], out[at + 1] = 40, 1
            at += 2
        if nulls[n]:
            out[at], out[at + 1] = 56, 1
            at += 2
        for byte in range(first, last):
            out[at] = properties[byte]
            at += 1
        if not nulls[n]:
            out[at] = 105 if doubles[n] else 101
            width = 8 if doubles[n] else 4
            for byte in range(width):
                out[at + 1 + byte] = (values[n] >> (8 * byte)) & 255
            at += 1 + width
    return at


@compiled
def _size(value: int) -> int:
    size = 1
    while value > 127:
        value >>= 7
        size += 1
    return size


@compiled
def _write(out: Bytes, at: int, value: int) -> int:
    while value > 127:
        out[at] = value & 127 | 128
        at += 1
        value >>= 7
    out[at] = value
    return at + 1
