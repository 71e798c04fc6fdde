"""SQL conditions on the rows of a table, for the query engine."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import pandas as pd

MOST_LISTED: Final = 1000
"""How many values are listed one by one; the engine skips more of a table by such a list, but its depth is limited."""


def where(
    as_of: pd.Timestamp | None,
    assets: Sequence[str] | None,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
    *,
    equal: Mapping[str, str] = MappingProxyType({}),
    subject: str = "asset",
) -> str:
    """Return a WHERE clause with a leading space for ``known_time <= as_of`` and ``start < event_time <= end``.

    `assets` are values of the column `subject`; `equal` maps columns to the strings they must have. None sets no
    condition; without any the clause is empty.
    """
    conditions = []
    if as_of is not None:
        conditions.append(f"known_time <= {instant(as_of)}")
    if start is not None:
        conditions.append(f"event_time > {instant(start)}")
    if end is not None:
        conditions.append(f"event_time <= {instant(end)}")
    if assets is not None:
        conditions.append(is_one_of(subject, assets, of_all=True))
    conditions += [f'"{column}" = {text(value)}' for column, value in equal.items()]
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def is_one_of(column: str, values: Iterable[str], *, of_all: bool = False) -> str:
    """Return the condition that a column has one of some strings, however many; false if there are none.

    With `of_all` it is one of conditions that all have to hold (it stands beside AND, not OR): then the engine holds
    the strings in memory and not the rows of the table.
    """
    unique = list(dict.fromkeys(values))
    if not unique:
        return "false"
    # By the limit the engine knows that they are few; but it cannot plan one below OR.
    as_rows = f"SELECT {rows_of(unique)}{f' LIMIT {len(unique)}' if of_all else ''}"
    listed = ", ".join(map(text, unique)) if len(unique) <= MOST_LISTED else as_rows
    return f'"{column}" IN ({listed})'


def rows_of(values: Sequence[str]) -> str:
    """Return strings as a column that a query selects; as one text, since 20,000 parts overflow the engine's stack."""
    used = set().union(*values)
    separator = next(mark for mark in map(chr, range(1, sys.maxunicode)) if mark not in used)
    return f"unnest(string_to_array({text(separator.join(values))}, {text(separator)}))"


def instant(time: pd.Timestamp) -> str:
    """Return an instant as a literal, in UTC."""
    return f"TIMESTAMP '{time.tz_convert('UTC').isoformat()}'"


def quoted(column: str) -> str:
    """Return a column's name as the engine reads it, quotes doubled."""
    escaped = column.replace('"', '""')
    return f'"{escaped}"'


def text(value: str) -> str:
    """Return a string as a literal, quotes doubled."""
    quoted = value.replace("'", "''")
    return f"'{quoted}'"
