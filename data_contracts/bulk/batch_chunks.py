"""The chunks of a batch, kept on disk; of files that overlap each row once."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.bulk.repeats import Repeats
from data_contracts.bulk.scratch import Scratch
from data_contracts.bulk.spool import Spool
from data_contracts.contract.contract_types import Contract
from data_contracts.validation.conform import conform

FILES = "files"
"""The key of ``frame.attrs`` with the number of each file that a chunk has rows of, in order, and how many."""
_FILE = "~file"


class BatchChunks:
    """Chunks by number."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._spool = Spool(scratch)
        self._overlaps: Repeats | None = None
        self._kept: list[int] = []  # the chunks that have rows
        self.left_out = 0  # rows that an earlier file has too

    def record(self, frames: Iterable[pd.DataFrame]) -> Iterator[tuple[int, pd.DataFrame]]:
        """Keep the chunks of one source as they come, and yield them with their numbers."""
        for frame in frames:
            if len(frame):
                self._spool.add(frame)
                self._kept.append(len(self._kept))
                yield len(self._kept) - 1, frame

    def record_overlapping(
        self, frames: Iterable[pd.DataFrame], contract: Contract
    ) -> Iterator[tuple[int, pd.DataFrame]]:
        """Keep the chunks of several files; then yield them without the rows that an earlier file has too."""
        overlaps = Repeats(self._scratch, None, _in_earlier_file)
        for frame in frames:
            if len(frame):
                self._spool.add(frame)
                # By their values as the contract types them: one file may have a text among the numbers of a column.
                overlaps.add(conform(frame, contract, ignore_extra=True, by_cell=True).frame)
        if overlaps.search():
            overlaps.compare((number, _with_file(self._spool.read(number))) for number in overlaps.chunks)
            self._overlaps = overlaps
        for number in range(len(self._spool)):
            frame = self._without_overlap(number)
            self.left_out += self._spool.lengths[number] - len(frame)
            if len(frame):
                self._kept.append(number)
                yield len(self._kept) - 1, frame

    def read(self, number: int) -> pd.DataFrame:
        """Return a chunk; the index is the row's place in it."""
        return self._without_overlap(self._kept[number])

    def __iter__(self) -> Iterator[tuple[int, pd.DataFrame]]:
        for number in range(len(self._kept)):
            yield number, self.read(number)

    def _without_overlap(self, place: int) -> pd.DataFrame:
        frame = self._spool.read(place)
        if self._overlaps is None:
            return frame
        marks = self._overlaps.marks(place, len(frame))
        return frame[marks == 0].reset_index(drop=True) if marks.any() else frame


def _with_file(frame: pd.DataFrame) -> pd.DataFrame:
    numbers, rows = zip(*frame.attrs[FILES], strict=True)
    return frame.assign(**{_FILE: np.repeat(numbers, rows)})


def _in_earlier_file(rows: pd.DataFrame) -> "pd.Series[Any]":
    """Mark the rows that an earlier file has too; what one file has twice is for the checks to refuse."""
    files = rows[_FILE]
    values = rows.drop(columns=_FILE)
    own = pd.concat([values[files == file].duplicated() for file in files.unique()]).reindex(rows.index)
    repeated: pd.Series[Any] = (values.duplicated() & ~own).astype("int64")
    return repeated
