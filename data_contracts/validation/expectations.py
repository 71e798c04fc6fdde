"""A contract as a Great Expectations suite, and the suite's results for a batch."""

import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.contract.contract_types import Column, Contract
from data_contracts.validation.row_measures import AGE, EARLY, FORMAT, MULTIPLE, RATE, REPEATED

# All threads share one context and its suites, which Great Expectations does not promise to be thread-safe.
_LOCK = threading.Lock()
_LARGEST = sys.float_info.max


@dataclass(frozen=True)
class ExpectationResult:
    """The result of one expectation for a batch."""

    check: str  # the check it stands for
    column: str  # the contract's column; empty for a check of the whole batch
    success: bool
    rows: tuple[int, ...]  # index of each row that fails
    missing: int  # rows without a value in the column
    observed: float | None  # aggregate of the whole batch; None for row checks, or if there was nothing to measure


def run_suite(frame: pd.DataFrame, contract: Contract) -> tuple[ExpectationResult, ...]:
    """Run a contract's suite over a batch in the contract's shape with its row measures, in the contract's order."""
    with _LOCK:
        suite = _suite(contract)
        batch = _batch_definition().get_batch(batch_parameters={"dataframe": frame})
        outcome = batch.validate(suite, result_format="COMPLETE")
    results = [_result(item, len(frame)) for item in outcome.results]
    by_check = {(result.check, result.column): result for result in results}
    return tuple(by_check[item.meta["check"], item.meta["column"]] for item in suite.expectations)


def _result(item: Any, n_rows: int) -> ExpectationResult:
    if item.exception_info.get("raised_exception", True):
        raise RuntimeError(f"{item.expectation_config.type} could not be run: {item.exception_info}")
    meta, result = item.expectation_config.meta, item.result
    rows = tuple(result.get("unexpected_index_list", ()))
    observed = result.get("observed_value")
    is_null_check = meta["check"] == "null"
    return ExpectationResult(
        check=meta["check"],
        column=meta["column"],
        success=bool(item.success),
        rows=() if is_null_check else rows,
        missing=len(rows) if is_null_check else n_rows - result.get("evaluated", n_rows),
        observed=None if observed is None or pd.isna(observed) else float(observed),
    )


@functools.cache
def _batch_definition() -> Any:
    # It takes four to ten seconds to import, so only checks do. A plant's network has no way out for its analytics.
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations

    context: Any = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("batches").add_dataframe_asset("batch")
    return asset.add_batch_definition_whole_dataframe("whole")


@functools.lru_cache(maxsize=64)
def _suite(contract: Contract) -> Any:
    import great_expectations

    _batch_definition()  # a suite needs an existing context
    suite = great_expectations.ExpectationSuite(name=f"{contract.name}-{contract.version}-{contract.digest}")
    for expectation in _expectations(contract):
        suite.add_expectation(expectation)
    return suite


def _expectations(contract: Contract) -> Iterator[Any]:
    from great_expectations.expectations.core.expect_column_min_to_be_between import ExpectColumnMinToBeBetween
    from great_expectations.expectations.core.expect_table_row_count_to_be_between import ExpectTableRowCountToBeBetween

    from data_contracts.validation import column_expectations as own

    yield ExpectTableRowCountToBeBetween(min_value=contract.min_rows, meta=_meta("row_count"))
    for column in contract.columns:
        yield from _column_expectations(column, contract)
    yield own.ExpectValuesBetween(column=REPEATED, max_value=0, meta=_meta("unique"))
    names = {column.name for column in contract.columns}
    if {"event_time", "known_time"} <= names:
        yield own.ExpectValuesBetween(column=EARLY, max_value=0, meta=_meta("time_order"))
    if contract.max_age is not None:
        seconds = contract.max_age.total_seconds()
        yield ExpectColumnMinToBeBetween(column=AGE, max_value=seconds, meta=_meta("freshness"))
    for column in contract.columns:
        if column.max_rate_per_second is not None:
            yield own.ExpectValuesBetween(
                column=RATE + column.name, max_value=column.max_rate_per_second, meta=_meta("rate", column.name)
            )


def _column_expectations(column: Column, contract: Contract) -> Iterator[Any]:
    # As few as possible, as each takes time; all of them count nulls too.
    from data_contracts.validation import column_expectations as own

    name = column.name
    expectations: list[Any] = []
    if name == "event_time" and contract.earliest_time is not None:
        earliest = contract.earliest_time.to_pydatetime()
        expectations.append(own.ExpectValuesBetween(column=name, min_value=earliest, meta=_meta("earliest_time", name)))
    if column.type in ("number", "integer"):
        expectations.append(_number_range(column))
    if column.earliest is not None or column.latest is not None:
        low, high = (None if time is None else time.to_pydatetime() for time in (column.earliest, column.latest))
        expectations.append(
            own.ExpectValuesBetween(column=name, min_value=low, max_value=high, meta=_meta("range", name))
        )
    if column.allowed is not None:
        expectations.append(
            own.ExpectValuesInSet(column=name, value_set=list(column.allowed), meta=_meta("allowed", name))
        )
    if column.min_length is not None or column.max_length is not None:
        shortest, longest = column.min_length, column.max_length
        expectations.append(
            own.ExpectLengthsBetween(column=name, min_value=shortest, max_value=longest, meta=_meta("length", name))
        )
    if column.pattern is not None:
        expectations.append(own.ExpectValuesMatchRegex(column=name, regex=column.pattern, meta=_meta("pattern", name)))
    if column.unique:
        expectations.append(own.ExpectValuesUnique(column=name, meta=_meta("unique", name)))
    if column.needed and not expectations:
        expectations.append(own.ExpectValuesNotNull(column=name, meta=_meta("null", name)))
    yield from expectations
    for check, prefix, limited in (("format", FORMAT, column.format), ("multiple_of", MULTIPLE, column.multiple_of)):
        if limited is not None:
            yield own.ExpectValuesBetween(column=prefix + name, max_value=0, meta=_meta(check, name))


def _number_range(column: Column) -> Any:
    from data_contracts.validation import column_expectations as own

    (low, strict_low), (high, strict_high) = number_limits(column)
    return own.ExpectValuesBetween(
        column=column.name,
        min_value=low,
        max_value=high,
        strict_min=strict_low,
        strict_max=strict_high,
        meta=_meta("range", column.name),
    )


def number_limits(column: Column) -> tuple[tuple[float, bool], tuple[float, bool]]:
    """Return the lower and the upper limit of a column's numbers, each with whether it is exclusive."""
    low = _tighter(-_LARGEST if column.minimum is None else column.minimum, column.above, max)
    return low, _tighter(_LARGEST if column.maximum is None else column.maximum, column.below, min)


def _tighter(inclusive: float, exclusive: float | None, choose: Callable[..., float]) -> tuple[float, bool]:
    """Return the tighter of two limits, and whether it is the exclusive one."""
    if exclusive is None:
        return inclusive, False
    return choose(inclusive, exclusive), choose(inclusive, exclusive) == exclusive


def _meta(check: str, column: str = "") -> dict[str, str]:
    return {"check": check, "column": column}
