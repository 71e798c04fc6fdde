"""Which rows to read, in the words of the query engine."""

from collections.abc import Mapping, Sequence
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
        conditions.append(f"known_time <= {_instant(as_of)}")
    if start is not None:
        conditions.append(f"event_time > {_instant(start)}")
    if end is not None:
        conditions.append(f"event_time <= {_instant(end)}")
    if assets is not None:
        conditions.append(f"asset IN ({', '.join(_text(asset) for asset in assets)})" if len(assets) else "false")
    conditions += [f"{column} = {_text(value)}" for column, value in equal.items()]
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _instant(time: pd.Timestamp) -> str:
    return f"TIMESTAMP '{time.tz_convert('UTC').isoformat()}'"


def _text(value: str) -> str:
    quoted = value.replace("'", "''")
    return f"'{quoted}'"
