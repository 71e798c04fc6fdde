"""The checks of a batch in chunks: those of each row, by Great Expectations, and those of all rows together."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.bulk.batch_shape import BatchShape, merged_results
from data_contracts.bulk.fast_changes import FastChanges
from data_contracts.bulk.repeats import Judge, Repeats
from data_contracts.bulk.scratch import Scratch
from data_contracts.contract.contract_types import Contract
from data_contracts.validation.checks import add_reasons, batch_result, check_values, null_share_result
from data_contracts.validation.conform import ConformedBatch
from data_contracts.validation.expectations import ExpectationResult
from data_contracts.validation.quality_flags import Judged, QualityTally, apply_qualities
from data_contracts.validation.quality_metrics import batch_result as metric_result
from data_contracts.validation.quality_metrics import check_metrics, duplicated, rules_of
from data_contracts.validation.report import CheckResult, Report
from data_contracts.validation.row_measures import RATE, REPEATED, measure, repeated_keys


@dataclass(frozen=True)
class ChunkExamination:
    """A chunk in its contract's shape, and why some of its rows are refused."""

    frame: pd.DataFrame  # the index is the row's place in the chunk
    reasons: Mapping[int, tuple[str, ...]]
    batch: ConformedBatch
    judged: Judged
    values: tuple[CheckResult, ...]  # of the checks of values, for this chunk
    metrics: tuple[CheckResult, ...]  # of the quality rules

    @property
    def as_arrived(self) -> pd.DataFrame:
        """Return the bad rows with the values that they came with."""
        return self.batch.as_arrived(self.batch.frame.index[self.batch.frame.index.isin(list(self.reasons))])


