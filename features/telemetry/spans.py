"""Windows as slices: of an asset's instants, and of a channel's samples."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from features.telemetry.sorted_times import IntArray

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Segments:
    """One channel's samples in many windows, each a slice of one flat array."""

    flat: FloatArray  # (n_samples,), without nulls
    start: IntArray  # (n_windows,), where each window begins in `flat`
    length: IntArray  # (n_windows,), how many samples it has
    # (n_samples,), microseconds since 1970; only when needed
    times: IntArray | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Readings:
    """Every channel's samples in many windows, with their times."""

    segments: tuple[Segments, ...]  # one for each channel, with event times
    first: IntArray  # (n_windows,), the first known instant in each window; later than its cut-off when there is none


@dataclass(frozen=True)
class Spans:
    """Many windows as slices of the instants."""

    begin: IntArray  # (n_windows,), like all of these
    end: IntArray
    as_of: IntArray  # cut-offs, microseconds since 1970
    known_by: IntArray  # when what counts was known by; mostly the cut-offs themselves
    is_open: npt.NDArray[np.bool_]  # whether a window holds an instant that is not settled by then

    @property
    def open_instants(self) -> IntArray:
        """How many instants must be reconciled anew for each window: zero for a plain slice."""
        return np.where(self.is_open, self.end - self.begin, 0)

    def part(self, begin: int, end: int) -> "Spans":
        """Return the windows of a range."""
        chosen = slice(begin, end)
        begins, ends, as_of, known_by = (each[chosen] for each in (self.begin, self.end, self.as_of, self.known_by))
        return Spans(begins, ends, as_of, known_by, self.is_open[chosen])
