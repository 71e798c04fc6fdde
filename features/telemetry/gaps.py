"""Gaps in telemetry: what counts as a missing sample, what may stand in for it, and when there is too little to go by.

Samples are due at regular times, counted back from the cut-off. What is missing is filled with the last known value if
that is recent enough, and never with anything that came later; a window with too much missing has no features.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.configuration.values import configuration
from data_contracts.errors import UsageError
from features.kernels.compilation import compiled
from features.names import SINCE_START, format_duration, parse_duration
from features.setting_types import Number, UncheckedDuration
from features.telemetry.sorted_times import IntArray, width
from features.telemetry.spans import Segments

FloatArray = npt.NDArray[np.float64]

_NONE = pd.Timedelta(0)


@configuration
class Gaps:
    """Say what is done about missing samples.

    A window (as_of - w, as_of] has w / `interval` due samples, one for each slot
    (as_of - (k + 1) `interval`, as_of - k `interval`]. The last known value in a slot is its sample. An empty slot
    takes the last known value before it, in the window or before the window's beginning, if that is at most `fill_for`
    old at the slot's end; otherwise it is left out, as a null is. A window since the first reading has as many slots as
    reach back to that.

    Raises
    ------
    UsageError
        When one of them makes no sense.

    Examples
    --------
    >>> Gaps(interval=pd.Timedelta("1h"), fill_for=pd.Timedelta("3h"), most_missing=0.3).to_dict()
    {'interval': '1h', 'fill_for': '3h', 'most_missing': 0.3}
    """

    interval: UncheckedDuration
    """The time between samples as they are due."""
    fill_for: UncheckedDuration
    """How old a value may be that stands in for a missing sample; zero for none."""
    most_missing: Number
    """The largest share of samples, 0 to 1, that may be missing before anything is filled. A channel's window with a
    larger one has no features."""

    def __post_init__(self) -> None:
        if not _NONE < self.interval < SINCE_START:
            raise UsageError(
                f"An interval of {_show(self.interval)} between samples",
                "more than none at all",
                "Write 1h for instance",
            )
        if not (self.fill_for == _NONE or self.interval <= self.fill_for < SINCE_START):
            raise UsageError(
                f"A fill_for of {_show(self.fill_for)}",
                f"none at all, 0h, or at least the interval of {_show(self.interval)}: "
                "the value before a missing sample is no younger",
                "Correct it",
            )
        if not 0.0 <= self.most_missing <= 1.0:
            raise UsageError(
                f"A most_missing of {self.most_missing:g}", "a share from 0 to 1", "Write 0.3 for thirty per cent"
            )
        # What cannot be written down is refused here rather than when a model is stored.
        self.to_dict()

    @cached_property
    def step(self) -> int:
        """The interval in microseconds."""
        return width(self.interval)

    @cached_property
    def reach(self) -> int:
        """How old a value may be that stands in, in microseconds."""
        return width(self.fill_for)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Gaps":
        """Read what `to_dict` wrote.

        Parameters
        ----------
        content
            Values as JSON has them.

        Returns
        -------
        Gaps
        """
        return cls(
            interval=parse_duration(content["interval"]),
            fill_for=parse_duration(content["fill_for"], zero=True),
            most_missing=float(content["most_missing"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, as JSON has them.

        Returns
        -------
        dict
        """
        return {
            "interval": format_duration(self.interval),
            "fill_for": format_duration(self.fill_for),
            "most_missing": float(self.most_missing),
        }

    def check_windows(self, windows: Iterable[pd.Timedelta]) -> None:
        """Refuse windows that are no whole number of intervals; one since the start always will do.

        Parameters
        ----------
        windows
            How far back they look.

        Raises
        ------
        UsageError
            For the first that does not fit.
        """
        for window in windows:
            if window != SINCE_START and window % self.interval != _NONE:
                raise UsageError(
                    f"A window of {format_duration(window)} with samples due every {format_duration(self.interval)}",
                    "windows that are a whole number of intervals",
                    "Change the window or the interval",
                )

    def due(self, window: pd.Timedelta, first: IntArray, as_of: IntArray) -> IntArray:
        """Count the samples due in windows.

        Parameters
        ----------
        window
            How far back they look.
        first : (n,)
            The asset's first instant in each window, microseconds since 1970; later than as_of when it has none. It
            counts only in a window since the start.
        as_of : (n,)
            The cut-offs, microseconds since 1970.

        Returns
        -------
        (n,) array
        """
        most = width(window) // self.step
        if window != SINCE_START:
            return np.full(len(as_of), most, dtype=np.int64)
        due: IntArray = np.minimum((as_of - first) // self.step + 1, most)
        return due

    def reasons(self, missing: pd.DataFrame) -> "pd.Series[str]":
        """Say why windows have no features.

        Parameters
        ----------
        missing
            The share of missing samples, a column for each channel and window, named as in feature columns.

        Returns
        -------
        pandas.Series
            A sentence where a share is above what is allowed, null elsewhere.

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
        alike: dict[float, list[str]] = {}
        for kind, share in zip(kinds, shares.tolist(), strict=True):
            if share > self.most_missing:
                alike.setdefault(share, []).append(kind)
        parts = []
        for share, named in alike.items():
            found, allowed = _told_apart(share, self.most_missing)
            whose = "its" if len(named) == 1 else "their"
            parts.append(
                f"{', '.join(named)}: {found} % of {whose} samples are missing, at most {allowed} % are allowed"
            )
        return "; ".join(parts)

    def room(self, due: IntArray, readings: IntArray) -> IntArray:
        """Say how many samples windows can have at most, filled ones among them.

        Parameters
        ----------
        due, readings : (n,)
            The samples due, and the readings there are.

        Returns
        -------
        (n,) array
        """
        # In floats: a long fill of a short interval would overflow.
        each = float(self.reach // self.step + 1)
        room: IntArray = np.minimum(due, each * readings).astype(np.int64)
        return room


@dataclass(frozen=True)
class SamplesAsDue(Segments):
    """Hold one channel's samples of many windows at the times they were due; none of a window that is withheld.

    Parameters
    ----------
    flat : (n_samples,)
        Samples, with room between the windows.
    start, length : (n_windows,)
        Where each window begins in it, and how many samples it has.
    missing : (n_windows,)
        The share of the due samples that was missing before filling; 1 where none was due.
    """

    missing: FloatArray


def samples_as_due(
    gaps: Gaps, readings: Segments, as_of: IntArray, due: IntArray, *, timed: bool = False
) -> SamplesAsDue:
    """Give one channel's samples of many windows at the times they were due.

    Parameters
    ----------
    gaps
        The rule.
    readings
        Each window's readings with their times, ascending; those before its beginning that may stand in for a missing
        sample are among them.
    as_of, due : (n_windows,)
        The cut-offs, and the samples due.
    timed
        Whether the times at which the samples were due are wanted too.

    Returns
    -------
    SamplesAsDue
    """
    if readings.times is None:
        raise ValueError("readings without their times cannot be put where they were due")
    room = gaps.room(due, readings.length)
    placed = np.cumsum(room) - room
    flat = np.empty(int(room.sum()))
    due_at = np.empty(len(flat) if timed else 0, dtype=np.int64)
    length, absent = np.empty(len(due), dtype=np.int64), np.empty(len(due), dtype=np.int64)
    rule, given = (gaps.step, gaps.reach), (readings.flat, readings.times, readings.start, readings.length)
    _place(*given, as_of, due, rule, placed, flat, due_at, length, absent)
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
    """Walk through each window's slots and readings side by side, the oldest first; `due_at` may have no room."""
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
            # Nothing stands in for any slot up to the next reading: over them in one step.
            ahead = (times[reading] - end - 1) // interval if reading < last else due[window] - slot
            missing += ahead
            slot += ahead
            end += ahead * interval
        length[window] = place - placed[window]
        absent[window] = missing


def _told_apart(share: float, most: float) -> tuple[str, str]:
    """Write two shares in per cent, with as few digits as still differ."""
    for digits in range(12):
        told = f"{100 * share:.{digits}f}", f"{100 * most:.{digits}f}"
        if told[0] != told[1]:
            break
    return told


def _show(duration: pd.Timedelta) -> str:
    return "no time" if pd.isna(duration) else format_duration(duration)