class BatchChecks:
    """What the checks of a chunk have to know of the other chunks, and what they found in all of them."""

    def __init__(self, scratch: Scratch, contract: Contract, shape: BatchShape, now: pd.Timestamp) -> None:
        self._contract, self._shape, self.now = contract, shape, now
        self._rules = rules_of(contract)
        self._repeats = {name: Repeats(scratch, columns, judge) for name, columns, judge in _searches(contract)}
        self._changes = [
            FastChanges(scratch, column.name, column.max_rate_per_second)
            for column in contract.columns
            if column.max_rate_per_second is not None
        ]
        self._latest: dict[str, pd.Timestamp] = {}
        self._qualities: tuple[QualityTally, ...] = ()
        self._values: list[CheckResult] = []
        self._metrics: list[CheckResult] = []
        self._missing: Counter[str] = Counter()
        self.nulled: dict[str, dict[str, int]] = {}
        self.refused = 0

    def look(self, batch: ConformedBatch) -> None:
        """Note what the checks of other chunks have to know of this one."""
        values = apply_qualities(batch.frame, self._contract).frame
        for search in self._repeats.values():
            search.add(values)
        for change in self._changes:
            change.add(values)
        for name in ("event_time", "known_time"):
            latest = values[name].max() if name in values.columns else pd.NaT
            if not pd.isna(latest):
                self._latest[name] = max(latest, self._latest.get(name, latest))

    def search(self, chunk: Callable[[int], pd.DataFrame]) -> None:
        """Find what repeats over all chunks, and what changes too fast."""
        for change in self._changes:
            change.search()
        for search in self._repeats.values():
            if search.search():
                search.compare((number, self._values_of(chunk(number))) for number in search.chunks)

    def _values_of(self, frame: pd.DataFrame) -> pd.DataFrame:
        return apply_qualities(self._shape.conform(frame).frame, self._contract).frame

    def examine(self, number: int, frame: pd.DataFrame) -> ChunkExamination:
        """Check the rows of a chunk."""
        batch = self._shape.conform(frame)
        judged = apply_qualities(batch.frame, self._contract)
        values, reasons = judged.frame, dict(batch.reasons)
        add_reasons(reasons, judged.reasons)
        given = {REPEATED: self._marks(REPEATED, number, values)}
        for change in self._changes:
            fast = pd.Series(change.marks(number, len(values)), index=values.index)
            given[RATE + change.channel] = fast.map({True: float("inf"), False: float("nan")}).astype("float64")
        measured = pd.concat([values, measure(values, self._contract, self.now, given)], axis="columns")
        repeated = {
            column.name: _rows(self._marks(column.name, number, values))
            for column in self._contract.columns
            if column.unique
        }
        duplicates = {
            place: self._marks(_rule(place), number, values) != 0
            for place, (rule, _) in enumerate(self._rules)
            if rule.metric == "duplicateValues"
        }
        checked = list(check_values(measured, self._contract, batch.refused, repeated))
        counted = list(check_metrics(values, self._contract, duplicates))
        for result, rows in (*checked, *counted):
            add_reasons(reasons, dict.fromkeys(rows, (result.reason,)))
        results = (tuple(result for result, _ in each) for each in (checked, counted))
        return ChunkExamination(values, reasons, batch, judged, *results)

    def _marks(self, name: str, number: int, values: pd.DataFrame) -> "pd.Series[Any]":
        return pd.Series(self._repeats[name].marks(number, len(values)), index=values.index)

    def add(self, checked: ChunkExamination) -> None:
        """Add what was found in a chunk; once for each, in order, before `report`."""
        self._values = merged_results(self._values, checked.values)
        self._metrics = merged_results(self._metrics, checked.metrics)
        self.refused += len(checked.reasons)
        values, tallies, before = checked.frame, checked.judged.tallies, self._qualities
        self._missing.update({str(name): int(values[name].isna().sum()) for name in values.columns})
        self._qualities = tuple(a + b for a, b in zip(before, tallies, strict=True)) if before else tallies
        for channel, counts in checked.judged.nulled.items():
            own = self.nulled.setdefault(channel, {})
            for quality, count in counts.items():
                own[quality] = own.get(quality, 0) + count

    def report(self) -> Report:
        """Return the results of all checks of all chunks."""
        results = [*self._shape.results, *(tally.result for tally in self._qualities)]
        results += [self._of_whole(result) for result in self._values]
        results += self._of_rules()
        return Report(self._contract.name, self._contract.version, tuple(results), self._shape.rows)

    def _of_whole(self, result: CheckResult) -> CheckResult:
        """Return the result for all chunks of a check of the batch as a whole; those of rows are sums."""
        column, rows = self._contract.column(result.column), self._shape.rows
        if result.check == "null_share" and column is not None:
            return null_share_result(column, self._missing[column.name], self._shape.unread(column.name), rows)
        if result.check == "row_count":
            outcome = ExpectationResult("row_count", "", rows >= self._contract.min_rows, (), 0, float(rows))
            return batch_result(outcome, self._contract, rows)
        if result.check == "freshness":
            age = self._age()
            most = None if self._contract.max_age is None else self._contract.max_age.total_seconds()
            fresh = age is not None and most is not None and age <= most
            return batch_result(ExpectationResult("freshness", result.column, fresh, (), 0, age), self._contract, rows)
        return result

    def _age(self) -> float | None:
        """Return the age in seconds of the latest event when the batch became known."""
        if "event_time" not in self._latest:
            return None
        arrival = min(self.now, self._latest.get("known_time", self.now))
        return float((arrival - self._latest["event_time"]).total_seconds())

    def _of_rules(self) -> Iterator[CheckResult]:
        for (rule, name), result in zip(self._rules, self._metrics, strict=True):
            if rule.forbids_any and rule.metric != "rowCount":
                yield result
            else:
                yield metric_result(rule, name, result.rows, self._shape.rows)


def _rows(marks: "pd.Series[Any]") -> list[int]:
    return [int(row) for row in marks.index[marks != 0]]


def _searches(contract: Contract) -> Iterator[tuple[str, Sequence[str], Judge]]:
    """Yield what is to be searched for repeated values: the key, values that may occur once, and quality rules."""
    yield REPEATED, contract.key, lambda rows: repeated_keys(rows, contract)
    for column in contract.columns:
        if column.unique:
            yield column.name, (column.name,), _same_value(column.name)
    for number, (rule, name) in enumerate(rules_of(contract)):
        if rule.metric == "duplicateValues":

            def judge(rows: pd.DataFrame, rule: Any = rule, name: str = name) -> "pd.Series[Any]":
                return duplicated(rows, rule, name).astype("int64")

            yield _rule(number), tuple(rule.columns) or (name,), judge


def _same_value(name: str) -> Judge:
    return lambda rows: rows[name].duplicated(keep=False).astype("int64")


def _rule(number: int) -> str:
    return f"~rule/{number}"
