"""Watermarks of many types as JSON, and back to the very same value."""

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from data_contracts.errors import UsageError

_READ: Mapping[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "Decimal": Decimal,
}


def check_watermark(value: Any, column: str) -> Any:
    """Return a watermark; `UsageError` if values of its type cannot be compared and kept."""
    if type(value).__name__ not in _READ or (isinstance(value, float) and math.isnan(value)):
        raise UsageError(
            f"the watermark {column} has the value {value!r}",
            "whole numbers, numbers, texts or times",
            "Name another with --watermark, or convert it in the query",
        )
    return value


def as_literal(value: Any) -> sa.BindParameter[Any]:
    """Return a watermark as a parameter of its own type: a driver would cut 64 bits, or take a zone away."""
    if isinstance(value, datetime):
        return sa.literal(value, sa.DateTime(timezone=value.tzinfo is not None))
    return sa.literal(value, sa.BigInteger() if isinstance(value, int) else None)


def to_json(value: Any) -> dict[str, str] | None:
    """Return a watermark as a JSON value that names its type."""
    if value is None:
        return None
    return {"type": type(value).__name__, "value": value.isoformat() if isinstance(value, date) else str(value)}


def from_json(stored: Mapping[str, str] | None) -> Any:
    """Return what `to_json` was given."""
    return None if stored is None else _READ[stored["type"]](stored["value"])
