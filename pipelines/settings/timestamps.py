"""Reads times that a person writes on the command line."""

import pandas as pd

from data_contracts.errors import UsageError


def parse_timestamp(text: str) -> pd.Timestamp:
    """Read an ISO 8601 time, in UTC where it names no zone; return it in UTC.

    Examples
    --------
    >>> parse_timestamp("2025-03-01T06:00+02:00")
    Timestamp('2025-03-01 04:00:00+0000', tz='UTC')
    """
    wrong = UsageError(f"{text!r} is not a time", "a time such as 2025-03-01T06:00Z", "Write it in ISO 8601")
    try:
        time = pd.Timestamp(text)
    except ValueError as error:
        raise wrong from error
    if pd.isna(time):
        raise wrong
    return time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")
