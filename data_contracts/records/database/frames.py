"""Rows of a query as a frame: read in blocks, and converted a column at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from data_contracts.records.database.storage_errors import storage_errors
from data_contracts.records.record_schema import Instant, Json

_BLOCK = 50_000
_NO_TIME = np.iinfo(np.int64).min  # as pandas stores it


def read_frame(engine: sa.Engine, query: sa.Select[Any]) -> pd.DataFrame:
    """Read the rows of a query, each column with its own type even if there are no rows."""
    columns = list(query.selected_columns)
    as_stored = query.with_only_columns(*map(_as_stored, columns), maintain_column_froms=True)
    parts = []
    with storage_errors(engine), engine.connect() as connection:
        for rows in connection.execute(as_stored).partitions(_BLOCK):
            parts.append(_frame(rows, columns))
            del rows  # a block of Python objects takes ten times the memory of its frame
    if len(parts) == 1:
        return parts[0]
    return pd.concat(parts, ignore_index=True) if parts else _frame([], columns)


def _as_stored(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Read an instant as the number that is stored: converting all at once takes a tenth of the time."""
    return sa.type_coerce(column, sa.BigInteger).label(column.name) if isinstance(column.type, Instant) else column


def _frame(rows: Sequence[sa.Row[Any]], columns: Sequence[sa.ColumnElement[Any]]) -> pd.DataFrame:
    cells = zip(*rows, strict=True) if rows else [()] * len(columns)
    return pd.DataFrame({column.name: _series(values, column) for column, values in zip(columns, cells, strict=True)})


def _series(values: Sequence[Any], column: sa.ColumnElement[Any]) -> "pd.Series[Any]":
    if not isinstance(column.type, Instant):
        return pd.Series(values, dtype=_dtype(column))
    stored = np.fromiter((_NO_TIME if value is None else value for value in values), np.int64, len(values))
    return pd.Series(stored.view("datetime64[us]")).dt.tz_localize("UTC")


def _dtype(column: sa.ColumnElement[Any]) -> str:
    if isinstance(column.type, Json):
        return "object"
    if isinstance(column.type, sa.Boolean):
        return "bool"
    if isinstance(column.type, sa.Integer):
        return "Int64" if getattr(column, "nullable", True) else "int64"
    return "float64" if isinstance(column.type, sa.Float) else "str"
