"""The rules of one column, read from a property of the standard."""

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from data_contracts.contract.contract_types import Column, ColumnType, QualityRule
from data_contracts.contract.odcs.column_properties import custom_rules
from data_contracts.contract.odcs.contract_yaml import invalid
from data_contracts.contract.odcs.quality_rules import read_quality_rules
from data_contracts.contract.odcs.type_options import read_options, typed_or_refused, typed_value
from data_contracts.errors import did_you_mean

if TYPE_CHECKING:
    from open_data_contract_standard.model import SchemaProperty

_INSTEAD = {
    "date": "timestamp; a time such as 2026-01-31T00:00:00Z is a date too",
    "time": "timestamp, or a number of seconds",
    "object": "a column for each part",
    "array": "a column for each item",
    "map": "a column for each key",
    "vector": "a column for each component",
}


def read_column(path: Path, item: "SchemaProperty", default_type: str | None) -> Column:
    """Read a column; `UsageError` if it has a rule that nothing enforces, or that no value keeps."""
    name, kind = str(item.name), str(item.logicalType or default_type)
    if kind not in get_args(ColumnType):
        known = get_args(ColumnType)
        remedy = f"Use {_INSTEAD[kind]}" if kind in _INSTEAD else did_you_mean(str(kind), known) or "Name its type"
        raise invalid(path, f"gives {name} the type {kind!r}", f"one of {', '.join(known)}", remedy)
    if item.primaryKeyPosition not in (None, -1) and not item.primaryKey:
        raise invalid(path, f"gives {name} a primaryKeyPosition", "primaryKey: true beside it")

    def convert(value: Any) -> Any:
        if kind == "timestamp":
            raise ValueError("limits of times instead, minimum and maximum")
        return typed_value(value, kind)

    rules = read_quality_rules(path, name, item.quality, of_table=False, convert=convert)
    share, rules = _null_share(rules)
    column = Column(
        name=name,
        type=cast("ColumnType", kind),
        required=bool(item.required),
        allowed=_allowed(path, item, kind),
        max_null_share=0.0 if item.required else share,
        description=item.description or "",
        unique=bool(item.unique),
        rules=rules,
        **read_options(path, name, kind, item.logicalTypeOptions or {}),
        **custom_rules(path, item, kind),
    )
    _check_consistent(path, column)
    for example in item.examples or ():
        typed_or_refused(path, example, kind, f"an example of {name}")
    return column


def _null_share(rules: tuple[QualityRule, ...]) -> tuple[float, tuple[QualityRule, ...]]:
    """Take the plainest rule, the largest share of nulls, out of the others; of several the strictest counts."""
    plain = [rule for rule in rules if _is_plain_share(rule)]
    share = min((rule.limits[0][1][0] / 100 for rule in plain), default=1.0)
    return share, tuple(rule for rule in rules if not _is_plain_share(rule))


def _is_plain_share(rule: QualityRule) -> bool:
    return rule.metric == "nullValues" and rule.percent and [name for name, _ in rule.limits] == ["mustBeLessOrEqualTo"]


def _allowed(path: Path, item: "SchemaProperty", kind: str) -> tuple[Any, ...] | None:
    if item.enum is None:
        return None
    if kind == "timestamp":
        raise invalid(path, f"has an enum of {item.name}, which is a {kind}", "minimum and maximum", "Write limits")
    if not item.enum:
        raise invalid(path, f"has an enum of {item.name} without a value", "the allowed values", "List them")
    values = tuple(typed_or_refused(path, entry.value, kind, f"an enum value of {item.name}") for entry in item.enum)
    if len(set(values)) < len(values):
        raise invalid(path, f"has a value twice in the enum of {item.name}", "each value once")
    return values


def _check_consistent(path: Path, column: Column) -> None:
    """Refuse limits that no value is within."""
    name = column.name
    for low_name, low, high_name, high, strict in (
        ("minimum", column.minimum, "maximum", column.maximum, False),
        ("exclusiveMinimum", column.above, "maximum", column.maximum, True),
        ("minimum", column.minimum, "exclusiveMaximum", column.below, True),
        ("exclusiveMinimum", column.above, "exclusiveMaximum", column.below, True),
        ("minLength", column.min_length, "maxLength", column.max_length, False),
    ):
        if low is not None and high is not None and (low > high or (strict and low == high)):
            found = f"has {low_name} {low:g} of {name} above {high_name} {high:g}"
            raise invalid(path, found, "limits with room between")
    if column.earliest is not None and column.latest is not None and column.earliest > column.latest:
        raise invalid(path, f"has the minimum of {name} above its maximum", "limits with room between")
    outside = [value for value in column.allowed or () if not within_limits(column, value)]
    if outside:
        found = f"allows {', '.join(map(str, outside))} for {name} in its enum and not by its other rules"
        raise invalid(path, found, "values within the limits")


def within_limits(column: Column, value: Any) -> bool:
    """Return whether a single value keeps the limits of its column."""
    if column.type in ("number", "integer"):
        step = column.multiple_of
        return (
            (column.minimum is None or value >= column.minimum)
            and (column.maximum is None or value <= column.maximum)
            and (column.above is None or value > column.above)
            and (column.below is None or value < column.below)
            and (step is None or math.isclose(value / step, round(value / step), abs_tol=1e-9))
        )
    if column.type == "timestamp":
        return _between(value, column.earliest, column.latest)
    if column.type == "string":
        pattern = column.pattern
        return _between(len(value), column.min_length, column.max_length) and (
            pattern is None or re.search(pattern, value) is not None
        )
    return True


def _between(value: Any, low: Any, high: Any) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def require_some_values(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Require at least one value of a column whose contract sets no limit on nulls."""
    below_one = 1 - 1e-9  # a null share that only a column without any value exceeds
    return tuple(column if column.needed else replace(column, max_null_share=below_one) for column in columns)
