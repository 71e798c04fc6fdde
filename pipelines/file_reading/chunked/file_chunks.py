"""Large files read chunk by chunk: the same rows, and the same refusals, as of `read_table`.

What only the whole file shows, such as a time format that reads few of its times, is raised at its end;
nothing is stored before. Joined and long tables are read some assets at a time, workbooks and the row clock at once.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa

from data_contracts.bulk.batch_chunks import FILES
from data_contracts.contract.contract import Contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.errors import ForewarnError
from data_contracts.progress import ProgressCallback, silent
from pipelines.file_reading import columns as naming
from pipelines.file_reading.columns import Columns
from pipelines.file_reading.convert import Conversion, may_have_commas, number_cells
from pipelines.file_reading.missing_columns import check_columns, check_repeated
from pipelines.file_reading.notes import FileNotes, ReadingNotes
from pipelines.file_reading.raw_table import RawChunks, open_raw
from pipelines.file_reading.read import OneFile, header_test, in_order, notes_of, units_of, with_defaults
from pipelines.file_reading.values import are_decimal, has_decimal

CHUNK_ROWS = 250_000


@dataclass(frozen=True)
class _OpenFile:
    raw: RawChunks
    layout: FileLayout  # with the decimal mark as it was recognised
    empty: frozenset[int]  # the places of columns without a name and without a value
    has_units: bool  # whether a row of units stands under the header
    columns: Columns  # of the file's beginning
    units: dict[str, str]
    notes: FileNotes

    @property
    def path(self) -> Path:
        return self.raw.path


@dataclass
class FileChunks:
    """The rows of files, chunk by chunk, once; after the last, what reading them decided."""

    files: tuple[Path, ...]
    contract: Contract
    layout: FileLayout
    base: Path | None
    passed_over: tuple[Path, ...]
    chunk_rows: int = CHUNK_ROWS
    strict: bool = True
    progress: ProgressCallback = silent
    _read: list[OneFile] = field(default_factory=list)
    _empty: list[str] = field(default_factory=list)
    _filled: dict[str, str] = field(default_factory=dict)
    _rows: int = 0
    _total: int = 0  # about

    @property
    def several(self) -> bool:
        """Return whether there are several files, which may overlap."""
        return len(self.files) > 1

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Yield frames with the contract's columns; their attributes say how many rows are of which file."""
        opened = [self._open(file) for file in self.files if not self.several or file.stat().st_size]
        filled = [each for each in opened if each.columns.rows]
        if not filled:
            raise ForewarnError(
                f"{self.files[0]} holds no rows", "at least one row", "Check how it was written; nothing was stored"
            )
        self._empty = [str(file) for file in self.files if self.several and not file.stat().st_size]
        self._empty += [str(each.path) for each in opened if not each.columns.rows]
        names = list(dict.fromkeys(name for each in filled for name in each.columns.names))
        units = units_of([_noted(each) for each in filled], self.contract)
        for frames, runs in self._gathered(filled, names):
            frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
            whole, self._filled = with_defaults(frame, self.contract)
            whole = in_order(whole, self.contract, units)
            whole.attrs[FILES] = runs
            yield whole

    def notes(self, left_out: int = 0) -> ReadingNotes:
        """Return what reading decided and found; `left_out` are the rows that an earlier file has too."""
        return replace(
            notes_of(self.files, self._read, self._rows - left_out, self.layout),
            passed_over=tuple(map(str, self.passed_over)),
            filled=self._filled,
            empty=tuple(self._empty),
            repeated=left_out,
        )

    def _gathered(
        self, opened: Sequence[_OpenFile], names: list[str]
    ) -> Iterator[tuple[list[pd.DataFrame], tuple[tuple[int, int], ...]]]:
        """Yield the frames of small files together, with the number of each file and its rows."""
        waiting: list[pd.DataFrame] = []
        runs: list[tuple[int, int]] = []
        for number, each in enumerate(opened):
            for frame in self._frames(each):
                waiting.append(with_all(frame, names) if self.several else frame)
                runs.append((number, len(frame)))
                if sum(map(len, waiting)) >= self.chunk_rows:
                    yield waiting, tuple(runs)
                    waiting, runs = [], []
        if waiting:
            yield waiting, tuple(runs)

    def _open(self, path: Path) -> _OpenFile:
        raw = open_raw(path, self.layout, header_test(path, self.contract, self.layout))
        with closing(raw.read()) as batches:
            first = next(batches, None)
        table = _no_rows(raw) if first is None else pa.Table.from_batches([first])
        layout, empty = self._whole_file(raw)
        columns = naming.named_columns(path, table, layout, empty)
        columns, units, recognised = naming.without_units_row(columns, self.contract, layout)
        columns = self._shaped(columns)
        if columns.rows and (self.strict or self.several):
            check_repeated(path, columns.names)
        if columns.rows and self.strict:
            check_columns(path, columns.names, self.contract, self.layout, several=self.several)
        notes = replace(
            raw.notes,
            units={**raw.notes.units, **units},
            recognised=(*raw.notes.recognised, *recognised),
            renamed=columns.renamed,
            ignored=(*raw.notes.ignored, *columns.ignored),
        )
        self._total += estimated_rows(raw, table)
        has_units = columns.rows < table.num_rows
        return _OpenFile(raw, layout, empty, has_units, columns, {**columns.units, **notes.units}, notes)

    def _shaped(self, columns: Columns) -> Columns:
        columns = naming.with_constants(columns, self.contract, self.layout, self.base)
        return naming.without_extra(columns, self.contract, self.layout)

    def _whole_file(self, raw: RawChunks) -> tuple[FileLayout, frozenset[int]]:
        """Read the file once more where its first row does not tell how all are to be read."""
        unnamed = {place for place, name in enumerate(raw.names) if not name}
        commas = may_have_commas(self.layout, raw.notes.separator)
        decimal = False
        with closing(raw.read()) as batches:
            for number, batch in enumerate(batches if commas or unnamed else ()):
                table = pa.Table.from_batches([batch])
                unnamed = {place for place in unnamed if table.column(place).null_count == table.num_rows}
                if commas:
                    cells = self._number_cells(raw, table, first=not number)
                    commas = all(map(are_decimal, cells))
                    decimal |= any(map(has_decimal, cells))
                if not commas and not unnamed:
                    break
        return replace(self.layout, decimal=",") if commas and decimal else self.layout, frozenset(unnamed)

    def _number_cells(self, raw: RawChunks, table: pa.Table, *, first: bool) -> Sequence[pa.ChunkedArray]:
        columns = naming.named_columns(raw.path, table, self.layout, frozenset())
        if first:
            columns, _, _ = naming.without_units_row(columns, self.contract, self.layout)
        return number_cells(columns, self.contract, self.layout)

    def _frames(self, opened: _OpenFile) -> Iterator[pd.DataFrame]:
        conversion = Conversion(opened.path, self.contract, opened.layout)
        skipped = 1 if opened.has_units else 0
        for table in tables_of(opened.raw, self.chunk_rows, skipped):
            columns = naming.named_columns(opened.path, table, opened.layout, opened.empty)
            frame = conversion.convert(self._shaped(columns))
            self._rows += len(frame)
            self.progress("read", self._rows, max(self._total, self._rows))
            yield frame
        self._read.append(_noted(opened, conversion))


