"""Checking a batch against its contract.

Row checks: required values, ranges (always finite), allowed values, the key, time order and the rate of change.
Batch checks: columns, units, types, the number of rows, the share of rows without a value, and freshness.

Time order means that no row is known before it happened, nor after now, within an hour. The order of the rows in a file
means nothing, so late rows are allowed anywhere in a batch. A stuck sensor breaks no contract: predictors may want to
see it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from data_contracts.contract.contract import Column, Contract
from data_contracts.validation.conform import conform
from data_contracts.validation.expectations import ExpectationResult, run_suite
from data_contracts.validation.report import CheckResult, Level, Report
from data_contracts.validation.row_measures import measure


@dataclass(frozen=True)
class Examination:
    """A batch in its contract's shape, and the results of its checks."""

    report: Report
    frame: pd.DataFrame  # the contract's columns and dtypes; the index is the row's position in the batch, from 0
    reasons: Mapping[int, tuple[str, ...]]  # why each bad row is refused, by index of `frame`


def check(frame: pd.DataFrame, contract: Contract, *, now: pd.Timestamp) -> Report:
    """Check a batch against its contract.

    Parameters
    ----------
    frame
        The batch as it arrived.
    contract
        Its contract.
    now
        The time that ages and clock errors are measured from.

    Returns
    -------
    Report
        The result of every check.
    """
    return examine(frame, contract, now=now).report


def examine(frame: pd.DataFrame, contract: Contract, *, now: pd.Timestamp) -> Examination:
    """Check a batch, and return its rows and the reasons against them beside the report."""
    shaped, results = conform(frame, contract)
    reasons: dict[int, tuple[str, ...]] = {}
    if all(result.passed for result in results):
        # Values of missing or mistyped columns cannot be checked, so the shape comes first.
        measured = pd.concat([shaped, measure(shaped, contract, now)], axis="columns")
        for result, rows in _check_values(measured, contract):
            results += (result,)
            for row in rows:
                reasons[row] = (*reasons.get(row, ()), f"{result.check} {result.column}".strip() + f": {result.detail}")
    return Examination(Report(contract.name, contract.version, results, len(frame)), shaped, reasons)


def _check_values(frame: pd.DataFrame, contract: Contract) -> Iterator[tuple[CheckResult, Sequence[int]]]:
    """Yield the result of each check, with the rows that fail it."""
    for outcome in run_suite(frame, contract):
        column = contract.column(outcome.column)
        if column is not None and outcome.check != "rate":
            yield from _check_nulls(outcome, column, frame)
        if outcome.check in {"row_count", "freshness"}:
            detail = _batch_detail(outcome, contract)
            level: Level = "notice" if outcome.check == "freshness" else "batch"
            yield CheckResult(outcome.check, outcome.column, outcome.success, detail, len(frame), level), ()
        elif outcome.check != "null":
            detail, count = _row_detail(outcome, column), len(outcome.rows)
            yield CheckResult(outcome.check, outcome.column, outcome.success, detail, count, "row"), outcome.rows


def _check_nulls(
    outcome: ExpectationResult, column: Column, frame: pd.DataFrame
) -> Iterator[tuple[CheckResult, Sequence[int]]]:
    if column.required:
        rows = [int(row) for row in frame.index[frame[column.name].isna()]] if outcome.missing else []
        yield CheckResult("required", column.name, not rows, "every row must have a value", len(rows), "row"), rows
    elif column.needed:
        share = outcome.missing / len(frame) if len(frame) else 1.0
        detail = f"{share:.1%} without a value; the contract allows {column.max_null_share:.4g} of 1"
        passed = share <= column.max_null_share
        yield CheckResult("null_share", column.name, passed, detail, 0 if passed else outcome.missing), ()


def _batch_detail(outcome: ExpectationResult, contract: Contract) -> str:
    if outcome.check == "row_count":
        return f"{outcome.observed or 0:g} rows; the contract demands at least {contract.min_rows}"
    if outcome.observed is None:
        return f"no event time; the contract demands an event within {contract.max_age}"
    age = pd.Timedelta(seconds=round(outcome.observed))
    return f"the latest event was {age} old when it became known; the contract allows {contract.max_age}"


def _row_detail(outcome: ExpectationResult, column: Column | None) -> str:
    if outcome.check == "unique":
        return "each row once, and one row per key"
    if outcome.check == "time_order":
        return "no row may be known before it happened, nor after now"
    if column is None:
        return ""
    unit = f" {column.unit}" if column.unit else ""
    if outcome.check == "allowed":
        return f"one of {', '.join(column.allowed or ())}"
    if outcome.check == "rate":
        return f"at most {column.max_rate_per_second:g}{unit}/s"
    low = "any" if column.minimum is None else f"{column.minimum:g}"
    high = "any" if column.maximum is None else f"{column.maximum:g}"
    return f"{low} to {high}{unit}, finite"
