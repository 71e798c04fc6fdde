"""Checking a batch against its contract.

Row checks: types, required values, ranges (always finite), allowed values, lengths, patterns and formats of texts, the
key and unique values, the earliest time, time order, the rate of change, and metrics that no row may count in.
Batch checks: columns, units, columns of another type altogether, the number of rows, the share of rows without a value,
other metrics, and freshness.

Time order means that no row is known before it happened, nor after now, within an hour. The order of the rows in a file
means nothing, so late rows are allowed anywhere in a batch. A stuck sensor breaks no contract: predictors may want to
see it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import pandas as pd

from data_contracts.contract.contract_types import Column, Contract
from data_contracts.validation.conform import conform
from data_contracts.validation.expectations import ExpectationResult, run_suite
from data_contracts.validation.quality_flags import apply_qualities
from data_contracts.validation.quality_metrics import check_metrics
from data_contracts.validation.report import CheckResult, Level, Report
from data_contracts.validation.row_measures import measure

_MEASURED = ("rate", "format", "multiple_of")  # checks of a row measure, which say nothing about nulls


@dataclass(frozen=True)
class Examination:
    """A batch in its contract's shape, and the results of its checks."""

    report: Report
    frame: pd.DataFrame  # the contract's columns and dtypes; the index is the row's position in the batch, from 0
    reasons: Mapping[int, tuple[str, ...]]  # why each bad row is refused, by index of `frame`
    as_arrived: pd.DataFrame  # the bad rows with the values that they came with
    ignored: tuple[str, ...] = ()  # columns that the contract does not have and that were left out
    # By channel and quality, how many readings became null.
    nulled: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def check(frame: pd.DataFrame, contract: Contract, *, now: pd.Timestamp, ignore_extra: bool = False) -> Report:
    """Check a batch against its contract.

    Parameters
    ----------
    frame
        The batch as it arrived.
    contract
        Its contract.
    now
        The time that ages and clock errors are measured from.
    ignore_extra
        Whether columns that the contract does not have are left out; otherwise the contract says it.

    Returns
    -------
    Report
        The result of every check.
    """
    return examine(frame, contract, now=now, ignore_extra=ignore_extra).report


def examine(
    frame: pd.DataFrame,
    contract: Contract,
    *,
    now: pd.Timestamp,
    ignore_extra: bool = False,
    by_cell: bool = False,
) -> Examination:
    """Check a batch, and return its rows and the reasons against them beside the report.

    With `ignore_extra`, columns that the contract does not have are left out; with `by_cell`, values of another type
    are refused by row however many there are.
    """
    batch = conform(frame, contract, ignore_extra=ignore_extra, by_cell=by_cell)
    results, reasons, values = batch.results, dict(batch.reasons), batch.frame
    nulled: Mapping[str, Mapping[str, int]] = {}
    if batch.fits:
        # Values of missing or mistyped columns cannot be checked, so the shape comes first; and what a bad reading says
        # is no value.
        judged = apply_qualities(batch.frame, contract)
        values, nulled = judged.frame, judged.nulled
        results += judged.results
        add_reasons(reasons, judged.reasons)
        measured = pd.concat([values, measure(values, contract, now)], axis="columns")
        for result, rows in (*check_values(measured, contract, batch.refused), *check_metrics(values, contract)):
            results += (result,)
            add_reasons(reasons, dict.fromkeys(rows, (result.reason,)))
    report = Report(contract.name, contract.version, results, len(frame))
    as_arrived = batch.as_arrived(batch.frame.index[batch.frame.index.isin(list(reasons))])
    return Examination(report, values, reasons, as_arrived, batch.ignored, nulled)


def add_reasons(reasons: dict[int, tuple[str, ...]], more: Mapping[int, tuple[str, ...]]) -> None:
    """Add reasons to those that rows are refused for already."""
    for row, why in more.items():
        reasons[row] = (*reasons.get(row, ()), *why)