def _noted(opened: _OpenFile, conversion: Conversion | None = None) -> OneFile:
    whole = conversion or Conversion(opened.path, Contract("", "", "", (), ()), opened.layout)
    return OneFile(opened.path, pd.DataFrame(), opened.units, opened.notes, whole.finish(pd.DataFrame()), None)


def tables_of(raw: RawChunks, rows: int, skipped: int) -> Iterator[pa.Table]:
    """Yield a file's rows, so many at a time, without those that are skipped at its beginning."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in raw.read():
        rest = batch.slice(min(skipped, len(batch)))
        skipped -= len(batch) - len(rest)
        while count + len(rest) >= rows:
            waiting.append(rest.slice(0, rows - count))
            yield pa.Table.from_batches(waiting)
            rest, waiting, count = rest.slice(rows - count), [], 0
        if len(rest):
            waiting.append(rest)
            count += len(rest)
    if waiting:
        yield pa.Table.from_batches(waiting)


def _no_rows(raw: RawChunks) -> pa.Table:
    return pa.table([pa.array([], pa.large_string()) for _ in raw.names], names=list(raw.names))


def with_all(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return a file's rows with the columns of all files, in the order in which these name them."""
    missing = {name: pd.Series(None, index=frame.index, dtype=object) for name in names if name not in frame.columns}
    return pd.concat([frame, pd.DataFrame(missing)], axis="columns")[names] if missing else frame[names]


def estimated_rows(raw: RawChunks, table: pa.Table) -> int:
    """Return about how many rows a file has, by how long its first ones are."""
    if raw.rows is not None or not table.num_rows:
        return raw.rows or 0
    # A text of Arrow has eight bytes beside its letters, and one of a file its separator.
    row = table.nbytes / table.num_rows - 7 * table.num_columns
    return int(raw.path.stat().st_size / max(row, 1.0))
