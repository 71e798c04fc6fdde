"""The columns of one file in the types of their contract, all at once or chunk by chunk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from data_contracts.contract.contract import Contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.errors import ForewarnError
from pipelines.file_reading.columns import Columns
from pipelines.file_reading.times import TimesTally, parse_times, would_be_times
from pipelines.file_reading.values import (
    MarksTally,
    NotTextError,
    Values,
    fits_decimal,
    is_plain_type,
    is_text,
    read_values,
    without_missing,
)

_NUMBERS = ("number", "integer")


@dataclass(frozen=True)
class Converted:
    """Columns in their types, and what could not be read."""

    frame: pd.DataFrame
    decimal: str = "."
    missing: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    clock_changes: Mapping[str, int] = field(default_factory=dict)


@dataclass
class _ColumnTally:
    """What was found in a column so far."""

    name: str
    missing: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    clock_changes: int = 0
    first: str = ""  # the first cell that cannot be read
    first_in_words: bool = False  # whether no clock change explains it
    times: TimesTally = field(default_factory=TimesTally)
    marks: MarksTally = field(default_factory=MarksTally)
    error: ForewarnError | None = None


class Conversion:
    """The conversion of a file's columns, chunk by chunk; what is wrong with a column as a whole shows at the end."""

    def __init__(self, path: Path, contract: Contract, layout: FileLayout) -> None:
        self.path, self._contract, self._layout = path, contract, layout
        self._tallies: list[_ColumnTally] = []

    def convert(self, columns: Columns) -> pd.DataFrame:
        """Read each column of the next chunk as its contract's type; those that it does not know stay as they are."""
        self._tallies = self._tallies or [_ColumnTally(name) for name in columns.names]
        read = []
        for tally, cells in zip(self._tallies, columns.cells, strict=True):
            column, counts = without_missing(cells, self._layout)
            for word, count in counts.items():
                tally.missing[word] = tally.missing.get(word, 0) + count
            read.append(self._read(tally, column).rename(tally.name))
        return pd.concat(read, axis="columns") if read else pd.DataFrame()

    def finish(self, frame: pd.DataFrame) -> Converted:
        """Raise if a column as a whole cannot be read; return the frame beside what was found."""
        for tally in self._tallies:
            self._check(tally)
        missing: dict[str, int] = {}
        for tally in self._tallies:
            for word, count in tally.missing.items():
                missing[word] = missing.get(word, 0) + count
        return Converted(
            frame,
            self._layout.decimal or ".",
            missing,
            {tally.name: tally.unreadable for tally in self._tallies if tally.unreadable},
            {tally.name: tally.first for tally in self._tallies if tally.unreadable},
            {tally.name: tally.clock_changes for tally in self._tallies if tally.clock_changes},
        )

    def _read(self, tally: _ColumnTally, column: pa.ChunkedArray) -> "pd.Series[Any]":
        if tally.error is not None:
            return pd.Series(None, index=range(len(column)), dtype=object)
        try:
            values, in_words = self._values(tally, column)
        except ForewarnError as error:
            # Another column may be at fault further up the file, and the first of them is named.
            tally.error = error
            return pd.Series(None, index=range(len(column)), dtype=object)
        if values.unreadable.any():
            if not tally.unreadable or (in_words and not tally.first_in_words):
                tally.first, tally.first_in_words = values.first, in_words
            tally.unreadable += int(values.unreadable.sum())
        tally.clock_changes += values.clock_changes
        return values.column

    def _values(self, tally: _ColumnTally, column: pa.ChunkedArray) -> tuple[Values, bool]:
        """Return a column's values, and whether the first that is unreadable is for another reason than its hour."""
        name, declared = tally.name, self._contract.column(tally.name)
        if declared is None:
            values = column.to_pandas()
            return Values(values, np.zeros(len(values), dtype=bool)), True
        if declared.type in ("timestamp", "string") and not is_plain_type(column.type):
            found = f"{self.path}: {name} holds values of the type {column.type}"
            kind = "times" if declared.type == "timestamp" else "texts"
            raise ForewarnError(found, f"a column of {kind}", "Write it as such; nothing was stored")
        if declared.type == "timestamp":
            return _times(self.path, name, column, self._zoned(name), tally.times)
        try:
            values = read_values(column, declared.type, self._layout)
        except NotTextError as error:
            found = f"{self.path}: {name} {error}, where the contract has texts"
            remedy = "Write it as text, or as whole numbers without a missing one among them; nothing was stored"
            raise ForewarnError(found, "a text, as a number of 53 bits may not be what was written", remedy) from error
        if declared.type in _NUMBERS:
            tally.marks.add(column, values, self._layout)
        return values, True

    def _zoned(self, name: str) -> FileLayout:
        declared = self._contract.column(name)
        zone = self._layout.time_zone or (None if declared is None else declared.time_zone)
        return replace(self._layout, time_zone=zone)

    def _check(self, tally: _ColumnTally) -> None:
        if tally.error is not None:
            raise tally.error
        declared = self._contract.column(tally.name)
        if declared is not None and declared.type == "timestamp":
            tally.times.check(self.path, tally.name, self._zoned(tally.name))
        option = tally.marks.option
        if option is not None:
            row, text = tally.marks.first
            found = f"{self.path}, row {row + 1}: {tally.name} is {text!r}"
            mark = repr(self._layout.decimal or ".")
            remedy = f"Name the marks with {option} (fileLayout in the contract); nothing was stored"
            raise ForewarnError(found, f"numbers with the decimal mark {mark}", remedy)


