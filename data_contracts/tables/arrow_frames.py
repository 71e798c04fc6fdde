"""Conversion between pandas frames and the Arrow tables that Delta stores."""

from collections.abc import Container
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.contract.contract import STORED_VERSION

# Identifiers break ties, so that a table reads the same whatever the order of its files.
_ROW_ORDER = ("event_time", "known_time", "source", "failure_id", "work_order_id", "event_id", STORED_VERSION)


def to_arrow(frame: pd.DataFrame) -> pa.Table:
    """Convert rows to an Arrow table for Delta, in order of event time so that reads of a span can skip the rest.

    Times, which need a zone, become UTC in microseconds.
    """
    order = [name for name in ("event_time", _subject(frame.columns), "known_time") if name in frame.columns]
    ordered = frame.sort_values(order, kind="stable") if order else frame
    rows = pa.table({str(name): _to_array(ordered[name]) for name in ordered.columns})
    # Delta has no null type: a column of nulls only is stored as a string column.
    fields = [field.with_type(pa.string()) if _is_text(field.type) else field for field in rows.schema]
    return rows.cast(pa.schema(fields))


def _subject(names: Container[str]) -> str:
    """Return the column that says what rows are about; a channel of assets may be called "part" too."""
    return "asset" if "asset" in names else "part"


def with_stored_version(rows: pa.Table, version: int) -> pa.Table:
    """Add the version that stores the rows, as the last column."""
    if STORED_VERSION in rows.column_names:
        rows = rows.drop_columns([STORED_VERSION])
    return rows.append_column(STORED_VERSION, pa.array(np.full(len(rows), version, dtype=np.int64)))


def _to_array(values: "pd.Series[Any]") -> pa.Array:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        # pyarrow's own conversion relies on a pandas behaviour that will change, and warns about it.
        instants = values.dt.tz_convert(None).to_numpy()
        return pa.array(instants, type=pa.timestamp("us", tz="UTC"), from_pandas=True)
    return pa.array(values, from_pandas=True)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_null(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def sortable(kind: pa.DataType) -> pa.DataType:
    """Return the type that a column is converted to, as Arrow cannot sort all of them."""
    if _is_text(kind):
        return pa.large_string()
    # Arrow cannot sort view types.
    return pa.large_binary() if pa.types.is_binary_view(kind) else kind


def to_pandas(rows: pa.Table) -> pd.DataFrame:
    """Convert Delta's rows to a frame, ordered by asset, event time and known time, identifiers breaking ties."""
    names = (_subject(rows.column_names), *_ROW_ORDER)
    order = [(name, "ascending") for name in names if name in rows.column_names]
    fields = [field.with_type(sortable(field.type)) for field in rows.schema]
    rows = _with_versions_complete(rows.cast(pa.schema(fields)))
    frame: pd.DataFrame = (rows.sort_by(order) if order else rows).to_pandas()
    return frame


def _with_versions_complete(rows: pa.Table) -> pa.Table:
    """Give 0 to rows from before the column was there: with nulls it would be read as floats."""
    place = rows.schema.get_field_index(STORED_VERSION)
    if place < 0 or not rows.column(place).null_count:
        return rows
    return rows.set_column(place, STORED_VERSION, pc.fill_null(rows.column(place), 0))
