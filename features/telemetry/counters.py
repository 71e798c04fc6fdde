"""Counters: channels that only count up, such as starts or pieces. Features see their increments, never their level.

An increment belongs to the later of two consecutive readings, and to a window only if both are in it: a window with n
readings has n - 1 increments. A fall is a reset to zero; of a counter that rolls over it is a wrap, where counting on
past the rollover would be at most half of the range.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from data_contracts.errors import UsageError
from features.telemetry.spans import Segments

if TYPE_CHECKING:
    from data_contracts.contract.contract import Contract

FloatArray = npt.NDArray[np.float64]
S = TypeVar("S", bound=Segments)

# Of a fall over more than half of the range, a wrap is likelier than a reset.
_MOST_OF_A_WRAP = 0.5


@dataclass(frozen=True)
class Counter:
    """A channel that counts.

    Parameters
    ----------
    channel
        The channel.
    rollover
        Where it starts again from 0, such as 65536; None if it does not.

    Raises
    ------
    UsageError
        When the rollover is not a positive, finite number.
    """

    channel: str
    rollover: float | None = None

    def __post_init__(self) -> None:
        if self.rollover is not None and not 0 < self.rollover < np.inf:
            raise UsageError(
                f"The rollover {self.rollover} of {self.channel}", "a positive number, such as 65536", "Correct it"
            )

    def increments(self, values: FloatArray) -> FloatArray:
        """Return by how much the counter rose to each value from the one before it, (n,); NaN for the first.

        >>> Counter("starts", 100.0).increments(np.array([90.0, 98.0, 5.0, 7.0, 1.0])).tolist()
        [nan, 8.0, 7.0, 2.0, 1.0]
        >>> Counter("starts").increments(np.array([90.0, 98.0, 5.0])).tolist()
        [nan, 8.0, 5.0]
        """
        result = np.full(len(values), np.nan)
        before, after = values[:-1], values[1:]
        with np.errstate(all="ignore"):
            rise = after - before
            fell = rise < 0
            rise[fell] = after[fell]
            if self.rollover is not None:
                past = after - before + self.rollover
                wrapped = fell & (before <= self.rollover) & (past <= _MOST_OF_A_WRAP * self.rollover)
                rise[wrapped] = past[wrapped]
        result[1:] = rise
        return result


def counters_of(contract: "Contract | None", channels: Iterable[str]) -> tuple[Counter, ...]:
    """Return the counters that a contract declares among some channels, in the contract's order."""
    if contract is None:
        return ()
    known = set(channels)
    return tuple(
        Counter(column.name, column.rollover) for column in contract.columns if column.counter and column.name in known
    )


def without_first(segments: S, increments: FloatArray) -> S:
    """Replace readings by their increments: a window's first reading has none."""
    length = np.maximum(segments.length - 1, 0)
    return replace(segments, flat=increments, start=segments.start + 1, length=length)
