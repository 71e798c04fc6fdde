"""Rows of telemetry by blocks of assets in one temporary file, which is gone when the process is.

The files of a table are in order of event time, with rows of every asset: to read some assets from them is to read
everybody's rows. So a table is read once, and each row goes to the block of its asset. Processes that compute parts of
a history read theirs from the same file.
"""

import os
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

IntArray = npt.NDArray[np.int64]
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, eq=False)
class HandedRows:
    """Rows for another process: which pieces of a shared file hold them."""

    path: str
    schema: pa.Schema
    chunks: tuple[IntArray, ...]  # of each of its blocks (n, 2): offsets and sizes, in bytes

    def read(self, block: int) -> pa.Table:
        """Return the rows of a block, with those of assets beside it in the file."""
        with Path(self.path).open("rb") as file:
            return _read(file, self.schema, self.chunks[block].tolist())


class BlockFile:
    """Keep rows by block; appended to first, then read, from several threads if need be."""

    def __init__(self, folder: Path, schema: pa.Schema, n_blocks: int, *, shared: bool = False) -> None:
        self._file = _create(self, folder, shared=shared)
        self._schema, self._shared = schema, shared
        self._chunks: list[list[tuple[int, int]]] = [[] for _ in range(n_blocks)]

    def append(self, rows: pa.Table, block: IntArray) -> None:
        """Append rows (n,) to their blocks; a row of block -1 is left out."""
        order = np.argsort(block, kind="stable")
        bounds = np.searchsorted(block[order], np.arange(len(self._chunks) + 1))
        ordered = rows.take(pa.array(order)).combine_chunks()
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            self._write(number, ordered.slice(bounds[number], bounds[number + 1] - bounds[number]))

    def flush(self) -> None:
        """Make what was appended readable, on other machines too."""
        self._file.flush()
        if self._shared:
            os.fsync(self._file.fileno())

    def read(self, block: int) -> pa.Table:
        """Return the rows of a block, in the order in which they were appended."""
        return _read(self._file, self._schema, self._chunks[block])

    def hand_over(self, parts: Iterable[Sequence[int]]) -> HandedRows:
        """Return what another process needs to read some of the blocks, together as many as there are in `parts`."""
        chunks = [[chunk for block in blocks for chunk in self._chunks[block]] for blocks in parts]
        found = tuple(np.array(pairs, dtype=np.int64).reshape(-1, 2) for pairs in chunks)
        return HandedRows(str(self._file.name), self._schema, found)

    def _write(self, block: int, rows: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self._schema, options=_OPTIONS) as writer:
            writer.write_table(rows)
        written = sink.getvalue()
        self._chunks[block].append((self._file.tell(), written.size))
        self._file.write(written)


def _create(owner: BlockFile, folder: Path, *, shared: bool) -> IO[bytes]:
    """Open a file as long as its owner lives."""
    if not shared:
        # Without a name in the folder: nothing is left there even if the process is killed.
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        weakref.finalize(owner, file.close)
        return file
    from data_contracts.tables.blocks.shared_file import create_shared, remove_shared  # locks are not on every system

    named = create_shared(folder)
    weakref.finalize(owner, remove_shared, named)
    return named


def _read(file: IO[bytes], schema: pa.Schema, chunks: Iterable[tuple[int, int]]) -> pa.Table:
    """Read pieces of an open file, each a stream of Arrow; several threads may do so at once."""
    parts = [pa.ipc.open_stream(os.pread(file.fileno(), size, offset)).read_all() for offset, size in chunks]
    return pa.concat_tables(parts) if parts else schema.empty_table()
