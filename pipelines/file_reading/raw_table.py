"""The cells of one file as they are: texts from text files, typed columns from Parquet files and workbooks."""

import csv
import json
import re
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from data_contracts.contract.file_layout import FileLayout
from data_contracts.errors import ForewarnError, UsageError, did_you_mean
from pipelines.file_reading.find_files import file_kind
from pipelines.file_reading.headers import Complete, Header, check_separator, not_text, open_bytes, read_header
from pipelines.file_reading.notes import FileNotes

TEXT = pa.large_string()
_PARQUET_ROWS = 65_536  # that are read at once
_UNEVEN = re.compile(r"Row #(?P<row>\d+): Expected (?P<expected>\d+) columns, got (?P<found>\d+): (?P<text>.*)")


@dataclass(frozen=True)
class RawTable:
    """One file's cells, and how they were written."""

    path: Path
    table: pa.Table
    notes: FileNotes = field(default_factory=FileNotes)


def read_raw(path: Path, layout: FileLayout, complete: Complete) -> RawTable:
    """Read one file; errors name the file and what would bring it in."""
    kind = file_kind(path)
    with _readable(path):
        if kind == "parquet":
            return _read_parquet(path)
        return _read_text(path, layout, complete) if kind == "text" else _read_workbook(path, layout, complete)


@dataclass(frozen=True)
class RawChunks:
    """One file's cells, to be read a part at a time, as often as needed."""

    path: Path
    names: tuple[str, ...]
    notes: FileNotes
    rows: int | None  # None if only reading the file tells
    read: Callable[[], Generator[pa.RecordBatch]]


def open_raw(path: Path, layout: FileLayout, complete: Complete) -> RawChunks:
    """Open a text or Parquet file; its parts have the cells that `read_raw` gives."""
    with _readable(path):
        return _open_parquet(path) if file_kind(path) == "parquet" else _open_text(path, layout, complete)


def _open_text(path: Path, layout: FileLayout, complete: Complete) -> RawChunks:
    header = read_header(path, layout, complete)
    check_separator(path, header)

    def read() -> Generator[pa.RecordBatch]:
        with _readable(path):
            if _ends(path, header.lines):
                return
            with open_bytes(path) as file:
                yield from pa.csv.open_csv(file, *_csv_options(header))

    return RawChunks(path, header.names, _text_notes(header), None, read)


