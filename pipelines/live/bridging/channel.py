"""The readings of one channel that are not in a row yet, and how they get into rows."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

GOOD, UNCERTAIN, BAD = 0, 1, 2
"""Qualities of a reading."""
Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Qualities = npt.NDArray[np.int8]


@dataclass(eq=False)
class Channel:
    """What has arrived of a channel and is not in a row yet."""

    blocks: list[tuple[Times, Values, Qualities]] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    qualities: list[int] = field(default_factory=list)
    last_time: int | None = None
    newest: int = -(2**62)  # the time of its newest reading
    complete_until: int = -(2**62)  # nothing before is missing
    lead: int = 0  # the furthest that its readings came from the future: the machine's clock is ahead of ours
    interrupted: str = ""  # why what comes next may not follow what came last
    held: tuple[float, int] | None = None  # the last reading in a row, where it is repeated

    def gather(self) -> tuple[Times, Values, Qualities]:
        """Take out what has arrived, in order of time; of readings at the same time the last."""
        if self.times:
            self.blocks.append(
                (
                    np.array(self.times, np.int64),
                    np.array(self.values, np.float64),
                    np.array(self.qualities, np.int8),
                )
            )
            self.times, self.values, self.qualities = [], [], []
        if not self.blocks:
            return np.empty(0, np.int64), np.empty(0), np.empty(0, np.int8)
        times, values, qualities = (np.concatenate(parts) for parts in zip(*self.blocks, strict=True))
        self.blocks = []
        if len(times) > 1 and not (np.diff(times) > 0).all():
            order = np.argsort(times, kind="stable")
            times, values, qualities = times[order], values[order], qualities[order]
            last = np.append(np.diff(times) > 0, True)
            times, values, qualities = times[last], values[last], qualities[last]
        return times, values, qualities


def placed(times: Times, own: Times, values: Values, qualities: Qualities) -> tuple[Values, Qualities]:
    """Place a channel's readings into the rows; quality -1 where there is none."""
    if len(own) == len(times) and (own == times).all():
        return values, qualities
    filled, marks = np.full(len(times), np.nan), np.full(len(times), -1, np.int8)
    rows = np.searchsorted(times, own)
    filled[rows], marks[rows] = values, qualities
    return filled, marks


def repeated(values: Values, qualities: Qualities, own: Channel) -> tuple[Values, Qualities]:
    """Fill rows without a reading with the one before."""
    present = qualities >= 0
    before = np.maximum.accumulate(np.where(present, np.arange(len(values)), -1))
    filled, marks = values[before], qualities[before]
    if own.held is not None:
        filled, marks = np.where(before < 0, own.held[0], filled), np.where(before < 0, own.held[1], marks)
    else:
        marks = np.where(before < 0, -1, marks)
    own.held = (float(filled[-1]), int(marks[-1])) if marks[-1] >= 0 else None
    return filled, marks.astype(np.int8)
