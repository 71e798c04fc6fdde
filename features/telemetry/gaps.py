"""Gaps in telemetry: which samples are missing, what replaces them, and when a window has too few.

Samples are due at regular times, counted back from the cut-off. A missing one is filled with the last known value if
that is recent enough, never with anything later; a window with too many missing has no features.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError
from features.kernels.compilation import compiled
from features.names import SINCE_START, format_duration, parse_duration
from features.telemetry.sorted_times import IntArray, width
from features.telemetry.spans import Segments

FloatArray = npt.NDArray[np.float64]

_ZERO = pd.Timedelta(0)


@dataclass(frozen=True)
class Gaps:
    """The rule for missing samples.

    A window (as_of - w, as_of] has w / `interval` due samples, one for each slot (as_of - (k + 1) `interval`, as_of - k
    `interval`]. The last known value in a slot is its sample. An empty slot takes the last known value before it,
    inside the window or before it, if that is at most `fill_for` old at the slot's end; otherwise the sample is left
    out, as a null is. A window since the first reading has as many slots as reach back to that reading.

    Parameters
    ----------
    interval
        The time between due samples.
    fill_for
        How old a value may be to replace a missing sample; zero fills nothing.
    most_missing
        The largest share of samples, 0 to 1, that may be missing before filling. A channel's window with a larger
        share has no features.

    Raises
    ------
    UsageError
        When one of them is out of range.

    Examples
    --------
    >>> Gaps(interval=pd.Timedelta("1h"), fill_for=pd.Timedelta("3h"), most_missing=0.3).to_dict()
    {'interval': '1h', 'fill_for': '3h', 'most_missing': 0.3}
    """

    interval: pd.Timedelta
    fill_for: pd.Timedelta
    most_missing: float

    def __post_init__(self) -> None:
        if not _ZERO < self.interval < SINCE_START:
            raise UsageError(
                f"An interval of {_format(self.interval)} between samples",
                "a positive duration",
                "Set it, for instance to 1h",
            )
        if not (self.fill_for == _ZERO or self.interval <= self.fill_for < SINCE_START):
            raise UsageError(
                f"A fill_for of {_format(self.fill_for)}",
                f"zero, 0h, or at least the interval of {_format(self.interval)}: "
                "the value before a missing sample is at least that old",
                "Correct it",
            )
        if not 0.0 <= self.most_missing <= 1.0:
            raise UsageError(
                f"A most_missing of {self.most_missing:g}", "a share from 0 to 1", "Write 0.3 for thirty per cent"
            )
        # Fails here rather than when a model is stored if a duration cannot be formatted.
        self.to_dict()

    @cached_property
    def step(self) -> int:
        """The interval in microseconds."""
        return width(self.interval)

    @cached_property
    def reach(self) -> int:
        """How old a value may be to replace a missing sample, in microseconds."""
        return width(self.fill_for)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Gaps":
        """Read what `to_dict` wrote."""
        return cls(
            interval=parse_duration(content["interval"]),
            fill_for=parse_duration(content["fill_for"], zero=True),
            most_missing=float(content["most_missing"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return values as JSON has them."""
        return {
            "interval": format_duration(self.interval),
            "fill_for": format_duration(self.fill_for),
            "most_missing": float(self.most_missing),
        }

    def check_windows(self, windows: Iterable[pd.Timedelta]) -> None:
        """Raise a UsageError for a window that is not a whole number of intervals; one since the start always fits."""
        for window in windows:
            if window != SINCE_START and window % self.interval != _ZERO:
                raise UsageError(
                    f"A window of {format_duration(window)} with samples due every {format_duration(self.interval)}",
                    "windows that are a whole number of intervals",
                    "Change the window or the interval",
                )

    def due(self, window: pd.Timedelta, first: IntArray, as_of: IntArray) -> IntArray:
        """Count the samples due in windows (first, as_of: (n,), microseconds since 1970).

        `first` is the asset's first instant in each window, later than `as_of` if it has none; it counts only in a
        window since the start.
        """
        most = width(window) // self.step
        if window != SINCE_START:
            return np.full(len(as_of), most, dtype=np.int64)
        due: IntArray = np.minimum((as_of - first) // self.step + 1, most)
        return due

    def reasons(self, missing: pd.DataFrame) -> "pd.Series[str]":
        """Explain why windows have no features.

        Parameters
        ----------
        missing : (n, n_kinds)
            The share of missing samples, 0 to 1, a column for each channel and window, named as in feature columns.

        Returns
        -------
        pandas.Series of str
            A sentence where a share is above `most_missing`, null elsewhere.

        Examples
        --------
        >>> gaps = Gaps(interval=pd.Timedelta("1h"), fill_for=pd.Timedelta(0), most_missing=0.3)
        >>> gaps.reasons(pd.DataFrame({"volt@24h": [0.45], "heat@24h": [0.1]}))[0]
        'volt@24h: 45 % of its samples are missing, at most 30 % are allowed'
        """
        kinds, shares = list(missing.columns), missing.to_numpy(dtype=np.float64)
        sentences: list[str | None] = [None] * len(missing)
        for row in np.flatnonzero((shares > self.most_missing).any(axis=1)):
            sentences[row] = self._sentence(kinds, shares[row])
        return pd.Series(sentences, index=missing.index, dtype="str")

    def _sentence(self, kinds: list[str], shares: FloatArray) -> str:
        kinds_by_share: dict[float, list[str]] = {}
        for kind, share in zip(kinds, shares.tolist(), strict=True):
            if share > self.most_missing:
                kinds_by_share.setdefault(share, []).append(kind)
        parts = []
        for share, names in kinds_by_share.items():
            missing, allowed = _distinct_percentages(share, self.most_missing)
            their = "its" if len(names) == 1 else "their"
            parts.append(
                f"{', '.join(names)}: {missing} % of {their} samples are missing, at most {allowed} % are allowed"
            )
        return "; ".join(parts)

    def most_samples(self, due: IntArray, readings: IntArray) -> IntArray:
        """Bound how many samples windows can have, filled ones included."""
        # In floats: a long fill of a short interval would overflow.
        per_reading = float(self.reach // self.step + 1)
        samples: IntArray = np.minimum(due, per_reading * readings).astype(np.int64)
        return samples


@dataclass(frozen=True)
class SamplesAsDue(Segments):
    """One channel's samples of many windows at the times they were due; none of a withheld window."""

    missing: FloatArray  # (n_windows,), share of the due samples missing before filling; 1 where none was due


def samples_as_due(
    gaps: Gaps, readings: Segments, as_of: IntArray, due: IntArray, *, timed: bool = False
) -> SamplesAsDue:
    """Place one channel's readings of many windows at the times samples were due.

    The readings need times, ascending in each window, and include those before its beginning that may replace a missing
    sample. `as_of` and `due` are (n_windows,).
    """
    if readings.times is None:
        raise ValueError("readings without times cannot be placed at the times samples were due")
    capacity = gaps.most_samples(due, readings.length)
    placed = np.cumsum(capacity) - capacity
    flat = np.empty(int(capacity.sum()))
    due_at = np.empty(len(flat) if timed else 0, dtype=np.int64)
    length, absent = np.empty(len(due), dtype=np.int64), np.empty(len(due), dtype=np.int64)
    rule, arrays = (gaps.step, gaps.reach), (readings.flat, readings.times, readings.start, readings.length)
    _place(*arrays, as_of, due, rule, placed, flat, due_at, length, absent)
    missing = np.divide(absent, due, out=np.ones(len(due)), where=due > 0)
    length[missing > gaps.most_missing] = 0
    return SamplesAsDue(flat, placed, length, missing, times=due_at if timed else None)


@compiled
def _place(
    values: FloatArray,
    times: IntArray,
    start: IntArray,
    readings: IntArray,
    as_of: IntArray,
    due: IntArray,
    rule: tuple[int, int],
    placed: IntArray,
    samples: FloatArray,
    due_at: IntArray,
    length: IntArray,
    absent: IntArray,
) -> None:
    """Walk through each window's slots and readings side by side, oldest first; `due_at` may be empty."""
    interval, fill_for = rule
    timed = due_at.size > 0
    for window in range(len(due)):
        first, last = start[window], start[window] + readings[window]
        reading, place, missing, slot = first, placed[window], 0, 0
        end = as_of[window] - due[window] * interval
        while slot < due[window]:
            slot += 1
            end += interval
            while reading < last and times[reading] <= end:
                reading += 1
            age = end - times[reading - 1] if reading > first else -1
            fresh = 0 <= age < interval
            if not fresh:
                missing += 1
            if fresh or 0 <= age <= fill_for:
                samples[place] = values[reading - 1]
                if timed:
                    due_at[place] = end
                place += 1
                continue
            # No slot up to the next reading can be filled: skip them in one step.
            ahead = (times[reading] - end - 1) // interval if reading < last else due[window] - slot
            missing += ahead
            slot += ahead
            end += ahead * interval
        length[window] = place - placed[window]
        absent[window] = missing


def _distinct_percentages(share: float, most: float) -> tuple[str, str]:
    """Format two shares in per cent with as few digits as still differ."""
    for digits in range(12):
        percentages = f"{100 * share:.{digits}f}", f"{100 * most:.{digits}f}"
        if percentages[0] != percentages[1]:
            break
    return percentages


def _format(duration: pd.Timedelta) -> str:
    return "no time" if pd.isna(duration) else format_duration(duration)
