"""The shape of a batch in chunks: what `conform` says of all of its rows together."""

from dataclasses import dataclass, replace

import pandas as pd

from data_contracts.contract.contract_types import Contract
from data_contracts.validation.column_types import are_too_few, of_another_type, without_zone
from data_contracts.validation.conform import ConformedBatch, conform, split_unit
from data_contracts.validation.report import CheckResult


@dataclass
class _Column:
    present: int = 0
    refused: int = 0
    first: str = ""  # what a batch is refused for if too few of the values fit
    naive: bool = False  # whether a chunk of it is times without a zone


class BatchShape:
    """Columns, units and types over the chunks of a batch."""

    def __init__(self, contract: Contract, *, ignore_extra: bool) -> None:
        self.contract, self.ignore_extra = contract, ignore_extra
        self.rows = 0
        self._results: list[CheckResult] = []
        self._columns: dict[str, _Column] = {}
        self.ignored: tuple[str, ...] = ()
        self.extra: tuple[str, ...] = ()

    def conform(self, frame: pd.DataFrame) -> ConformedBatch:
        """Convert a chunk; whether a column is of another type altogether is known after the last one only."""
        return conform(frame, self.contract, ignore_extra=self.ignore_extra, by_cell=True)

    def add(self, frame: pd.DataFrame) -> ConformedBatch:
        """Convert the next chunk, and note its shape."""
        batch = self.conform(frame)
        for name in batch.frame.columns:
            self._note(str(name), batch)
        for header, values in frame.items():
            column = self._columns.get(split_unit(str(header))[0])
            if column is not None and pd.api.types.is_datetime64_dtype(values):
                column.naive = True
        self._results = merged_results(self._results, batch.results)
        self.ignored, self.extra = batch.ignored, batch.extra
        self.rows += len(frame)
        return batch

    def _note(self, name: str, batch: ConformedBatch) -> None:
        known, refused = self._columns.setdefault(name, _Column()), batch.refused.get(name)
        known.present += int(batch.frame[name].notna().sum())
        if refused is None:
            return
        column = self.contract.column(name)
        if not known.refused and column is not None:
            row = self.rows + int(refused.index[0])
            known.first = of_another_type(refused.iloc[0], row, column)
        known.present += len(refused)
        known.refused += len(refused)

    @property
    def has_columns(self) -> bool:
        """Return whether the columns and units are those of the contract, so that values can be checked."""
        return all(result.passed or result.level == "row" for result in self._results)

    @property
    def has_refused(self) -> bool:
        """Return whether values were refused for their type."""
        return any(column.refused for column in self._columns.values())

    @property
    def fits(self) -> bool:
        """Return whether the batch as a whole has the contract's shape."""
        return all(result.passed or result.level == "row" for result in self.results)

    @property
    def results(self) -> tuple[CheckResult, ...]:
        """Return the results of the checks of the shape."""
        return tuple(self._of_whole(result) for result in self._results)

    def unread(self, name: str) -> int:
        """Return how many values of a column were refused for their type."""
        return self._columns[name].refused if name in self._columns else 0

    def _of_whole(self, result: CheckResult) -> CheckResult:
        column = self._columns.get(result.column)
        if result.check != "type" or column is None:
            return result
        declared = self.contract.column(result.column)
        if column.naive and declared is not None:
            return CheckResult("type", result.column, False, without_zone(declared), self.rows)
        if column.refused and are_too_few(column.present - column.refused, column.present):
            return CheckResult("type", result.column, False, column.first, self.rows)
        return result


def merged_results(before: list[CheckResult], more: tuple[CheckResult, ...]) -> list[CheckResult]:
    """Return the results of row checks over more rows than before; the first that failed says why."""
    if not before:
        return list(more)
    return [
        replace(
            one if not one.passed or other.passed else other,
            passed=one.passed and other.passed,
            rows=one.rows + other.rows,
        )
        for one, other in zip(before, more, strict=True)
    ]
