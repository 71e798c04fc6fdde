"""The files that a contract is inferred from: their columns below each other, and what of a layout may be given."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from data_contracts.contract.file_layout import PLAIN, FileLayout
from data_contracts.errors import UsageError
from pipelines.file_reading.columns import Columns, named_columns, without_units_row
from pipelines.file_reading.raw_table import RawTable

_GIVEN = {
    *("shape", "separator", "decimal", "thousands", "encoding", "skip_lines", "sheet", "missing", "time_format"),
    *("time_zone", "rename", "ignore", "quality"),
}
"""What of a layout may be given, where it is not recognised."""


def check_given(given: FileLayout) -> None:
    """Raise if something is given that a draft does not start from."""
    for name in sorted(set(vars(PLAIN)) - _GIVEN):
        if getattr(given, name) != getattr(PLAIN, name):
            expected = f"{', '.join(sorted(_GIVEN))}, or nothing"
            raise UsageError(f"a draft takes no {name}", expected, "Write it into the draft's fileLayout afterwards")


def with_content(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files that hold something and, of several, those that do not."""
    empty = [file for file in files if not file.stat().st_size]
    full = [file for file in files if file not in empty]
    return (full, empty) if full else (list(files), [])


def is_header(names: list[str]) -> bool:
    """Return whether cells are names: texts that are no numbers, and more than one."""
    named = [name for name in names if name]
    return len(named) > 1 and not any(name[0].isdigit() or name[0] in "+-." for name in named)


def check_alike(raws: Sequence[RawTable]) -> None:
    """Raise if the files separate columns by different marks: their decimal marks would differ too."""
    other = next((raw for raw in raws if raw.notes.separator != raws[0].notes.separator), None)
    if other is not None and raws[0].notes.separator and other.notes.separator:
        raise UsageError(
            f"{raws[0].path} separates its columns by {raws[0].notes.separator!r}, {other.path} by "
            f"{other.notes.separator!r}",
            "files that are written alike",
            "Name those of one kind; import the others by the same contract with --separator and --decimal",
        )


def bare_columns(raw: RawTable, given: FileLayout) -> tuple[Columns, dict[str, str]]:
    """Return a file's columns, and their units, without a row of units."""
    columns, units, _ = without_units_row(named_columns(raw.path, raw.table, given), None, given)
    return columns, units


def stacked(raws: Sequence[RawTable], given: FileLayout) -> tuple[Columns, tuple[str, ...]]:
    """Put the files' columns below each other; return beside them those that not all files have."""
    each: list[Columns] = []
    units: dict[str, str] = {}
    for raw in raws:
        columns, own_units = bare_columns(raw, given)
        each.append(columns)
        units |= {**columns.units, **own_units}
    every = dict.fromkeys(name for columns in each for name in columns.names)
    common = [name for name in every if all(name in columns.names for columns in each)]
    partial = tuple(name for name in every if name not in common)
    if len(common) < 2 and not partial:
        raise UsageError(
            f"{raws[0].path} has no columns but {', '.join(map(repr, common)) or 'unnamed ones'}",
            "a column for each channel beside time and asset, separated by , ; | or tabs",
            "Name the separator with --separator, or check what the file is",
        )
    if len(common) < max(2, len(partial)):
        odd = next(columns for columns in each if set(columns.names) != set(each[0].names))
        raise UsageError(
            f"{odd.path} has other columns than {each[0].path}",
            "files of one kind",
            "Name the files of telemetry alone, or those that have the same columns",
        )
    units |= {name: unit for raw in raws for name, unit in raw.notes.units.items()}
    cells = tuple(_joined([columns.column(name) for columns in each]) for name in common)
    return Columns(raws[0].path, tuple(common), cells, units), partial


def _joined(parts: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    kinds = {part.type for part in parts}
    if len(kinds) > 1:
        parts = [part.cast(pa.large_string()) for part in parts]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], type=parts[0].type)
