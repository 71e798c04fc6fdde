"""The columns of one file in the types of their contract."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from data_contracts.contract.contract import Contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.errors import ForewarnError
from pipelines.file_reading.columns import Columns
from pipelines.file_reading.times import read_times, would_be_times
from pipelines.file_reading.values import (
    NotTextError,
    Values,
    fits_decimal,
    is_plain_type,
    is_text,
    needs_mark,
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


def convert(columns: Columns, contract: Contract, layout: FileLayout, *, separator: str) -> Converted:
    """Read each column as its contract's type; those that it does not know stay as they are."""
    missing: dict[str, int] = {}
    cells = []
    for column in columns.cells:
        present, counts = without_missing(column, layout)
        cells.append(present)
        for word, count in counts.items():
            missing[word] = missing.get(word, 0) + count
    layout = _with_decimal(columns, cells, contract, layout, separator)
    read: list[pd.Series[Any]] = []
    unreadable, examples, clock_changes = {}, {}, {}
    for name, column in zip(columns.names, cells, strict=True):
        values = _read(columns, name, column, contract, layout)
        read.append(values.column.rename(name))
        if values.unreadable.any():
            unreadable[name], examples[name] = int(values.unreadable.sum()), values.first
        if values.clock_changes:
            clock_changes[name] = values.clock_changes
    frame = pd.concat(read, axis="columns") if read else pd.DataFrame()
    return Converted(frame, layout.decimal or ".", missing, unreadable, examples, clock_changes)


def _read(columns: Columns, name: str, column: pa.ChunkedArray, contract: Contract, layout: FileLayout) -> Values:
    declared = contract.column(name)
    if declared is None:
        values = column.to_pandas()
        return Values(values, np.zeros(len(values), dtype=bool))
    if declared.type in ("timestamp", "string") and not is_plain_type(column.type):
        found = f"{columns.path}: {name} holds values of the type {column.type}"
        kind = "times" if declared.type == "timestamp" else "texts"
        raise ForewarnError(found, f"a column of {kind}", "Write it as such; nothing was stored")
    if declared.type == "timestamp":
        zone = layout.time_zone or declared.time_zone
        return _times(columns, name, column, replace(layout, time_zone=zone))
    try:
        values = read_values(column, declared.type, layout)
    except NotTextError as error:
        found = f"{columns.path}: {name} {error}, where the contract has texts"
        remedy = "Write it as text, or as whole numbers without a missing one among them; nothing was stored"
        raise ForewarnError(found, "a text, as a number of 53 bits may not be what was written", remedy) from error
    if declared.type in _NUMBERS and values.unreadable.any():
        option = needs_mark(column, values.unreadable, layout)
        if option is not None:
            row = int(values.unreadable.argmax())
            found = f"{columns.path}, row {row + 1}: {name} is {values.first!r}"
            mark = repr(layout.decimal or ".")
            remedy = f"Name the marks with {option} (fileLayout in the contract); nothing was stored"
            raise ForewarnError(found, f"numbers with the decimal mark {mark}", remedy)
    return values


def _times(columns: Columns, name: str, column: pa.ChunkedArray, layout: FileLayout) -> Values:
    times = read_times(columns.path, name, column, layout)
    if not times.unreadable.any():
        return Values(times.column, times.unreadable)
    cells = column.filter(pa.array(times.unreadable))
    texts = cells.cast(pa.large_string()).to_pylist()
    in_words = ~_are_times(cells, layout)
    mixed = times.column.astype(object)
    mixed[times.column.isna()] = None
    mixed[times.unreadable] = texts
    first = str(texts[int(in_words.argmax())])
    return Values(mixed, times.unreadable, first, clock_changes=int((~in_words).sum()))


def _are_times(cells: pa.ChunkedArray, layout: FileLayout) -> npt.NDArray[np.bool_]:
    """Return which of the cells that cannot be read would be times in a zone whose clocks never change."""
    if layout.time_zone is None:
        return np.zeros(len(cells), dtype=bool)
    return would_be_times(cells, replace(layout, time_zone="UTC"))


def _with_decimal(
    columns: Columns, cells: list[pa.ChunkedArray], contract: Contract, layout: FileLayout, separator: str
) -> FileLayout:
    """Recognise the decimal comma: where commas separate no columns, and every number can only be read so."""
    if layout.decimal is not None or layout.thousands is not None or separator in ("", ","):
        return layout
    numbers = [
        column
        for name, column in zip(columns.names, cells, strict=True)
        if is_text(column.type) and (declared := contract.column(name)) and declared.type in _NUMBERS
    ]
    return replace(layout, decimal=",") if numbers and fits_decimal(numbers, ",") else layout
