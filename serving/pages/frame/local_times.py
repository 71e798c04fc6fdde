"""Times that people enter, by the clock of the plant."""

import datetime as dt
from zoneinfo import ZoneInfo

import pandas as pd

from serving.http.errors import unprocessable
from serving.http.json_bodies import show

_HOUR = pd.Timedelta(hours=1)
_EXAMPLE = "a time such as 2026-01-05T06:00"


def read_local(field: str, text: str, zone: str, *, expected: str = _EXAMPLE) -> pd.Timestamp:
    """Return the instant at which the clock of a zone shows a time; ApiError 422 for a text that is no time.

    Of an hour that a clock shows twice it is the first; a time that it never shows is an hour later.

    >>> read_local("start", "2026-10-25T02:30", "Europe/Berlin")
    Timestamp('2026-10-25 00:30:00+0000', tz='UTC')
    """
    try:
        local = pd.Timestamp(dt.datetime.fromisoformat(text))
        return local.tz_localize(ZoneInfo(zone), ambiguous=True, nonexistent=_HOUR).tz_convert("UTC").as_unit("us")
    except (ValueError, TypeError, OverflowError) as error:
        raise unprocessable(field, show(text[:80]), expected) from error
