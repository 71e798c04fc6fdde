"""The columns of one file under the contract's names: renamed, left out, and filled in from the file's name."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.contract.contract import Contract
from data_contracts.contract.file_layout import ROW, FileLayout
from data_contracts.contract.unit_symbols import is_unit
from data_contracts.errors import ForewarnError, UsageError
from data_contracts.validation.conform import split_unit

FILLED = ("known_time", "source")
"""The columns that are filled in where the files lack them."""
TAG = "tag"
"""The column of a long table that says what was measured."""


@dataclass(frozen=True)
class Columns:
    """The columns of one file, by the contract's names."""

    path: Path
    names: tuple[str, ...]
    cells: tuple[pa.ChunkedArray, ...]
    units: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return len(self.cells[0]) if self.cells else 0

    def column(self, name: str) -> pa.ChunkedArray:
        """Return the first column of that name."""
        return self.cells[self.names.index(name)]

    def only(self, positions: Iterable[int]) -> "Columns":
        """Return some of the columns, by their places."""
        kept = list(positions)
        return replace(self, names=tuple(self.names[i] for i in kept), cells=tuple(self.cells[i] for i in kept))

    def adding(self, name: str, value: str) -> "Columns":
        """Return these columns and one of one value, unless there is one of that name."""
        if name in self.names:
            return self
        cells = pa.chunked_array([pa.repeat(pa.scalar(value, pa.large_string()), self.rows)])
        return replace(self, names=(*self.names, name), cells=(*self.cells, cells))


def named_columns(path: Path, table: pa.Table, layout: FileLayout, empty: Collection[int] | None = None) -> Columns:
    """Give a file's columns the contract's names; leave out those that the layout ignores, and empty ones unnamed.

    `empty` are the places of the columns without a value in all of the file, of which the table may be a part.
    """
    if empty is None:
        empty = {i for i in range(table.num_columns) if table.column(i).null_count == table.num_rows}
    headers = [str(name) for name in table.column_names]
    split = [split_unit(header) for header in headers]
    ours = [our_name(header, layout.rename) for header in headers]
    units = {name: unit for name, (_, unit) in zip(ours, split, strict=True) if unit is not None}
    renamed = {theirs: name for (theirs, _), name in zip(split, ours, strict=True) if name != theirs}
    columns = Columns(path, tuple(ours), tuple(table.columns), units, renamed)
    # A separator at the end of each line makes a column without a name.
    unnamed = {i for i, name in enumerate(ours) if not name and i in empty}
    ignored = {i for i, name in enumerate(ours) if name in layout.ignore or headers[i] in layout.ignore}
    kept = [i for i in range(len(ours)) if i not in unnamed | ignored]
    return replace(columns.only(kept), ignored=tuple(ours[i] for i in sorted(ignored)))


def our_name(header: str, rename: Mapping[str, str]) -> str:
    """Return a column's name in the contract, without its unit."""
    name, _ = split_unit(header)
    return rename.get(header.strip(), rename.get(name, name))


def without_units_row(
    columns: Columns, contract: Contract | None, layout: FileLayout
) -> tuple[Columns, dict[str, str], tuple[str, ...]]:
    """Take a row of units off; return its units by column, and whether it was recognised.

    It is one if every cell is a unit and no number, or empty, as are those of the contract's texts.
    """
    if layout.units_row is False or not columns.rows:
        return columns, {}, ()
    cells = [_first_text(column) for column in columns.cells]
    if layout.units_row is None and not _are_units(columns.names, cells, contract):
        return columns, {}, ()
    if layout.units_row and not any(cells):
        found = f"{columns.path}: the row under the header is empty"
        raise ForewarnError(found, "a row of units", "Leave out --units-row")
    bare = [cell.strip("[]() ") for cell in cells]
    units = {name: unit for name, unit in zip(columns.names, bare, strict=True) if unit not in ("", "-")}
    rest = replace(columns, cells=tuple(column.slice(1) for column in columns.cells))
    return rest, units, () if layout.units_row else ("unitsRow",)


def _are_units(names: Sequence[str], cells: Sequence[str], contract: Contract | None) -> bool:
    texts = {column.name for column in contract.columns if column.type == "string"} if contract else set()
    if any(cell for name, cell in zip(names, cells, strict=True) if name in texts):
        return False
    present = [cell for cell in cells if cell]
    numbers = any(cell.strip("[]()").isdecimal() for cell in present)
    return (
        bool(present) and not numbers and all(map(is_unit, present)) and any(cell.strip("[]()- ") for cell in present)
    )


def _first_text(column: pa.ChunkedArray) -> str:
    value = column[0].as_py()
    return value.strip() if isinstance(value, str) else "" if value is None else "0"


