"""Straight lines through a window, in closed form."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from features.kernels.block import Block, FloatArray, row_sum
from features.kernels.kernel import Kernel, Parameters, listed

# Beyond this, 1 - r is mostly round-off, and the standard error and p-value with it: scipy's own steps decide.
_NEARLY_ONE = 1.0 - 1e-9
_TINY = 1.0e-20  # scipy's, in the denominator of t
_ATTRIBUTES = ("slope", "intercept", "rvalue", "pvalue", "stderr")
_DOUBTFUL = ("pvalue", "stderr")


@dataclass(frozen=True)
class Line:
    """Least squares of y on 0, 1, ..., n - 1: one value a series in every attribute."""

    slope: FloatArray
    intercept: FloatArray
    rvalue: FloatArray
    pvalue: FloatArray
    stderr: FloatArray


def fit_lines(block: Block, attributes: Collection[str] = _ATTRIBUTES) -> Line:
    """Fit a line to each series, as ``scipy.stats.linregress(range(n), x)`` does.

    Parameters
    ----------
    block
        Finite series.
    attributes
        Those that are wanted: the two that a perfect line leaves to round-off cost extra for such lines.

    Returns
    -------
    Line
        NaN for series of one sample.

    Notes
    -----
    Slope and intercept are differences of larger terms. Where these all but cancel, what is left is their round-off,
    here and in scipy; it depends on the order of summation, which scipy leaves to the BLAS library.

    References
    ----------
    Draper and Smith (1998), Applied Regression Analysis, chapter 1.
    """
    n = block.samples
    if n < 2:
        return Line(*(block.full(np.nan) for _ in _ATTRIBUTES))
    steps = np.arange(n) - (n - 1) / 2
    ssx = (n * n - 1) / 12
    sxy = row_sum(block.centred * steps) / n
    ssy = block.variance
    slope = sxy / ssx
    intercept = block.mean - slope * ((n - 1) / 2)
    flat = ssy == 0
    r = np.clip(np.divide(sxy, np.sqrt(ssx * ssy), out=block.full(np.nan), where=~flat), -1.0, 1.0)
    if n == 2:
        line = Line(slope, intercept, r, flat.astype(np.float64), block.full(0.0))
    else:
        t = r * np.sqrt((n - 2) / ((1.0 - r + _TINY) * (1.0 + r + _TINY)))
        stderr = np.sqrt((1 - r * r) * ssy / ssx / (n - 2))
        line = Line(slope, intercept, r, 2 * stdtr(n - 2, -np.abs(t)), stderr)
        if not set(attributes).isdisjoint(_DOUBTFUL):
            _mend(line, block, np.flatnonzero(np.abs(r) > _NEARLY_ONE))
    return line


def _mend(line: Line, block: Block, rows: npt.NDArray[np.int64]) -> None:
    """Take the standard error and p-value of perfect lines from scipy itself, as they are round-off alone.

    The other attributes are left alone: they must not depend on what else is wanted.
    """
    if rows.size == 0:
        return
    # scipy.stats takes a second to import and perfect lines are rare.
    from scipy.stats import linregress

    for row in rows:
        fitted = linregress(range(block.samples), block.series[row].copy())
        for attribute in _DOUBTFUL:
            getattr(line, attribute)[row] = getattr(fitted, attribute)


def linear_trend(block: Block, wanted: Sequence[Parameters]) -> list[FloatArray]:
    """Fit a line to the samples (tsfresh: linear_trend; two passes, p-values by scipy.special.stdtr)."""
    line = fit_lines(block, [parameters["attr"] for parameters in wanted])
    return [getattr(line, parameters["attr"]) for parameters in wanted]


def agg_linear_trend(block: Block, wanted: Sequence[Parameters]) -> list[FloatArray]:
    """Fit a line to the max, min, mean or var of chunks (tsfresh: agg_linear_trend; a pass for each pair of them).

    NaN unless the window is longer than a chunk, as in tsfresh. The last chunk may be short.
    """
    lines: dict[tuple[int, str], Line] = {}
    for parameters in wanted:
        key = (parameters["chunk_len"], parameters["f_agg"])
        if key not in lines:
            attributes = [p["attr"] for p in wanted if (p["chunk_len"], p["f_agg"]) == key]
            lines[key] = fit_lines(Block(_chunked(block, *key)), attributes)
    return [getattr(lines[p["chunk_len"], p["f_agg"]], p["attr"]) for p in wanted]


def _chunked(block: Block, chunk_len: int, f_agg: str) -> FloatArray:
    """Aggregate chunks, (n, ceil(samples / chunk_len)); a single NaN column when there would be one chunk."""
    if chunk_len >= block.samples:
        return block.full(np.nan)[:, None]
    whole = block.samples // chunk_len
    cut = whole * chunk_len
    parts = [np.ascontiguousarray(block.series[:, :cut]).reshape(block.n, whole, chunk_len)]
    if cut < block.samples:
        parts.append(np.ascontiguousarray(block.series[:, cut:]).reshape(block.n, 1, -1))
    return np.concatenate([getattr(part, f_agg)(axis=2) for part in parts], axis=1)


KERNELS: dict[str, Kernel] = {
    "linear_trend": listed(linear_trend),
    "agg_linear_trend": listed(agg_linear_trend),
}
