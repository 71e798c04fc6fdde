"""How well alarms of anomalies fit labelled spans: by row, and by event.

References
----------
Tatbul et al., "Precision and recall for time series", NeurIPS 2018, arXiv:1803.03639 (why rows alone mislead).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RowCounts:
    """Rows by alarm and label; counts of several recordings add up."""

    hit: int
    false: int
    missed: int
    quiet: int

    def __add__(self, other: "RowCounts") -> "RowCounts":
        return RowCounts(*(getattr(self, name) + getattr(other, name) for name in vars(self)))

    @property
    def f1(self) -> float:
        """Return the F1 score; NaN without alarm and label."""
        return _ratio(2 * self.hit, 2 * self.hit + self.false + self.missed)

    @property
    def false_alarm_rate(self) -> float:
        """Return the share of the healthy rows with an alarm."""
        return _ratio(self.false, self.false + self.quiet)

    @property
    def missed_alarm_rate(self) -> float:
        """Return the share of the anomalous rows without one."""
        return _ratio(self.missed, self.hit + self.missed)


def count_rows(alarm: Rows, anomalous: Rows) -> RowCounts:
    """Count rows (n,) by alarm and label.

    >>> count_rows(np.array([True, True, False]), np.array([True, False, False])).f1
    0.6666666666666666
    """
    hit, false, missed = alarm & anomalous, alarm & ~anomalous, ~alarm & anomalous
    return RowCounts(int(hit.sum()), int(false.sum()), int(missed.sum()), int((~alarm & ~anomalous).sum()))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
