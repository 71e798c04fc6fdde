"""Which rows to read, in the words of the query engine."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import pandas as pd


def where(
    as_of: pd.Timestamp | None,
    assets: Sequence[str] | None,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
    *,
    equal: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Write the condition that rows have to meet.

    Parameters
    ----------
    as_of
        The latest known time.
    assets
        The assets.
    start, end
        Rows with ``start < event_time <= end``. None asks for nothing, here as above.
    equal
        Columns with the texts they have to hold.

    Returns
    -------
    str
        A WHERE clause with a space before it; empty if there is nothing to meet.
    """
    conditions = []
    if as_of is not None:
        conditions.append(f"known_time <= {instant(as_of)}")
    if start is not None:
        conditions.append(f"event_time > {instant(start)}")
    if end is not None:
        conditions.append(f"event_time <= {instant(end)}")
    if assets is not None:
        conditions.append(is_one_of("asset", assets))
    conditions += [f'"{column}" = {text(value)}' for column, value in equal.items()]
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def is_one_of(column: str, values: Iterable[str]) -> str:
    """Write the condition that a column holds one of some texts.

    Parameters
    ----------
    column
        The column.
    values
        The texts.

    Returns
    -------
    str
        The condition; one that nothing meets if there are none.
    """
    listed = ", ".join(text(value) for value in values)
    return f'"{column}" IN ({listed})' if listed else "false"


def instant(time: pd.Timestamp) -> str:
    """Write an instant.

    Parameters
    ----------
    time
        The instant, in any zone.

    Returns
    -------
    str
        A literal, in UTC.
    """
    return f"TIMESTAMP '{time.tz_convert('UTC').isoformat()}'"


def text(value: str) -> str:
    """Write a text.

    Parameters
    ----------
    value
        Any text.

    Returns
    -------
    str
        A literal, quotes doubled.
    """
    quoted = value.replace("'", "''")
    return f"'{quoted}'"
