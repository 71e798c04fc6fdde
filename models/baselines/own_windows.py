"""From which windows an asset's own baseline may be learned: complete, matured, and far from alarms and failures."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]
Stage = Literal["collecting", "ready", "refused"]

LONGEST: Final = 2.0
"""A baseline is learned within so many of its spans; an asset that was not quiet by then stays with its type's."""


@dataclass(frozen=True)
class OwnWindows:
    """Which of an asset's cut-offs its baseline is learned from, and whether they are enough."""

    rows: Rows  # (n,)
    stage: Stage
    usable: int
    wanted: int
    alarmed: int  # cut-offs left out as near to an alarm of the type's model, or to a failure


def choose_own_windows(
    times: Times,
    alarms: Times,
    failures: Times,
    *,
    first: float,
    now: float,
    window: float,
    claim: float,
    span: float,
    stride: float,
) -> OwnWindows:
    """Choose among cut-offs at times (n,), ascending; all times and lengths are in one unit.

    Cut-offs count from the first complete window after the reading at `first` on, over twice the span, once all that
    they claim has come true or not: `claim` before `now`. Those at which the type's model alarmed are left out, and so
    are those whose window overlaps one of them, and those that an alarm or a failure followed within the claim: an
    asset must not take its own run-up for normal.
    """
    begin = first + window
    end = begin + LONGEST * span
    candidates = (times >= begin) & (times <= end) & (times + claim <= now)
    near = _near(times, alarms, before=claim, after=window) | _near(times, failures, before=claim, after=window)
    rows = candidates & ~near
    usable, wanted = int(rows.sum()), int(np.ceil(span / stride))
    stage: Stage = "ready" if usable >= wanted else "refused" if now - claim > end else "collecting"
    return OwnWindows(rows, stage, usable, wanted, int((candidates & near).sum()))


def _near(times: Times, events: Times, *, before: float, after: float) -> Rows:
    """Mark times from `before` ahead of an event to less than `after` behind it."""
    ordered = np.sort(events)
    first = np.searchsorted(ordered, times - after, side="right")
    last = np.searchsorted(ordered, times + before, side="right")
    return np.asarray(last > first, dtype=np.bool_)
