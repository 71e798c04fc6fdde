"""Durations as people write them, zero among them: ``"72h"``, ``"30d"``, ``"0h"``."""

import pandas as pd

from features import names

_ZERO = ("0d", "0h", "0min", "0s")


def parse_duration(text: str) -> pd.Timedelta:
    """Read a duration that may be zero, as a lead or a gap may be.

    Parameters
    ----------
    text
        As for `features.names.parse_duration`, or a zero with a unit.

    Returns
    -------
    Timedelta

    Raises
    ------
    UsageError
        If it is written in another way.

    Examples
    --------
    >>> parse_duration("0h")
    Timedelta('0 days 00:00:00')
    """
    if text.strip() in _ZERO:
        return pd.Timedelta(0).as_unit("us")
    return names.parse_duration(text)


format_duration = names.format_duration
