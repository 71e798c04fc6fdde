"""Rows of telemetry by blocks of assets in one temporary file, which is gone when the process is.

The files of a table are in order of event time, with rows of every asset: to read some assets from them is to read
everybody's rows. So a table is read once, and each row goes to the block of its asset.
"""

import os
import tempfile
import weakref
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

IntArray = npt.NDArray[np.int64]
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class BlockFile:
    """Keep rows by block; appended to first, then read, from several threads if need be."""

    def __init__(self, folder: Path, schema: pa.Schema, n_blocks: int) -> None:
        # Without a name in the folder: nothing is left there even if the process is killed. Open as long as it is read.
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._schema = schema
        self._chunks: list[list[tuple[int, int]]] = [[] for _ in range(n_blocks)]

    def append(self, rows: pa.Table, block: IntArray) -> None:
        """Append rows (n,) to their blocks; a row of block -1 is left out."""
        order = np.argsort(block, kind="stable")
        bounds = np.searchsorted(block[order], np.arange(len(self._chunks) + 1))
        ordered = rows.take(pa.array(order)).combine_chunks()
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            self._write(number, ordered.slice(bounds[number], bounds[number + 1] - bounds[number]))

    def flush(self) -> None:
        """Make what was appended readable."""
        self._file.flush()

    def read(self, block: int) -> pa.Table:
        """Return the rows of a block, in the order in which they were appended."""
        parts = [self._read(offset, size) for offset, size in self._chunks[block]]
        return pa.concat_tables(parts) if parts else self._schema.empty_table()

    def _write(self, block: int, rows: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self._schema, options=_OPTIONS) as writer:
            writer.write_table(rows)
        written = sink.getvalue()
        self._chunks[block].append((self._file.tell(), written.size))
        self._file.write(written)

    def _read(self, offset: int, size: int) -> pa.Table:
        return pa.ipc.open_stream(os.pread(self._file.fileno(), size, offset)).read_all()