def without_extra(columns: Columns, contract: Contract, layout: FileLayout) -> Columns:
    """Leave out what the contract does not know, if the layout says so."""
    if not layout.ignore_extra:
        return columns
    qualities = {column.name for column in contract.quality_columns(columns.names)}
    extra = [name for name in columns.names if contract.column(name) is None and name not in qualities]
    kept = (i for i, name in enumerate(columns.names) if name not in extra)
    return replace(columns.only(kept), ignored=(*columns.ignored, *extra))


def with_constants(columns: Columns, contract: Contract, layout: FileLayout, base: Path | None) -> Columns:
    """Add the columns that the layout, or the file's name, gives one value."""
    given = {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in layout.constants.items()
    }
    if layout.asset is not None:
        given["asset"] = layout.asset
    if layout.asset_from is not None:
        parts = parts_of_name(columns.path, layout.asset_from, base)
        given |= {TAG if name == "channel" else name: text for name, text in parts.items()}
    for name in given:
        if contract.column(name) is None and not (name == TAG and layout.shape == "long"):
            known = ", ".join(column.name for column in contract.columns)
            raise UsageError(
                f"the layout gives a value to {'channel' if name == TAG else name}",
                f"a column of the contract: {known}",
                "Correct it",
            )
    for name, value in given.items():
        _check_agreement(columns, name, value)
        columns = columns.adding(name, value)
    return columns


def _check_agreement(columns: Columns, name: str, value: str) -> None:
    """Raise if a column that the layout gives one value is in the file too, with another."""
    if name not in columns.names:
        return
    texts = (str(text) for text in pc.unique(columns.column(name).drop_null().cast(pa.large_string())).to_pylist())
    other = next((text for text in texts if text.strip().lower() != value.strip().lower()), None)
    if other is not None:
        raise UsageError(
            f"{columns.path} has a column {name}, with {other!r} in it, and the layout gives it {value!r}",
            "one of the two",
            f"Leave that value out of the options or fileLayout, or the column with --layout ignore={name}",
        )


def parts_of_name(path: Path, pattern: str, base: Path | None) -> dict[str, str]:
    """Take a file's name apart by a pattern, with or without what the name ends in.

    A pattern with slashes is about as many folders too. What occurs twice is joined by a hyphen.

    Examples
    --------
    >>> parts_of_name(Path("exports/valve1/P-01_vibration.csv"), "{asset}_{channel}", None)
    {'asset': 'P-01', 'channel': 'vibration'}
    >>> parts_of_name(Path("exports/valve1/0.csv"), "{asset}/{asset}.csv", None)
    {'asset': 'valve1-0'}
    """
    regular = "(?P<" in pattern
    expression, names = (pattern, None) if regular else _expression(pattern)
    parts = (
        path.relative_to(base).parts if regular and base else path.parts[-1 - (0 if regular else pattern.count("/")) :]
    )
    full = "/".join(parts)
    bare = re.sub(r"\.(csv|tsv|txt|parquet|xlsx)(\.gz)?$", "", full, flags=re.IGNORECASE)
    try:
        match = re.fullmatch(expression, bare) or re.fullmatch(expression, full)
    except re.error as error:
        raise UsageError(f"{pattern!r} is no regular expression ({error})", "one", "Correct --asset-from") from error
    if match is None:
        remedy = "Correct --asset-from (assetFrom), or name only the files that it fits"
        raise ForewarnError(f"the name of {path} does not fit {pattern!r}", "a name that gives the asset", remedy)
    if names is None:
        return {name: text for name, text in match.groupdict().items() if text is not None}
    found: dict[str, str] = {}
    for name, text in zip(names, match.groups(), strict=True):
        found[name] = f"{found[name]}-{text}" if name in found else text
    return found


def _expression(pattern: str) -> tuple[str, list[str]]:
    names = re.findall(r"\{(\w+)\}", pattern)
    if not names:
        raise UsageError(f"{pattern!r} names no column", "a pattern such as {asset}.csv", "Correct --asset-from")
    parts = re.split(r"(\{\w+\}|\*)", pattern)
    texts = ("([^/]+?)" if part.startswith("{") else "[^/]*" if part == "*" else re.escape(part) for part in parts)
    return "".join(texts), names


def provided(layout: FileLayout) -> set[str]:
    """Return the columns that need not be in a file."""
    names = {*FILLED, *layout.constants}
    if layout.asset is not None or layout.asset_from is not None:
        names.add("asset")
    if layout.time_format == ROW:
        names.add("event_time")
    return names


def needed(contract: Contract, layout: FileLayout) -> tuple[str, ...]:
    """Return the columns that a file has to have."""
    given = provided(layout)
    return tuple(column.name for column in contract.columns if column.needed and column.name not in given)


def repeated(names: Sequence[str]) -> Iterator[str]:
    """Yield the names that occur more than once."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)
