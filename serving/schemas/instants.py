"""Instants in requests and answers: RFC 3339 with an offset from UTC, to the microsecond."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pandas as pd

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)", re.ASCII)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
INSTANT_EXPECTED = "an instant from 1970 on with its offset from UTC, such as 2015-03-05T06:00:00Z"


def parse_instant(value: object) -> datetime:
    """Read an instant from 1970 on, in UTC; a ValueError says what is expected.

    >>> parse_instant("2015-03-05T08:00:00+02:00").isoformat()
    '2015-03-05T06:00:00+00:00'
    """
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError(INSTANT_EXPECTED)
    try:
        instant = datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(INSTANT_EXPECTED) from error
    if instant < _EARLIEST:
        raise ValueError(INSTANT_EXPECTED)
    return instant


def format_instant(time: pd.Timestamp) -> str:
    """Write an instant in UTC.

    >>> format_instant(pd.Timestamp("2015-03-05T08:00:00+02:00"))
    '2015-03-05T06:00:00Z'
    """
    return format_microseconds(microseconds_of(time))


def microseconds_of(time: pd.Timestamp) -> int:
    """Count the microseconds from 1970 to an instant."""
    # Through nanoseconds, as `value` goes, instants after 2262 would overflow.
    return int(time.as_unit("us").asm8.view("i8"))


@lru_cache(maxsize=4096)
def format_microseconds(instant: int) -> str:
    """Write an instant in UTC, given in microseconds since 1970."""
    return (_EARLIEST + timedelta(microseconds=instant)).isoformat().replace("+00:00", "Z")