def _open_parquet(path: Path) -> RawChunks:
    with pa.parquet.ParquetFile(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    notes = _parquet_notes(schema)
    names = [name for name in schema.names if name not in notes.ignored]

    def read() -> Generator[pa.RecordBatch]:
        with _readable(path), pa.parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS, use_threads=False):
                yield batch.select(names)

    return RawChunks(path, tuple(names), notes, rows, read)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raise errors that name the file in place of those of its reader."""
    if not path.stat().st_size:
        raise ForewarnError(f"{path} is empty", "a header and at least one row", "Check how it was written")
    try:
        yield
    except UnicodeDecodeError as error:
        reason = f"byte {error.start + 1} is {error.object[error.start]:#04x}"
        raise not_text(path, error.encoding, reason) from error
    except (pa.ArrowException, csv.Error, ValueError, OSError, EOFError, zlib.error) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if "invalid UTF8" in reason:
            raise not_text(path, "utf-8", reason) from error
        if match := _UNEVEN.search(reason):
            remedy = "Write the file again if it ends there; else correct that line, or the separators of the header"
            raise ForewarnError(
                f"{path}, line {match['row']}: {match['found']} values ({match['text']})",
                f"{match['expected']}, as the header has names",
                f"{remedy}; nothing was stored",
            ) from error
        raise ForewarnError(
            f"{path} cannot be read ({reason})", f"a whole {path.suffix} file", "Write it again; nothing was stored"
        ) from error


def _read_text(path: Path, layout: FileLayout, complete: Complete) -> RawTable:
    """Read everything as text: an identifier such as 007 must not become the number 7."""
    header = read_header(path, layout, complete)
    check_separator(path, header)
    if _ends(path, header.lines):
        table = pa.table([pa.array([], TEXT) for _ in header.names], names=list(header.names))
    else:
        with open_bytes(path) as file:
            table = pa.csv.read_csv(file, *_csv_options(header))
    return RawTable(path, table, _text_notes(header))


def _text_notes(header: Header) -> FileNotes:
    return FileNotes(
        separator=header.separator,
        encoding=header.encoding,
        skipped_lines=header.skipped,
        recognised=header.recognised,
    )


def _csv_options(header: Header) -> tuple[pa.csv.ReadOptions, pa.csv.ParseOptions, pa.csv.ConvertOptions]:
    # Arrow's reader, not pandas', which pads or cuts a line with too few or too many values instead of refusing it.
    as_text = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(header.names, TEXT),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    # One thread, so that the error can say which row it was.
    options = pa.csv.ReadOptions(
        use_threads=False, skip_rows=header.lines, column_names=list(header.names), encoding=header.encoding
    )
    return options, pa.csv.ParseOptions(delimiter=header.separator), as_text


def _ends(path: Path, lines: int) -> bool:
    """Return whether nothing follows the header, which Arrow takes for an error."""
    with open_bytes(path) as file:
        for _ in range(lines):
            line = file.readline()
            if b"\r" in line.rstrip(b"\r\n") and not line.endswith(b"\n"):
                expected = "lines that end in a line feed, with or without a carriage return"
                remedy = "Save it again as CSV (not for old Macintosh); nothing was stored"
                raise ForewarnError(f"{path} ends its lines in carriage returns alone", expected, remedy)
        return not file.read(1 << 16).strip()


def _read_parquet(path: Path) -> RawTable:
    table = pa.parquet.ParquetFile(path).read()
    notes = _parquet_notes(table.schema)
    return RawTable(path, table.drop_columns(list(notes.ignored)), notes)


def _parquet_notes(schema: pa.Schema) -> FileNotes:
    metadata = schema.metadata or {}
    # An index without a name says where a row stood in somebody's memory.
    unnamed = [name for name in schema.names if name.startswith("__index_level_")]
    units = json.loads(metadata.get(b"PANDAS_ATTRS", b"{}")).get("units", {})
    units = {str(name): str(unit) for name, unit in units.items() if unit is not None}
    return FileNotes(units=units, ignored=tuple(unnamed))


def _read_workbook(path: Path, layout: FileLayout, complete: Complete) -> RawTable:
    rows = _sheet(path, layout)
    first = next((number for number, row in enumerate(rows) if any(cell != "" for cell in row)), 0)
    headers = ((number, _names(row)) for number, row in enumerate(rows[:100]))
    found = next((number for number, names in headers if complete(names)), first)
    skipped = found if layout.skip_lines is None else layout.skip_lines
    if skipped >= len(rows):
        raise ForewarnError(
            f"{path} has no row {skipped + 1}", "a header", "Correct --skip-lines or --layout sheet=NAME"
        )
    names = _names(rows[skipped])
    used = [position for position, name in enumerate(names) if name]
    cells = [row for row in rows[skipped + 1 :] if any(cell != "" for cell in row)]
    columns = [_cells([row[position] for row in cells], layout.decimal or ".") for position in used]
    table = pa.table(columns, names=[names[position] for position in used])
    recognised = ("skipLines",) if skipped and layout.skip_lines is None else ()
    return RawTable(path, table, FileNotes(skipped_lines=skipped, recognised=recognised))


def _sheet(path: Path, layout: FileLayout) -> list[list[Any]]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        workbook = CalamineWorkbook.from_path(str(path))
        sheets = {
            name: workbook.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in workbook.sheet_names
        }
    except CalamineError as error:
        raise ForewarnError(f"{path} cannot be read ({error})", "a whole .xlsx file", "Save it again") from error
    filled = [name for name, rows in sheets.items() if rows]
    if layout.sheet is not None:
        if layout.sheet not in sheets:
            hint = did_you_mean(layout.sheet, sheets) or "Correct the sheet"
            raise UsageError(f"{path} has no sheet {layout.sheet!r}", f"one of {', '.join(sheets)}", hint)
        return sheets[layout.sheet]
    if len(filled) > 1:
        raise UsageError(f"{path} has {len(filled)} sheets: {', '.join(filled)}", "one", "Name it: --layout sheet=NAME")
    return sheets[filled[0]] if filled else []


def _names(row: Sequence[Any]) -> list[str]:
    return [str(cell).strip() for cell in row]


def _cells(values: Sequence[Any], decimal: str) -> pa.ChunkedArray:
    """Make a column of a workbook's cells: of one type, or texts where types are mixed."""
    present = [None if value == "" else value for value in values]
    kinds = {type(value) for value in present if value is not None}
    if kinds <= {float, int} or kinds in ({str}, {datetime}, {bool}):
        return pa.chunked_array([pa.array(present, None if kinds else TEXT)])
    return pa.chunked_array([pa.array([_written(value, decimal) for value in present], TEXT)])


def _written(value: Any, decimal: str) -> str | None:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value).replace(".", decimal)
    if isinstance(value, date):
        return value.isoformat()
    return None if value is None else str(value)