def check_values(
    frame: pd.DataFrame,
    contract: Contract,
    refused: Mapping[str, "pd.Series[Any]"],
    repeated: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> Iterator[tuple[CheckResult, Sequence[int]]]:
    """Yield the result of each check, with the rows that fail it.

    `repeated` are, by column, the rows whose values occur again among more rows than these.
    """
    counted: set[str] = set()
    for each in run_suite(frame, contract):
        outcome = each
        if each.check == "unique" and each.column in repeated:
            rows = tuple(repeated[each.column])
            outcome = replace(each, rows=rows, success=not rows)
        column = contract.column(outcome.column)
        if column is not None and column.name not in counted and outcome.check not in _MEASURED:
            counted.add(column.name)
            unread = refused.get(column.name)
            yield from _check_nulls(outcome, column, frame, [] if unread is None else unread.index)
        if outcome.check in {"row_count", "freshness"}:
            yield batch_result(outcome, contract, len(frame)), ()
        elif outcome.check != "null":
            detail, count = row_detail(outcome.check, column, contract), len(outcome.rows)
            yield CheckResult(outcome.check, outcome.column, outcome.success, detail, count, "row"), outcome.rows


def _check_nulls(
    outcome: ExpectationResult, column: Column, frame: pd.DataFrame, unread: "Sequence[int] | pd.Index[Any]"
) -> Iterator[tuple[CheckResult, Sequence[int]]]:
    if column.required:
        # A value of another type is refused as that; it is not missing.
        missing = frame[column.name].isna() & ~frame.index.isin(list(unread))
        rows = [int(row) for row in frame.index[missing]] if outcome.missing else []
        yield CheckResult("required", column.name, not rows, "every row must have a value", len(rows), "row"), rows
    elif column.needed:
        yield null_share_result(column, outcome.missing, len(unread), len(frame)), ()


def null_share_result(column: Column, missing: int, unread: int, n_rows: int) -> CheckResult:
    """Return the result for a column of so many rows without a value, of which some could not be read."""
    missing_share = (missing - unread) / n_rows if n_rows else 1.0
    detail = f"{missing_share:.1%} without a value; the contract allows {column.max_null_share:.4g} of 1"
    passed = missing_share <= column.max_null_share
    return CheckResult("null_share", column.name, passed, detail, 0 if passed else missing)


def batch_result(outcome: ExpectationResult, contract: Contract, n_rows: int) -> CheckResult:
    """Return the result of an expectation of the batch as a whole."""
    detail = _batch_detail(outcome, contract)
    level: Level = "notice" if outcome.check == "freshness" else "batch"
    return CheckResult(outcome.check, outcome.column, outcome.success, detail, n_rows, level)


def _batch_detail(outcome: ExpectationResult, contract: Contract) -> str:
    if outcome.check == "row_count":
        return f"{outcome.observed or 0:g} rows; the contract demands at least {contract.min_rows}"
    if outcome.observed is None:
        return f"no event time; the contract demands an event within {contract.max_age}"
    age = pd.Timedelta(seconds=round(outcome.observed))
    return f"the latest event was {age} old when it became known; the contract allows {contract.max_age}"


def row_detail(check: str, column: Column | None, contract: Contract) -> str:
    """Say in words what a row must be like to pass a check of a column, or of the whole row if None."""
    if column is None:
        repeated = "each row once, and one row per key"
        return repeated if check == "unique" else "no row may be known before it happened, nor after now"
    unit = f" {column.unit}" if column.unit else ""
    if check == "earliest_time":
        return f"not before {contract.earliest_time:%Y-%m-%d %H:%M}; a clock that was never set says 1970 or year 1"
    if check == "range":
        return describe_range(column)
    return {
        "allowed": f"one of {', '.join(map(str, column.allowed or ()))}",
        "rate": f"at most {column.max_rate_per_second:g}{unit}/s" if column.max_rate_per_second else "",
        "unique": "each value once",
        "length": f"{_limit(column.min_length)} to {_limit(column.max_length)} characters",
        "pattern": f"as /{column.pattern}/",
        "format": f"a valid {column.format}",
        "multiple_of": f"a multiple of {_limit(column.multiple_of)}{unit}",
    }[check]


def describe_range(column: Column) -> str:
    """Say in words between which limits the values of a column lie."""
    if column.type == "timestamp":
        low, high = ("any" if time is None else f"{time.isoformat()}" for time in (column.earliest, column.latest))
        return f"{low} to {high}"
    unit = f" {column.unit}" if column.unit else ""
    above = None if column.above is None else f"above {column.above:g}"
    below = None if column.below is None else f"below {column.below:g}"
    parts = [part for part in (above, below) if part]
    if column.minimum is not None or column.maximum is not None or not parts:
        parts.insert(0, f"{_limit(column.minimum)} to {_limit(column.maximum)}")
    return f"{' and '.join(parts)}{unit}, finite"


def _limit(limit: float | None) -> str:
    return "any" if limit is None else f"{limit:g}"
