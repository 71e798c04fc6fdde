"""The conversion of a column to its contract's type: every value without loss, or refused by itself.

A value that cannot be converted is null in the result, and marked. A column of another type altogether, in which no
more than one value in ten can be converted, is refused as a whole: that is a wrong column, not a wrong cell.
"""

import datetime
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract.contract_types import DTYPES, Column

EXACT = 2**53  # up to here a float holds every whole number; a float of this size may have been rounded to it
_INT64 = 2**63 - 1
_FEWEST_FITTING = 0.1
_DEMANDED = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "timestamp": "a time with a time zone",
    "boolean": "true or false",
}
_NUMBERS = (_DEMANDED["number"], _DEMANDED["integer"])


@dataclass(frozen=True)
class TypedColumn:
    """A column with its contract's type, without the values that cannot have it."""

    converted: "pd.Series[Any]"
    refused: "pd.Series[Any]"  # the values that cannot have it as they arrived, by row
    demanded: str  # in words

    def reason(self, value: Any) -> str:
        """Say why a value is refused."""
        # A file's reader leaves the digits of such a number as they are.
        digits = isinstance(value, str) and self.demanded in _NUMBERS and re.fullmatch(r"[+-]?\d{16,}", value)
        if digits or (_is_real(value) and math.isfinite(value) and abs(float(value)) >= EXACT):
            instead = "write it as text" if self.demanded == _DEMANDED["string"] else "use a larger unit"
            return f"holds {_show(value)}; from 2**53 on whole numbers are rounded, so {instead}"
        return f"holds {_show(value)}; {self.demanded} is demanded"


def typed(values: "pd.Series[Any]", column: Column, *, exact: bool, by_cell: bool = False) -> TypedColumn | str:
    """Convert a column, or say why it is of another type altogether.

    With `exact`, whole numbers that a float would round are refused also in a column of integers. With `by_cell`, no
    column is of another type altogether.
    """
    kind: Any = DTYPES[column.type]
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    demanded = _DEMANDED[column.type]
    nothing = values.iloc[:0].astype(object)
    if values.dtype == object and values.isna().all():
        # Without values its type is unknown, so it is the contract's.
        return TypedColumn(pd.Series(None, index=values.index, dtype=kind), nothing, demanded)
    converted = _whole_column(values, column.type, exact=exact)
    if converted is not None:
        return TypedColumn(converted.astype(kind), nothing, demanded)
    if pd.api.types.is_datetime64_dtype(values) and not by_cell:
        return without_zone(column)
    fits = _FITS[column.type]
    cells = values.astype(object)
    present = cells[values.notna()]
    fitting = np.fromiter((fits(value, exact) for value in present), dtype=bool, count=len(present))
    refused = present[~fitting]
    if not by_cell and are_too_few(int(fitting.sum()), len(present)):
        return of_another_type(refused.iloc[0], int(refused.index[0]), column)
    good = pd.Series(None, index=values.index, dtype=object)
    good[present.index[fitting]] = [_CELL[column.type](value) for value in present[fitting]]
    return TypedColumn(good.astype(kind), refused, demanded)


def are_too_few(fitting: int, present: int) -> bool:
    """Return whether so few values of a column fit that it is of another type altogether."""
    return fitting <= _FEWEST_FITTING * present


def of_another_type(value: Any, row: int, column: Column) -> str:
    """Say of a column of another type altogether what its first value is that does not fit."""
    return f"holds {_show(value)} in row {row + 1}; the contract demands {_DEMANDED[column.type]}"


def without_zone(column: Column) -> str:
    """Say of a column that its times have no zone."""
    return f"is a timestamp without a time zone; the contract demands {_DEMANDED[column.type]}"


def _whole_column(values: "pd.Series[Any]", kind: str, *, exact: bool) -> "pd.Series[Any] | None":
    """Return a column that fits by its dtype as something that can be cast to the contract's; None if it does not."""
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if kind == "string":
        if isinstance(values.dtype, pd.StringDtype):
            return values
        # Identifiers of digits: 7 is written 7.
        return values.astype("Int64").astype("str") if is_number and _are_whole(values, _INT64) else None
    if kind == "timestamp":
        return values.dt.tz_convert("UTC") if isinstance(values.dtype, pd.DatetimeTZDtype) else None
    if kind == "boolean":
        return values if pd.api.types.is_bool_dtype(values) else None
    if not is_number:
        return None
    if kind == "number":
        return values if pd.api.types.is_float_dtype(values) or _are_whole(values, EXACT) else None
    return values if _are_whole(values, EXACT if exact else _INT64) else None


def _are_whole(values: "pd.Series[Any]", largest: int) -> bool:
    """Return whether all numbers are whole and within a limit; floats never beyond what they can hold."""
    present = values.dropna()
    if pd.api.types.is_float_dtype(values):
        numbers = present.to_numpy(dtype=np.float64)
        return bool((np.isfinite(numbers) & (numbers % 1 == 0) & (np.abs(numbers) < EXACT)).all())
    return not len(present) or (int(present.max()) <= largest and int(present.min()) >= -largest)


def _is_real(value: Any) -> bool:
    return isinstance(value, Real | Decimal) and not isinstance(value, bool | np.bool_)


def _is_exact(value: Any, largest: int | None) -> bool:
    """Return whether a number is whole, and not rounded already."""
    if isinstance(value, Integral):
        return largest is None or abs(int(value)) <= largest
    return math.isfinite(value) and value % 1 == 0 and abs(value) < EXACT


_FITS: dict[str, Callable[[Any, bool], bool]] = {
    "string": lambda value, _: isinstance(value, str) or (_is_real(value) and _is_exact(value, None)),
    "number": lambda value, _: _is_real(value) and (not isinstance(value, Integral) or _is_exact(value, EXACT)),
    "integer": lambda value, exact: _is_real(value) and _is_exact(value, EXACT if exact else _INT64),
    "timestamp": lambda value, _: isinstance(value, datetime.datetime) and value.tzinfo is not None,
    "boolean": lambda value, _: isinstance(value, bool | np.bool_),
}
_CELL: dict[str, Callable[[Any], Any]] = {
    "string": lambda value: value if isinstance(value, str) else str(int(value)),
    "number": float,
    "integer": int,
    "timestamp": lambda value: pd.Timestamp(value).tz_convert("UTC").as_unit("us"),
    "boolean": bool,
}


def _show(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)
