"""Times as a person writes them."""

import pandas as pd

from data_contracts.errors import UsageError


def parse_timestamp(text: str) -> pd.Timestamp:
    """Read a time.

    Parameters
    ----------
    text : str
        In ISO 8601; without a zone it is UTC.

    Returns
    -------
    pd.Timestamp
        In UTC.

    Raises
    ------
    UsageError
        If it is no time.

    Examples
    --------
    >>> read_moment("2025-03-01T06:00+02:00")
    Timestamp('2025-03-01 04:00:00+0000', tz='UTC')
    """
    refusal = UsageError(f"{text!r} is no time", "a time such as 2025-03-01T06:00Z", "Write it so")
    try:
        time = pd.Timestamp(text)
    except ValueError as error:
        raise refusal from error
    if pd.isna(time):
        raise refusal
    return time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")
