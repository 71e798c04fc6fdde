"""Quality rules of the standard: metrics of a batch, each with operators and their numbers."""

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_contracts.contract.contract_types import QualityRule
from data_contracts.contract.odcs.contract_yaml import invalid
from data_contracts.errors import did_you_mean

if TYPE_CHECKING:
    from open_data_contract_standard.model import DataQuality

OPERATORS = (
    *("mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan", "mustBeLessOrEqualTo"),
    *("mustBeBetween", "mustNotBeBetween"),
)
_ARGUMENTS = {
    "rowCount": (),
    "nullValues": (),
    "missingValues": ("missingValues",),
    "invalidValues": ("validValues", "pattern"),
    "duplicateValues": ("properties",),
}
_OF_COLUMN = ("nullValues", "missingValues", "invalidValues", "duplicateValues")
_OF_TABLE = ("rowCount", "duplicateValues")


def read_quality_rules(
    path: Path, name: str, items: "Iterable[DataQuality] | None", *, of_table: bool, convert: Callable[[Any], Any] = str
) -> tuple[QualityRule, ...]:
    """Read the rules of a column or a table, leaving out prose; `convert` makes a value one of the column's type."""
    rules = tuple(
        _rule(path, name, item, of_table=of_table, convert=convert) for item in items or () if item.type != "text"
    )
    for item in items or ():
        if item.type == "text" and (item.metric or item.rule or item.query or _limits_of(item)):
            raise invalid(path, f"has a rule on {name} of type text with a metric or a limit", "prose alone in a text")
    _check_crossed(path, name, rules)
    return rules


def admits(limits: tuple[tuple[str, tuple[float, ...]], ...], number: float) -> bool:
    """Return whether a number is within all limits.

    Examples
    --------
    >>> admits((("mustBeGreaterThan", (2,)), ("mustNotBeBetween", (5, 7))), 4)
    True
    """
    return all(_HOLDS[operator](number, *numbers) for operator, numbers in limits)


_HOLDS: dict[str, Callable[..., bool]] = {
    "mustBe": lambda number, limit: number == limit,
    "mustNotBe": lambda number, limit: number != limit,
    "mustBeGreaterThan": lambda number, limit: number > limit,
    "mustBeGreaterOrEqualTo": lambda number, limit: number >= limit,
    "mustBeLessThan": lambda number, limit: number < limit,
    "mustBeLessOrEqualTo": lambda number, limit: number <= limit,
    "mustBeBetween": lambda number, low, high: low <= number <= high,
    "mustNotBeBetween": lambda number, low, high: not low <= number <= high,
}


def _rule(path: Path, name: str, item: "DataQuality", *, of_table: bool, convert: Callable[[Any], Any]) -> QualityRule:
    if item.type not in (None, "library"):
        found = f"has a rule on {name} of type {item.type}, which nothing enforces"
        remedy = "Write it with a metric, logicalTypeOptions or enum, or as type: text if it is for people"
        raise invalid(path, found, "type: library or text", remedy)
    metric, known = str(item.metric or item.rule), _OF_TABLE if of_table else _OF_COLUMN
    if metric not in known:
        hint = did_you_mean(metric, known) or f"Use one of these on {'a table' if of_table else 'a column'}"
        found = f"has a rule on {name} that is not supported ({metric})"
        raise invalid(path, found, f"a metric of {', '.join(known)}", hint)
    if item.unit not in (None, "rows", "percent") or (metric == "rowCount" and item.unit == "percent"):
        units = "rows" if metric == "rowCount" else "rows or percent"
        raise invalid(path, f"has {metric} of {name} in {item.unit!r}", f"unit: {units}")
    limits = _limits(path, f"{metric} of {name}", item)
    arguments = _arguments(path, f"{metric} of {name}", item, _ARGUMENTS[metric])
    rule = QualityRule(
        metric=metric,
        limits=limits,
        percent=item.unit == "percent",
        listed=_values(path, f"{metric} of {name}", arguments, convert),
        pattern=_pattern(path, f"{metric} of {name}", arguments.get("pattern")),
        columns=tuple(str(column) for column in arguments.get("properties", ())),
    )
    if metric == "invalidValues" and rule.listed is None and rule.pattern is None:
        raise invalid(path, f"has invalidValues of {name} that do not say what is valid", "validValues or a pattern")
    if metric == "duplicateValues" and of_table != bool(rule.columns):
        found = f"has duplicateValues of {name} {'without' if of_table else 'with'} arguments: properties"
        raise invalid(path, found, "properties on a table, none on a column")
    return rule


