"""Metrics of the standard's quality rules: how many rows of a batch are null, missing, invalid or duplicate."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from data_contracts.contract.contract_types import Contract, QualityRule
from data_contracts.contract.odcs.quality_rules import admits
from data_contracts.validation.report import CheckResult

_NAMES = {
    "rowCount": "row_count",
    "nullValues": "null_values",
    "missingValues": "missing_values",
    "invalidValues": "invalid_values",
    "duplicateValues": "duplicate_values",
}
_WORDS = {
    "mustBe": "exactly {}",
    "mustNotBe": "not {}",
    "mustBeGreaterThan": "more than {}",
    "mustBeGreaterOrEqualTo": "at least {}",
    "mustBeLessThan": "fewer than {}",
    "mustBeLessOrEqualTo": "at most {}",
    "mustBeBetween": "{} to {}",
    "mustNotBeBetween": "not {} to {}",
}


def rules_of(contract: Contract) -> list[tuple[QualityRule, str]]:
    """Return the quality rules of a contract, each with its column, or "" if it is about the table."""
    rules = [(rule, "") for rule in contract.rules]
    return rules + [(rule, column.name) for column in contract.columns for rule in column.rules]


def check_metrics(
    frame: pd.DataFrame,
    contract: Contract,
    duplicates: Mapping[int, "pd.Series[bool]"] = MappingProxyType({}),
) -> Iterator[tuple[CheckResult, tuple[int, ...]]]:
    """Yield the result of each quality rule; the rows at fault where the rule forbids every one of them.

    `duplicates` are, by the number of their rule, those among more rows than these.
    """
    for number, (rule, name) in enumerate(rules_of(contract)):
        if rule.metric == "rowCount":
            yield batch_result(rule, name, len(frame), len(frame)), ()
            continue
        check = _NAMES[rule.metric]
        if rule.metric == "duplicateValues":
            counted = duplicates[number] if number in duplicates else duplicated(frame, rule, name)
        else:
            counted = _counted(frame, rule, name)
        if rule.forbids_any:
            rows = tuple(int(row) for row in frame.index[counted])
            detail = f"no row may count: {describe(rule)}"
            yield CheckResult(check, name, not rows, detail, len(rows), "row"), rows
        else:
            yield batch_result(rule, name, int(counted.sum()), len(frame)), ()


def duplicated(frame: pd.DataFrame, rule: QualityRule, name: str) -> "pd.Series[bool]":
    """Mark the rows that a rule counts as duplicates: all, or all but the first where the rule allows some."""
    columns = list(rule.columns) or [name]
    counted: pd.Series[bool] = frame.duplicated(columns, keep=False) & frame[columns].notna().all(axis="columns")
    # As the metric is counted, the first of equal values is no duplicate.
    return counted if rule.forbids_any else counted & frame[columns].duplicated()


def batch_result(rule: QualityRule, name: str, count: int, n_rows: int) -> CheckResult:
    """Return the result of a rule for a batch of so many rows, of which so many count."""
    number = (100 * count / n_rows if n_rows else 100.0) if rule.percent else float(count)
    passed = admits(rule.limits, number)
    found = f"{number:.4g}%" if rule.percent else f"{number:g}"
    return CheckResult(_NAMES[rule.metric], name, passed, f"{found} rows; the contract demands {describe(rule)}", count)


def describe(rule: QualityRule) -> str:
    """Say in words what a rule demands."""
    unit = "% of the rows" if rule.percent else " rows"
    limits = " and ".join(_WORDS[name].format(*map("{:g}".format, numbers)) for name, numbers in rule.limits) + unit
    what = {
        "rowCount": "in a batch",
        "nullValues": "without a value",
        "missingValues": f"that are one of {_listed(rule.listed)}" if rule.listed else "without a value",
        "invalidValues": "with another value than "
        + " or ".join(
            [*([_listed(rule.listed)] if rule.listed else []), *([f"/{rule.pattern}/"] if rule.pattern else [])]
        ),
        "duplicateValues": f"that repeat {', '.join(rule.columns) or 'a value'}",
    }[rule.metric]
    return f"{limits} {what}"


def _listed(values: tuple[Any, ...] | None) -> str:
    return ", ".join("null" if value is None else repr(value) for value in values or ())


def _counted(frame: pd.DataFrame, rule: QualityRule, name: str) -> "pd.Series[bool]":
    values = frame[name]
    if rule.metric == "nullValues":
        return values.isna()
    if rule.metric == "missingValues":
        listed = [value for value in rule.listed or () if value is not None]
        # Nulls are missing whether the rule lists them or not: there is no other way to be without a value.
        return values.isna() | values.isin(listed)
    valid = pd.Series(True, index=frame.index)
    if rule.listed is not None:
        valid &= values.isin([value for value in rule.listed if value is not None])
    if rule.pattern is not None:
        valid &= values.astype("str").str.contains(rule.pattern, regex=True, na=False)
    return values.notna() & ~valid
