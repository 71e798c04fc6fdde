"""Fitting an asset's own baseline: its level and its scatter, drawn towards those of its type."""

from typing import Final

import numpy as np
import numpy.typing as npt

from models.anomalies.screening import Screening
from models.baselines.own_baseline import OwnBaseline

Matrix = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]

FURTHEST: Final = 2.0
"""An asset's scatter is taken to be at most so many times its type's, and at least one so-many-th."""
_PRIOR, _PRIOR_IN_COMMON = 30.0, 3.0
"""The type's scatter counts as so many windows that share no reading: of single columns, and of all together."""
_MARGIN: Final = 0.2  # of that, what may be an error of the scatter
_OF_MEDIAN: Final = np.pi / 2  # the variance of a median, over that of a mean


def fit_baseline(x: Matrix, screening: Screening, *, windows: float, since: str, until: str) -> OwnBaseline:
    """Fit to rows (n, n_columns), worth so many `windows` that do not overlap.

    What a few windows show is drawn towards the type, as far as it may be chance (shrinkage, as of Efron and Morris
    1975): levels, medians, by how far assets of the type differ beyond what this one scatters; of scatters their
    logarithms, by column and, less, in common. An asset like any other thus stays near its type's baseline.
    """
    gain, offset = np.ones(x.shape[1]), np.zeros(x.shape[1])
    own = x[:, screening.kept]
    known = np.isfinite(own).sum(axis=0) >= max(len(own) // 2, 2)
    kept = screening.kept[known]
    if not len(kept):
        return OwnBaseline(tuple(gain.tolist()), tuple(offset.tolist()), since, until)
    own, scale, centre = own[:, known], screening.scale[known], screening.centre[known]
    spread = np.nanstd(own, axis=0)
    # Of a channel that stood still the scatter says nothing.
    logs = np.log(np.where(spread > 0, spread / scale, 1.0))
    common = logs.mean() * windows / (windows + _PRIOR_IN_COMMON)
    ratio = np.exp(common + (logs - logs.mean()) * windows / (windows + _PRIOR))
    ratio = np.clip(ratio if windows else np.ones(len(kept)), 1.0 / FURTHEST, FURTHEST)
    between = np.maximum(1.0 - ratio**2 - _MARGIN, 0.0)  # of the type's variance, what lies between its assets
    by_chance = _OF_MEDIAN * ratio**2 / max(windows, 1e-9)
    level = centre + (np.nanmedian(own, axis=0) - centre) * between / (between + by_chance)
    gain[kept] = 1.0 / ratio
    offset[kept] = centre - level * gain[kept]
    return OwnBaseline(tuple(gain.tolist()), tuple(offset.tolist()), since, until)


def held_out(n: int, overlap: int) -> tuple[Rows, Rows]:
    """Return which of n rows in order of time to fit to and which to hold out: the last quarter, with a gap before it.

    >>> fit, check = held_out(8, 2)
    >>> np.flatnonzero(fit), np.flatnonzero(check)
    (array([0, 1, 2, 3]), array([6, 7]))
    """
    place, first = np.arange(n), n - max(n // 4, 1)
    return place < first - overlap, place >= first
