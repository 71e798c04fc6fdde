"""Limits of a message's own numbers and times, the same for every payload."""

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from pipelines.live.payloads.payload_error import PayloadError

_MICROSECONDS = 1_000_000
# What `datetime` can hold; which of these a row may have is its contract's business.
EARLIEST, LATEST = (
    int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) * _MICROSECONDS,
    int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * _MICROSECONDS,
)
# Of epoch and sent: a clock that was never set says 1970, which is a session like any other.
_LATEST_CLOCK = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * _MICROSECONDS
_LARGEST_SEQUENCE = 2**53
_SET_CLOCK = "Set the edge's clock; times are microseconds since 1970 in UTC"


def check_session(epoch: int, sequence: int, sent: int) -> None:
    """Raise PayloadError if epoch, sequence or sent cannot be right."""
    for name, time in (("epoch", epoch), ("sent", sent)):
        if not 0 <= time < _LATEST_CLOCK:
            raise PayloadError("absurd time", f"{name} {time}", "microseconds from 1970 to 2200", _SET_CLOCK)
    if not 0 <= sequence < _LARGEST_SEQUENCE:
        raise PayloadError(
            "invalid value", f"sequence {sequence}", "0 to 2**53", "Number the messages of a session 0, 1, 2, ..."
        )


def check_event_times(microseconds: npt.NDArray[np.int64] | None) -> None:
    """Raise PayloadError if an event time is beyond the years 1 to 9999."""
    if microseconds is None or not microseconds.size:
        return
    for time in (int(microseconds.min()), int(microseconds.max())):
        if not EARLIEST <= time < LATEST:
            raise PayloadError("absurd time", f"event_time {time}", "microseconds in the years 1 to 9998", _SET_CLOCK)
