"""Windows as slices: of an asset's instants, and of a channel's samples."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from features.telemetry.sorted_times import IntArray

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Segments:
    """Hold one channel's samples of many windows, each a slice of one flat array.

    Parameters
    ----------
    flat : (n_samples,)
        Samples without nulls.
    start, length : (n_windows,)
        Where each window begins in it, and how many samples it has.
    times : (n_samples,), optional
        When each sample was taken, microseconds since 1970; for those who ask.
    """

    flat: FloatArray
    start: IntArray
    length: IntArray
    times: IntArray | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Readings:
    """Hold every channel's samples of many windows with their times.

    Parameters
    ----------
    segments
        The samples, one for each channel, with their event times.
    first : (n_windows,)
        The first instant known in each window; later than its cut-off when there is none.
    """

    segments: tuple[Segments, ...]
    first: IntArray


@dataclass(frozen=True)
class Spans:
    """Hold many windows as slices of the instants.

    Parameters
    ----------
    begin, end : (n_windows,)
        The slices.
    as_of : (n_windows,)
        The cut-offs, microseconds since 1970.
    is_open : (n_windows,)
        Whether a window holds an instant that is not settled at its cut-off.
    """

    begin: IntArray
    end: IntArray
    as_of: IntArray
    is_open: npt.NDArray[np.bool_]

    @property
    def open_instants(self) -> IntArray:
        """Instants to reconcile anew for each window: zero where the window is a plain slice."""
        return np.where(self.is_open, self.end - self.begin, 0)

    def part(self, begin: int, end: int) -> "Spans":
        """Give the windows of a range."""
        chosen = slice(begin, end)
        return Spans(self.begin[chosen], self.end[chosen], self.as_of[chosen], self.is_open[chosen])