def convert(columns: Columns, contract: Contract, layout: FileLayout, *, separator: str) -> Converted:
    """Read each column as its contract's type; those that it does not know stay as they are."""
    if may_have_commas(layout, separator):
        numbers = number_cells(columns, contract, layout)
        layout = replace(layout, decimal=",") if numbers and fits_decimal(numbers, ",") else layout
    conversion = Conversion(columns.path, contract, layout)
    return conversion.finish(conversion.convert(columns))


def _times(
    path: Path, name: str, column: pa.ChunkedArray, layout: FileLayout, tally: TimesTally
) -> tuple[Values, bool]:
    times = parse_times(path, name, column, layout, tally)
    if not times.unreadable.any():
        return Values(times.column, times.unreadable), True
    cells = column.filter(pa.array(times.unreadable))
    texts = cells.cast(pa.large_string()).to_pylist()
    in_words = ~_are_times(cells, layout)
    mixed = times.column.astype(object)
    mixed[times.column.isna()] = None
    mixed[times.unreadable] = texts
    first = str(texts[int(in_words.argmax())])
    return Values(mixed, times.unreadable, first, clock_changes=int((~in_words).sum())), bool(in_words.any())


def _are_times(cells: pa.ChunkedArray, layout: FileLayout) -> npt.NDArray[np.bool_]:
    """Return which of the cells that cannot be read would be times in a zone whose clocks never change."""
    if layout.time_zone is None:
        return np.zeros(len(cells), dtype=bool)
    return would_be_times(cells, replace(layout, time_zone="UTC"))


def may_have_commas(layout: FileLayout, separator: str) -> bool:
    """Return whether the decimal mark may be a comma that nobody declared: where commas separate no columns."""
    return layout.decimal is None and layout.thousands is None and separator not in ("", ",")


def number_cells(columns: Columns, contract: Contract, layout: FileLayout) -> Sequence[pa.ChunkedArray]:
    """Return the columns of texts that are to be read as numbers, without the words for no value."""
    return [
        without_missing(column, layout)[0]
        for name, column in zip(columns.names, columns.cells, strict=True)
        if is_text(column.type) and (declared := contract.column(name)) and declared.type in _NUMBERS
    ]
