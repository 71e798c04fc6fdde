"""The lines of one file by blocks of assets, for `asset_chunks`."""

import zlib
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.contract.file_layout import FileLayout
from data_contracts.tables.blocks.block_file import BlockFile
from pipelines.file_reading.chunked.file_chunks import estimated_rows
from pipelines.file_reading.columns import Columns
from pipelines.file_reading.convert import Conversion
from pipelines.file_reading.notes import LongNotes
from pipelines.file_reading.raw_table import RawChunks
from pipelines.file_reading.times import TimesTally

Blocks = npt.NDArray[np.int64]


@dataclass
class FileLines:
    """One file's lines by block, and what was found in them."""

    raw: RawChunks
    layout: FileLayout
    lines: BlockFile | None = None
    count: int = 0
    empty: frozenset[int] = frozenset()  # the places of columns without a name and without a value
    units: dict[str, str] = field(default_factory=dict)
    recognised: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # of its rows, wherever they are
    channels: dict[str, None] = field(default_factory=dict)  # of a long table, in order
    tags: dict[str, None] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)  # for what is bad
    flagged: bool = False  # whether values are not good
    conversion: Conversion | None = None
    times: TimesTally = field(default_factory=TimesTally)
    long: list[LongNotes] = field(default_factory=list)
    first: Columns | None = None  # some of its rows
    before: Columns | None = None  # some of its lines


def about_lines(raw: RawChunks) -> int:
    """Return about how many lines a file has."""
    with closing(raw.read()) as batches:
        first = next(batches, None)
    return 0 if first is None else estimated_rows(raw, pa.Table.from_batches([first]))


def blocks_of(assets: pa.ChunkedArray, blocks: int) -> Blocks:
    """Return the block of each asset, by its name; 0 for a line without one."""
    encoded = pc.dictionary_encode(assets.cast(pa.large_string())).combine_chunks()
    numbers = [zlib.crc32(str(name).encode()) % blocks for name in encoded.dictionary.to_pylist()]
    codes = pc.fill_null(encoded.indices, len(numbers)).to_numpy(zero_copy_only=False)
    result: Blocks = np.array([*numbers, 0], dtype=np.int64)[codes]
    return result


def completed(columns: Columns, names: Sequence[str]) -> Columns:
    """Return the rows of some assets with the columns of all, without values where they have none."""
    there = dict(zip(columns.names, columns.cells, strict=True))
    nothing = pa.chunked_array([pa.nulls(columns.rows, pa.large_string())])
    return replace(columns, names=tuple(names), cells=tuple(there.get(name, nothing) for name in names))
