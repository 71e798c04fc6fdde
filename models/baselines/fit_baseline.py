"""Fitting an asset's own baseline: its level by medians, its scatter drawn towards that of its type."""

from typing import Final

import numpy as np
import numpy.typing as npt

from models.anomalies.screening import Screening, centre_and_scale
from models.baselines.own_baseline import OwnBaseline

Matrix = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]

FURTHEST: Final = 2.0
"""An asset's scatter is taken to be at most so many times its type's, and at least one so-many-th."""
_PRIOR: Final = 10.0
"""The type's scatter counts as so many windows that share no reading."""


def fit_baseline(x: Matrix, screening: Screening, *, windows: float, since: str, until: str) -> OwnBaseline:
    """Fit to rows (n, n_columns), worth so many `windows` that do not overlap.

    Levels are medians. A scatter from a few windows is uncertain: its logarithm is a mean of the asset's and the
    type's, weighted by `windows` and by ten (shrinkage towards a common value, as of Efron and Morris 1975).
    """
    gain, offset = np.ones(x.shape[1]), np.zeros(x.shape[1])
    own = x[:, screening.kept]
    known = np.isfinite(own).sum(axis=0) >= max(len(own) // 2, 2)
    kept = screening.kept[known]
    level, scatter = centre_and_scale(own[:, known])
    # Of a channel that stood still the scatter says nothing.
    moved = np.nanmax(own[:, known], axis=0) > np.nanmin(own[:, known], axis=0) if known.any() else known[known]
    ratio = np.where(moved, scatter / screening.scale[known], 1.0)
    shrunk = np.exp(windows / (windows + _PRIOR) * np.log(ratio))
    gain[kept] = 1.0 / np.clip(shrunk, 1.0 / FURTHEST, FURTHEST)
    offset[kept] = screening.centre[known] - level * gain[kept]
    return OwnBaseline(tuple(gain.tolist()), tuple(offset.tolist()), since, until)


def held_out(n: int, overlap: int) -> tuple[Rows, Rows]:
    """Return which of n rows in order of time to fit to and which to hold out: the last quarter, with a gap before it.

    >>> fit, check = held_out(8, 2)
    >>> np.flatnonzero(fit), np.flatnonzero(check)
    (array([0, 1, 2, 3]), array([6, 7]))
    """
    place, first = np.arange(n), n - max(n // 4, 1)
    return place < first - overlap, place >= first
