"""Fewer points of a series that look the same: the lowest and the highest of each column of a chart.

A person looks at a trend for the one reading that stands out, so each column of the chart keeps its extremes and with
them every spike, however short. Largest triangle three buckets (S. Steinarsson, "Downsampling Time Series for Visual
Representation", University of Iceland, 2013, section 4.2) keeps one point a bucket, that of the largest triangle with
its neighbours': the look of a smooth line is better for it, but of two spikes within a bucket one is gone.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


def extremes(times: Floats, values: Floats, columns: int) -> Places:
    """Return the places, in order, of the points to draw: at most two of each of equally wide columns of time.

    `times` ascend, and are shown from the first to the last; `values` have no NaN. All points are kept where that is
    no more than two a column.

    Examples
    --------
    >>> times = np.arange(8.0)
    >>> extremes(times, np.array([0.0, 1.0, 9.0, 1.0, 0.0, -5.0, 1.0, 0.0]), 2).tolist()
    [0, 2, 5, 6]
    """
    if len(times) <= 2 * columns:
        return np.arange(len(times), dtype=np.int64)
    width = (times[-1] - times[0]) / columns
    column = np.minimum((times - times[0]) / width, columns - 1).astype(np.int64) if width > 0 else np.zeros(len(times))
    order = np.lexsort((values, column))
    last = np.flatnonzero(np.diff(column[order], append=-1) != 0)
    first = np.concatenate([[0], last[:-1] + 1])
    return np.unique(np.concatenate([order[first], order[last]])).astype(np.int64)
