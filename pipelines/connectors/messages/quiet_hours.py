"""Hours of the day in which nobody is disturbed."""

import datetime as dt

import pandas as pd


def is_quiet(now: pd.Timestamp, quiet: str, time_zone: str) -> bool:
    """Return whether a time is within quiet hours such as "22:00-06:00", by the clocks of a time zone.

    Examples
    --------
    >>> [is_quiet(pd.Timestamp(f"2026-07-01T{hour}:00Z"), "22:00-06:00", "Europe/Berlin") for hour in (19, 20, 3, 4)]
    [False, True, True, False]
    """
    if not quiet:
        return False
    begins, ends = _hours(quiet)
    clock = now.tz_convert(time_zone).time()
    return begins <= clock < ends if begins < ends else clock >= begins or clock < ends


def quiet_end(now: pd.Timestamp, quiet: str, time_zone: str) -> pd.Timestamp:
    """Return when the quiet hours that a time is within end, in UTC.

    Examples
    --------
    >>> quiet_end(pd.Timestamp("2026-07-01T21:00Z"), "22:00-06:00", "Europe/Berlin")
    Timestamp('2026-07-02 04:00:00+0000', tz='UTC')
    """
    _, ends = _hours(quiet)
    today = now.tz_convert(time_zone).tz_localize(None).normalize()
    clock = pd.Timedelta(hours=ends.hour, minutes=ends.minute)
    # In the night in which clocks are set back, an hour comes twice.
    zoned = (
        (today + pd.Timedelta(days=days) + clock).tz_localize(time_zone, ambiguous=first, nonexistent="shift_forward")
        for days in (0, 1)
        for first in (True, False)
    )
    return min(end for end in zoned if end > now).tz_convert("UTC")


def quiet_length(quiet: str) -> pd.Timedelta:
    """Return how long quiet hours last, by the clock.

    Examples
    --------
    >>> [quiet_length(quiet).total_seconds() / 3600 for quiet in ("22:00-06:30", "")]
    [8.5, 0.0]
    """
    if not quiet:
        return pd.Timedelta(0)
    begins, ends = (pd.Timedelta(hours=time.hour, minutes=time.minute) for time in _hours(quiet))
    return (ends - begins) % pd.Timedelta(days=1)


def _hours(quiet: str) -> tuple[dt.time, dt.time]:
    begins, ends = map(dt.time.fromisoformat, quiet.split("-"))
    return begins, ends
