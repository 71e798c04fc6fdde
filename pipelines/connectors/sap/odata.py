"""Values of OData V2 as JSON and in filters, to times and texts and back.

References
----------
OData 2.0, *Overview* section 6 "Primitive Data Types" and *JSON Format* section 4 (odata.org).
"""

import re
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d+)?\)/")
_TIME = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?")
_EPOCH = pd.Timestamp("1970-01-01").as_unit("us")
_MILLISECOND = pd.Timedelta(milliseconds=1)


def quoted(text: str) -> str:
    """Return a text as a literal of a filter.

    Examples
    --------
    >>> quoted("O'Neill")
    "'O''Neill'"
    """
    return "'" + text.replace("'", "''") + "'"


def instant_literal(at: pd.Timestamp) -> str:
    """Return a time as a literal of a filter.

    Examples
    --------
    >>> instant_literal(pd.Timestamp("2026-03-01T06:00Z"))
    "datetimeoffset'2026-03-01T06:00:00Z'"
    """
    utc = at.tz_convert("UTC")
    part = f".{utc.microsecond // 1000:03d}" if utc.microsecond else ""
    return f"datetimeoffset'{utc:%Y-%m-%dT%H:%M:%S}{part}Z'"


def local_date(at: pd.Timestamp, zone: str) -> str:
    """Return the date that a clock on the wall shows, as JSON.

    Examples
    --------
    >>> local_date(pd.Timestamp("2026-03-01T23:30Z"), "Europe/Berlin")
    '/Date(1772409600000)/'
    """
    day = at.tz_convert(ZoneInfo(zone)).tz_localize(None).normalize()
    return f"/Date({(day - _EPOCH) // _MILLISECOND})/"


def local_time(at: pd.Timestamp, zone: str) -> str:
    """Return the time of day that a clock on the wall shows, as JSON.

    Examples
    --------
    >>> local_time(pd.Timestamp("2026-03-01T23:30Z"), "Europe/Berlin")
    'PT00H30M00S'
    """
    return f"{at.tz_convert(ZoneInfo(zone)):PT%HH%MM%SS}"


def parse_instant(value: Any) -> pd.Timestamp | None:
    """Read a point in time; None if there is none.

    Examples
    --------
    >>> parse_instant("/Date(1772409600000+0000)/")
    Timestamp('2026-03-02 00:00:00+0000', tz='UTC')
    """
    found = _DATE.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else _since_epoch(found).tz_localize("UTC")


def parse_local(date: Any, time: Any, zone: str) -> pd.Timestamp | None:
    """Read a date and a time of day on the wall; None without a date, and in the hour that a clock change leaves open.

    Examples
    --------
    >>> parse_local("/Date(1772409600000)/", "PT00H30M00S", "Europe/Berlin")
    Timestamp('2026-03-01 23:30:00+0000', tz='UTC')
    """
    day = _DATE.fullmatch(date) if isinstance(date, str) else None
    if day is None:
        return None
    clock = _TIME.fullmatch(time) if isinstance(time, str) else None
    hours, minutes, seconds = (0, 0, 0) if clock is None else (int(part or 0) for part in clock.groups())
    wall = _since_epoch(day).normalize() + pd.Timedelta(hours=hours, minutes=minutes, seconds=seconds)
    local = wall.tz_localize(ZoneInfo(zone), ambiguous="NaT", nonexistent="NaT")
    return None if pd.isna(local) else local.tz_convert("UTC").as_unit("us")


def _since_epoch(found: "re.Match[str]") -> pd.Timestamp:
    return _EPOCH + pd.Timedelta(milliseconds=int(found[1]))
