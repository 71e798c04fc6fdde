"""The checks of a batch against its contract, run by Great Expectations.

What is checked of rows: a value where one is required, its range (always finite), the values allowed, the key, time
order, and the largest rate of change. What is checked of the batch: columns, units, types, the number of rows, the
share of rows without a value, and freshness.

Time order means that no row is known before it happened, nor after now, give or take an hour. The order of the rows in
a file carries no meaning, so late rows are legal anywhere in a batch. A sensor that is stuck breaks no contract:
predictors may want to see it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from data_contracts.contract.contract import Column, Contract
from data_contracts.validation.conform import conform
from data_contracts.validation.expectations import Finding, findings
from data_contracts.validation.report import CheckResult, Report
from data_contracts.validation.row_measures import measure

__all__ = ["CheckResult", "Examination", "Report", "bad_rows", "check", "examine"]


@dataclass(frozen=True)
class Examination:
    """A batch in its contract's shape, with what is wrong with it.

    Parameters
    ----------
    report
        What the checks found.
    frame
        The batch with the contract's columns and types; the index counts the rows as they came.
    reasons
        For every bad row, by its index, why it is refused.
    """

    report: Report
    frame: pd.DataFrame
    reasons: Mapping[int, tuple[str, ...]]


def check(frame: pd.DataFrame, contract: Contract, *, now: pd.Timestamp) -> Report:
    """Check a batch against its contract.

    Parameters
    ----------
    frame
        The batch as it came.
    contract
        What it has to be.
    now
        The time that freshness is counted from.

    Returns
    -------
    Report
        What the checks found.
    """
    return examine(frame, contract, now=now).report


def bad_rows(frame: pd.DataFrame, contract: Contract, *, now: pd.Timestamp) -> dict[int, tuple[str, ...]]:
    """Find the rows that break a contract on their own.

    Parameters
    ----------
    frame
        The batch as it came.
    contract
        What it has to be.
    now
        The time that freshness is counted from.

    Returns
    -------
    dict of int to tuple of str
        Row positions, counted from 0, to reasons.
    """
    return dict(examine(frame, contract, now=now).reasons)


def examine(frame: pd.DataFrame, contract: Contract, *, now: pd.Timestamp) -> Examination:
    """Check a batch, and keep the rows and the reasons beside the report.

    Parameters
    ----------
    frame
        The batch as it came.
    contract
        What it has to be.
    now
        The time that freshness is counted from.

    Returns
    -------
    Examination
        The report, the batch in the contract's shape, and the reasons of its bad rows.
    """
    shaped, results = conform(frame, contract)
    reasons: dict[int, tuple[str, ...]] = {}
    if all(result.passed for result in results):
        # Values of columns that are missing or mistyped cannot be judged, so shape comes first.
        measured = pd.concat([shaped, measure(shaped, contract, now)], axis="columns")
        for result, rows in _judge(measured, contract):
            results += (result,)
            for row in rows:
                reasons[row] = (*reasons.get(row, ()), f"{result.check} {result.column}".strip() + f": {result.detail}")
    return Examination(Report(contract.name, contract.version, results, len(frame)), shaped, reasons)


def _judge(frame: pd.DataFrame, contract: Contract) -> Iterator[tuple[CheckResult, Sequence[int]]]:
    """Yield what each check found, with the rows at fault."""
    for finding in findings(frame, contract):
        column = contract.column(finding.column)
        if column is not None and finding.check != "rate":
            yield from _judge_nulls(finding, column, frame)
        if finding.check in {"row_count", "freshness"}:
            detail = _batch_detail(finding, contract)
            yield CheckResult(finding.check, finding.column, finding.success, detail, len(frame)), ()
        elif finding.check != "null":
            detail, count = _row_detail(finding, column), len(finding.rows)
            yield CheckResult(finding.check, finding.column, finding.success, detail, count, "row"), finding.rows


def _judge_nulls(finding: Finding, column: Column, frame: pd.DataFrame) -> Iterator[tuple[CheckResult, Sequence[int]]]:
    if column.required:
        rows = [int(row) for row in frame.index[frame[column.name].isna()]] if finding.missing else []
        result = CheckResult("required", column.name, not rows, "every row has to have a value", len(rows), "row")
        yield result, rows
    elif column.needed:
        share = finding.missing / len(frame) if len(frame) else 1.0
        detail = f"{share:.1%} without a value; the contract allows {column.max_null_share:.4g} of 1"
        passed = share <= column.max_null_share
        yield CheckResult("null_share", column.name, passed, detail, 0 if passed else finding.missing), ()


def _batch_detail(finding: Finding, contract: Contract) -> str:
    if finding.check == "row_count":
        return f"{finding.observed or 0:g} rows; the contract demands at least {contract.min_rows}"
    if finding.observed is None:
        return f"no event time; the contract demands an event within {contract.max_age}"
    age = pd.Timedelta(seconds=round(finding.observed))
    return f"the latest event is {age} old; the contract allows {contract.max_age}"


def _row_detail(finding: Finding, column: Column | None) -> str:
    if finding.check == "unique":
        return "a row that is there already, or rows of one key with different values"
    if finding.check == "time_order":
        return "no row may be known before it happened, nor after now"
    if column is None:
        return ""
    unit = f" {column.unit}" if column.unit else ""
    if finding.check == "allowed":
        return f"one of {', '.join(column.allowed or ())}"
    if finding.check == "rate":
        return f"at most {column.max_rate_per_second:g}{unit}/s"
    low = "any" if column.minimum is None else f"{column.minimum:g}"
    high = "any" if column.maximum is None else f"{column.maximum:g}"
    return f"{low} to {high}{unit}, finite"