def _limits_of(item: "DataQuality") -> list[tuple[str, Any]]:
    return [(name, value) for name in OPERATORS if (value := getattr(item, name)) is not None]


def _limits(path: Path, what: str, item: "DataQuality") -> tuple[tuple[str, tuple[float, ...]], ...]:
    written = _limits_of(item)
    if not written:
        raise invalid(path, f"has {what} without a limit", f"one of {', '.join(OPERATORS)}")
    limits = []
    for operator, value in written:
        numbers = tuple(value) if isinstance(value, list) else (value,)
        if any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
            raise invalid(path, f"has {what} with {operator}: {value!r}", "a number")
        if any(not math.isfinite(number) or number < 0 for number in numbers):
            raise invalid(path, f"has {what} with {operator}: {value!r}", "a number from 0 on")
        if item.unit == "percent" and any(number > 100 for number in numbers):
            raise invalid(path, f"has {what} with {operator}: {value!r} percent", "per cent from 0 to 100")
        if len(numbers) == 2 and numbers[0] > numbers[1]:
            raise invalid(path, f"has {what} with {operator}: {value!r}", "the smaller number first")
        limits.append((operator, tuple(float(number) for number in numbers)))
    return tuple(limits)


def _arguments(path: Path, what: str, item: "DataQuality", known: tuple[str, ...]) -> dict[str, Any]:
    arguments = dict(item.arguments or {})
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        expected = f"only {', '.join(known)}" if known else "no arguments"
        hint = did_you_mean(unknown[0], known) or "Leave them out"
        raise invalid(path, f"has {what} with the unknown arguments {', '.join(unknown)}", expected, hint)
    for name in ("missingValues", "validValues", "properties"):
        if name in arguments and (not isinstance(arguments[name], list) or not arguments[name]):
            raise invalid(path, f"has {what} with {name}: {arguments[name]!r}", "a list of values")
    return arguments


def _values(path: Path, what: str, arguments: dict[str, Any], convert: Callable[[Any], Any]) -> tuple[Any, ...] | None:
    values = arguments.get("missingValues", arguments.get("validValues"))
    if values is None:
        return None
    # Texts such as N/A can be missing values of a column of numbers; they never get as far as that.
    missing = "missingValues" in arguments
    converted = []
    for value in values:
        if value is None or (missing and isinstance(value, str)):
            converted.append(value)
            continue
        try:
            converted.append(convert(value))
        except ValueError as error:
            raise invalid(path, f"has {what} with the value {value!r}", str(error)) from None
    return tuple(converted)


def _pattern(path: Path, what: str, pattern: Any) -> str | None:
    if pattern is None:
        return None
    try:
        re.compile(pattern)
        return str(pattern)
    except (re.error, TypeError) as error:
        raise invalid(path, f"has {what} with the pattern {pattern!r} ({error})", "a regular expression") from None


def _check_crossed(path: Path, name: str, rules: tuple[QualityRule, ...]) -> None:
    """Refuse limits of one metric that no number is within."""
    for rule in rules:
        same = [r for r in rules if _without_limits(r) == _without_limits(rule)]
        limits = tuple(limit for other in same for limit in other.limits)
        edges = sorted({number for _, numbers in limits for number in numbers})
        step = 1.0 if not rule.percent else 1e-6
        tried = {0.0, *(edge + change for edge in edges for change in (-step, 0.0, step))}
        largest = 100.0 if rule.percent else math.inf
        smallest = 1.0 if rule.metric == "rowCount" else 0.0
        if not any(smallest <= number <= largest and admits(limits, number) for number in tried | {smallest}):
            written = ", ".join(f"{operator}: {', '.join(map('{:g}'.format, numbers))}" for operator, numbers in limits)
            raise invalid(path, f"has limits on {rule.metric} of {name} that exclude each other ({written})", "others")


def _without_limits(rule: QualityRule) -> tuple[Any, ...]:
    return rule.metric, rule.percent, rule.listed, rule.pattern, rule.columns
