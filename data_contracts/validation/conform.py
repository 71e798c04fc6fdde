"""The shape of a batch: its columns, units and types, converted to the contract's.

Only lossless conversions are made (whole numbers to numbers, any time zone to UTC); anything else is a failed check.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from data_contracts.contract.contract import DTYPES, Column, Contract
from data_contracts.errors import did_you_mean
from data_contracts.validation.report import CheckResult

_WITH_UNIT = re.compile(r"^(?P<name>[^\[\]]*?)\s*\[(?P<unit>[^\[\]]*)\]$")


def conform(frame: pd.DataFrame, contract: Contract) -> tuple[pd.DataFrame, tuple[CheckResult, ...]]:
    """Convert a batch to the contract's columns and types, and check columns, units and types.

    A unit may be given in a header, as in ``"spindle_vibration [mm/s]"``, or in ``frame.attrs["units"]``. The frame
    returned has the columns that fit and a fresh index; an optional column that is missing is there without values.
    """
    names, units = _names_and_units(frame)
    named = frame.set_axis(names, axis="columns").reset_index(drop=True)
    results = [_check_columns(names, contract), *_check_units(units, contract)]
    columns: dict[str, pd.Series[Any]] = {}
    for column in contract.columns:
        if names.count(column.name) > 1 or (column.name not in names and column.needed):
            continue
        values = named[column.name] if column.name in names else pd.Series(None, index=named.index, dtype=object)
        converted = _convert(values, column)
        if isinstance(converted, str):
            results.append(CheckResult("type", column.name, False, converted, len(named)))
        else:
            results.append(CheckResult("type", column.name, True, f"is {column.type}"))
            columns[column.name] = converted
    return pd.DataFrame(columns, index=named.index), tuple(results)


def split_unit(header: str) -> tuple[str, str | None]:
    """Split a header into the column's name and its unit; None if it has no unit.

    Examples
    --------
    >>> split_unit("spindle_vibration [mm/s]")
    ('spindle_vibration', 'mm/s')
    """
    match = _WITH_UNIT.match(header)
    return (match["name"], match["unit"]) if match else (header, None)


def _names_and_units(frame: pd.DataFrame) -> tuple[list[str], dict[str, str]]:
    declared: Mapping[str, str] = frame.attrs.get("units", {})
    names, units = [], {name: str(unit) for name, unit in declared.items() if unit is not None}
    for header in frame.columns:
        name, unit = split_unit(str(header))
        names.append(name)
        if unit is not None:
            units[name] = unit
    return names, units


def _check_columns(names: list[str], contract: Contract) -> CheckResult:
    known = [column.name for column in contract.columns]
    missing = [column.name for column in contract.columns if column.needed and column.name not in names]
    problems = [f"{name} is missing" for name in missing]
    for name in dict.fromkeys(names):
        if name not in known:
            hint = did_you_mean(name, missing or known)
            problems.append(f"{name} is not in the contract. {hint}" if hint else f"{name} is not in the contract")
        elif names.count(name) > 1:
            problems.append(f"{name} occurs {names.count(name)} times")
    return CheckResult("columns", "", not problems, "; ".join(problems) or f"{len(known)} columns as named")


def _check_units(units: Mapping[str, str], contract: Contract) -> Iterator[CheckResult]:
    for name, unit in units.items():
        column = contract.column(name)
        if column is not None and column.unit is not None:
            same = _normalise(unit) == _normalise(column.unit)
            detail = f"is in {unit}" if same else f"is in {unit}; the contract demands {column.unit}"
            yield CheckResult("unit", name, same, detail)


def _normalise(unit: str) -> str:
    return unit.replace("°", "deg").replace(" ", "").removeprefix("degrees")


def _convert(values: "pd.Series[Any]", column: Column) -> "pd.Series[Any] | str":
    """Return the values with the contract's type, or a description of why they cannot have it."""
    kind: Any = DTYPES[column.type]
    if values.dtype == object and values.isna().all():
        # Without values its type is unknown, so it is the contract's.
        empty: pd.Series[Any] = pd.Series(None, index=values.index, dtype=kind)
        return empty
    if not _FITS[column.type](values):
        return f"{_describe(values, column)}; the contract demands {_DEMANDED[column.type]}"
    if column.type == "timestamp":
        values = values.dt.tz_convert("UTC")
    converted: pd.Series[Any] = values.astype(kind)
    return converted


def _describe(values: "pd.Series[Any]", column: Column) -> str:
    if pd.api.types.is_datetime64_dtype(values):
        return "is a timestamp without a time zone"
    if values.dtype == object or pd.api.types.is_string_dtype(values):
        # The first wrong value rather than the first: in a file of thousands of rows it is the one to fix.
        present = values.dropna()
        wrong = present[[not _reads_as(value, column.type) for value in present]]
        row = (wrong if len(wrong) else present).index[0]
        return f"holds {values[row]!r} in row {row + 1}"
    return f"is {values.dtype}"


def _reads_as(value: Any, kind: str) -> bool:
    try:
        if kind == "timestamp":
            return pd.Timestamp(value).tzinfo is not None
        float(value)
    except (ValueError, TypeError):
        return False
    return True


def _is_text(values: "pd.Series[Any]") -> bool:
    return bool(values.dropna().map(lambda value: isinstance(value, str)).all())


def _is_number(values: "pd.Series[Any]") -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _is_whole(values: "pd.Series[Any]") -> bool:
    return _is_number(values) and bool((values.dropna() % 1 == 0).all())


_FITS: dict[str, Callable[["pd.Series[Any]"], bool]] = {
    "string": lambda values: isinstance(values.dtype, pd.StringDtype) or _is_text(values),
    "number": _is_number,
    "integer": _is_whole,
    "timestamp": lambda values: isinstance(values.dtype, pd.DatetimeTZDtype),
    "boolean": pd.api.types.is_bool_dtype,
}
_DEMANDED = {
    "string": "texts",
    "number": "numbers",
    "integer": "whole numbers",
    "timestamp": "timestamps with a time zone",
    "boolean": "true or false",
}
