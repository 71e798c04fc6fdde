"""Large long tables, and large files that are joined on time: read some assets at a time.

What an asset's lines become depends on them alone. So the lines of each file are put, once, into blocks of assets on
disk; then each block is read as `read_table` reads the whole. Its rows, notes and refusals are the same, in another
order; of cells that cannot be read another one may be named first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import gettempdir
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.contract.contract import Contract
from data_contracts.contract.contract_types import quality_column
from data_contracts.contract.file_layout import FileLayout
from data_contracts.errors import ForewarnError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.blocks.block_file import BlockFile
from pipelines.file_reading import columns as naming
from pipelines.file_reading.chunked.asset_lines import Blocks, FileLines, about_lines, blocks_of, completed
from pipelines.file_reading.chunked.file_chunks import tables_of, with_all
from pipelines.file_reading.columns import FILLED, Columns
from pipelines.file_reading.combine import join, stack
from pipelines.file_reading.convert import Conversion, may_have_commas, number_cells
from pipelines.file_reading.long_layout import Lines, no_known_tag, read_lines, widen
from pipelines.file_reading.missing_columns import check_columns, check_repeated
from pipelines.file_reading.notes import LongNotes, ReadingNotes
from pipelines.file_reading.raw_table import RawChunks, open_raw
from pipelines.file_reading.read import OneFile, header_test, in_order, long_notes, notes_of, units_of, with_defaults
from pipelines.file_reading.times import TimesTally
from pipelines.file_reading.values import are_decimal, has_decimal

LINES = 500_000
_LINE = "~line"
_PORTION, _MOST = 65_536, 1_048_576  # lines that go to their blocks at once; more where there are many blocks
_A_BLOCK = 2_048


@dataclass
class AssetChunks:
    """The rows of files, some assets at a time, once; after the last, what reading them decided."""

    files: tuple[Path, ...]
    contract: Contract
    layout: FileLayout
    base: Path | None
    passed_over: tuple[Path, ...]
    lines: int = LINES  # about how many of them make a block
    strict: bool = True
    progress: ProgressCallback = silent
    folder: Path | None = None  # on whose disk the lines wait; that of temporary files if None
    _read: list[FileLines] = field(default_factory=list)
    _empty: list[str] = field(default_factory=list)
    _filled: dict[str, str] = field(default_factory=dict)
    _rows: int = 0
    _repeated: int = 0
    _before_join: int = 0

    several = False  # rows that several files have are left out here

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Yield frames with the contract's columns."""
        some = [file for file in self.files if len(self.files) == 1 or file.stat().st_size]
        raws = [open_raw(file, self.layout, header_test(file, self.contract, self.layout)) for file in some]
        total = sum(map(about_lines, raws))
        blocks = max(1, -(-total // self.lines))
        opened = [self._distributed(raw, blocks) for raw in raws]
        filled = [each for each in opened if each.count]
        if not filled:
            raise ForewarnError(
                f"{self.files[0]} holds no rows", "at least one row", "Check how it was written; nothing was stored"
            )
        self._read = filled
        self._empty = [str(file) for file in self.files if file not in some]
        self._empty += [str(each.raw.path) for each in opened if not each.count]
        names = self._named(filled, blocks)
        units = units_of([self._noted(each) for each in filled], self.contract)
        for block in range(blocks):
            frame = self._block(filled, block)
            if frame is not None:
                whole, self._filled = with_defaults(with_all(frame, names), self.contract)
                self._rows += len(whole)
                self.progress("read", block + 1, blocks)
                yield in_order(whole, self.contract, units)
        for each in filled:
            each.times.check(each.raw.path, "event_time", each.layout)
            each.conversion = self._conversion(each)
            each.conversion.finish(pd.DataFrame())

    def notes(self, left_out: int = 0) -> ReadingNotes:
        """Return what reading decided and found; `left_out` rows were left out later."""
        notes = notes_of(self.files, [self._noted(each) for each in self._read], self._rows - left_out, self.layout)
        joined = self._before_join if self._before_join != self._rows else None
        return replace(
            notes,
            passed_over=tuple(map(str, self.passed_over)),
            filled=self._filled,
            empty=tuple(self._empty),
            repeated=self._repeated + left_out,
            joined=joined,
        )

    @property
    def _is_long(self) -> bool:
        return self.layout.shape == "long"

    def _distributed(self, raw: RawChunks, blocks: int) -> FileLines:
        """Put each line of a file into the block of its asset, and find what only all lines show."""
        file = FileLines(raw, self.layout)
        nameless = {place for place, name in enumerate(raw.names) if not name}
        commas, decimal = may_have_commas(self.layout, raw.notes.separator), False
        for table in tables_of(raw, min(max(_PORTION, _A_BLOCK * blocks), _MOST), 0):
            columns = naming.named_columns(raw.path, table, self.layout, nameless)
            if file.lines is None:
                rest, file.units, file.recognised = naming.without_units_row(columns, self.contract, self.layout)
                table, columns = table.slice(columns.rows - rest.rows), rest  # noqa: PLW2901 - the row of units is none
                file.lines, file.empty = self._block_file(table.schema, blocks), frozenset(nameless)
            file.empty = frozenset(at for at in file.empty if table.column(at).null_count == table.num_rows)
            columns = naming.with_constants(columns, self.contract, self.layout, self.base)
            block, numbers = self._look(file, columns, blocks)
            if commas:
                commas, decimal = all(map(are_decimal, numbers)), decimal or any(map(has_decimal, numbers))
            line = pa.array(np.arange(file.count, file.count + table.num_rows))
            file.lines.append(table.append_column(_LINE, line), block)
            file.count += table.num_rows
        if file.lines is not None:
            file.lines.flush()
        if self._is_long and file.count and not file.channels:
            raise no_known_tag(Columns(raw.path, (), ()), tuple(file.tags), self.contract)
        file.layout = replace(self.layout, decimal=",") if commas and decimal else self.layout
        return file

    def _block_file(self, schema: pa.Schema, blocks: int) -> BlockFile:
        folder = Path(gettempdir()) if self.folder is None else self.folder
        return BlockFile(folder, schema.append(pa.field(_LINE, pa.int64())), blocks)

    def _look(self, file: FileLines, columns: Columns, blocks: int) -> tuple[Blocks, Sequence[pa.ChunkedArray]]:
        """Return the block of each line, -1 for those of unknown tags, and the cells that are to be read as numbers."""
        file.before = columns
        if not self._is_long:
            names = columns.column("asset") if "asset" in columns.names else pa.chunked_array([pa.nulls(columns.rows)])
            return blocks_of(names, blocks), number_cells(columns, self.contract, self.layout)
        lines = read_lines(columns, self.contract, self.layout)
        file.before = lines.columns
        file.channels |= dict.fromkeys(lines.channels[lines.known])
        file.tags |= dict.fromkeys(lines.tags)
        file.unknown.update(lines.unknown)
        file.words.update(lines.words)
        file.flagged |= bool((lines.known & (lines.bad | lines.uncertain)).any())
        block = blocks_of(pa.chunked_array([pa.array(lines.assets, pa.large_string())]), blocks)
        return np.where(lines.known, block, -1), self._numbers(lines)

    def _numbers(self, lines: Lines) -> Sequence[pa.ChunkedArray]:
        declared = {name: self.contract.column(name) for name in self.contract.channels}
        numbers = [name for name, column in declared.items() if column and column.type in ("number", "integer")]
        value = lines.columns.column("value")
        chosen = lines.valid & np.isin(lines.channels.astype(str), numbers)
        of_numbers = Columns(lines.columns.path, (numbers[0],), (value.filter(pa.array(chosen)),)) if numbers else None
        return [] if of_numbers is None else number_cells(of_numbers, self.contract, self.layout)

    def _named(self, filled: Sequence[FileLines], blocks: int) -> list[str]:
        """Find which columns the rows of each file have, and return those of all."""
        for file in filled:
            file.names = self._names_of(file, blocks)
            if self.strict or len(self.files) > 1:
                check_repeated(file.raw.path, file.names)
        names = list(dict.fromkeys(name for file in filled for name in file.names))
        if self.strict:
            check_columns(self.files[0], names, self.contract, self.layout, several=False)
        return names

    def _names_of(self, file: FileLines, blocks: int) -> tuple[str, ...]:
        columns = cast("Columns", file.before)  # as it has lines
        if self._is_long:
            keys = ("asset", "event_time", *(name for name in FILLED if name in columns.names))
            names = (*keys, *file.channels, *self._quality_names(file, blocks))
            nothing = pa.chunked_array([pa.array([], pa.large_string())])
            columns = replace(columns, names=names, cells=(nothing,) * len(names))
        file.first = naming.without_extra(columns, self.contract, self.layout)
        return file.first.names

    def _quality_names(self, file: FileLines, blocks: int) -> Iterator[str]:
        """Name the columns of qualities in their order, which is that of the first line of each."""
        firsts: dict[str, tuple[bool, int]] = {}
        for block in range(blocks) if file.flagged else ():
            lines, number = self._lines(file, block)
            if lines is None:
                continue
            for channel, (quality, line) in widen(lines, file.layout, TimesTally()).qualities.items():
                rank = (quality == "bad", int(number[line]))
                firsts[channel] = min(rank, firsts.get(channel, rank))
        yield from map(quality_column, sorted(firsts, key=lambda channel: firsts[channel]))

    def _columns(self, file: FileLines, block: int) -> tuple[Columns | None, Blocks]:
        """Return the lines of a block, and their numbers in the file."""
        table = file.lines.read(block) if file.lines is not None else pa.table({})
        if not table.num_rows:
            return None, np.empty(0, dtype=np.int64)
        number = table[_LINE].to_numpy()
        columns = naming.named_columns(file.raw.path, table.drop_columns([_LINE]), file.layout, file.empty)
        return naming.with_constants(columns, self.contract, file.layout, self.base), number

    def _lines(self, file: FileLines, block: int) -> tuple[Lines | None, Blocks]:
        columns, number = self._columns(file, block)
        return (None if columns is None else read_lines(columns, self.contract, file.layout)), number

    def _rows_of(self, file: FileLines, block: int) -> pd.DataFrame | None:
        """Read the rows of one file and block, with all of the file's columns."""
        if self._is_long:
            lines, _ = self._lines(file, block)
            if lines is None:
                return None
            wide = widen(lines, file.layout, file.times)
            file.long.append(wide.notes)
            columns: Columns | None = wide.columns
        else:
            columns, _ = self._columns(file, block)
        if columns is None:
            return None
        columns = naming.without_extra(columns, self.contract, file.layout)
        if self._is_long:
            columns = completed(columns, file.names)
        return self._conversion(file).convert(columns)

    def _conversion(self, file: FileLines) -> Conversion:
        file.conversion = file.conversion or Conversion(file.raw.path, self.contract, file.layout)
        return file.conversion

    def _block(self, filled: Sequence[FileLines], block: int) -> pd.DataFrame | None:
        frames = [frame for file in filled if (frame := self._rows_of(file, block)) is not None and len(frame)]
        if not frames:
            return None
        frame, repeated = stack(frames)
        self._repeated += repeated
        self._before_join += len(frame)
        return join(frame) if len(filled) > 1 else frame

    def _noted(self, file: FileLines) -> OneFile:
        first = file.first
        notes = replace(
            file.raw.notes,
            units={**file.raw.notes.units, **file.units},
            recognised=(*file.raw.notes.recognised, *file.recognised),
            renamed={} if first is None else first.renamed,
            ignored=(*file.raw.notes.ignored, *(() if first is None else first.ignored)),
        )
        units = {**(first.units if first else {}), **notes.units}
        done = file.conversion or Conversion(file.raw.path, Contract("", "", "", (), ()), file.layout)
        return OneFile(file.raw.path, pd.DataFrame(), units, notes, done.finish(pd.DataFrame()), self._long(file))

    def _long(self, file: FileLines) -> LongNotes | None:
        whole = long_notes(file.long)
        if whole is None:
            return None
        return replace(whole, lines=file.count, unknown_tags=dict(file.unknown), bad=dict(file.words))
