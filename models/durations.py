"""Durations as people write them: ``"72h"``, ``"30d"``."""

import re

import pandas as pd

from data_contracts.errors import UsageError

_UNITS = {"w": "7D", "d": "1D", "h": "1h", "min": "1min", "s": "1s"}
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*(w|d|h|min|s)")


def parse_duration(text: str) -> pd.Timedelta:
    """Read a duration.

    Parameters
    ----------
    text
        A number and a unit: w, d, h, min or s.

    Returns
    -------
    Timedelta

    Raises
    ------
    UsageError
        If it is written in another way.

    Examples
    --------
    >>> parse_duration("72h")
    Timedelta('3 days 00:00:00')
    """
    found = _WRITTEN.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{text!r} is no duration", 'a number and a unit (w, d, h, min, s), such as "72h"', "Mend it")
    return (pd.Timedelta(_UNITS[found[2]]) * float(found[1])).as_unit("us")


def format_duration(duration: pd.Timedelta) -> str:
    """Write a duration so that `parse_duration` reads the same again.

    Parameters
    ----------
    duration
        A duration of zero or more.

    Returns
    -------
    str
        The number of the largest unit up to hours that divides it.

    Examples
    --------
    >>> format_duration(pd.Timedelta("3D"))
    '72h'
    """
    for unit in ("h", "min", "s"):
        size = pd.Timedelta(_UNITS[unit])
        if duration % size == pd.Timedelta(0):
            return f"{duration // size}{unit}"
    return f"{duration.total_seconds():.6f}s"
