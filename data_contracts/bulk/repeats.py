"""Rows that repeat others anywhere in a batch, found without holding it in memory.

First the hashes of all rows are looked through, partition by partition. Only rows whose hash occurs again are then
compared with each other, as they are.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.bulk.partitions import Numbers, Partitions
from data_contracts.bulk.scratch import Scratch
from data_contracts.bulk.spool import Spool
from data_contracts.ingestion.row_serialization import row_hashes

Judge = Callable[[pd.DataFrame], "pd.Series[Any]"]
"""Marks the rows of a frame, which has every row that could repeat another of it, by a number other than 0."""
_BYTES = 8
_BUCKET_ROWS = 200_000
_RECORD = [("hash", "<u8"), ("row", "<i8")]
_MARK = [("row", "<i8"), ("mark", "<i8")]


class Repeats:
    """What repeats in a batch by the values of some columns, or by all of them if None."""

    def __init__(self, scratch: Scratch, columns: Sequence[str] | None, judge: Judge) -> None:
        self.columns = columns
        self._scratch, self._judge = scratch, judge
        self._hashes = Partitions(scratch, _RECORD)
        self._starts: list[int] = []  # the number of the first row of each chunk
        self._rows = 0
        self._candidates = Partitions(scratch, _RECORD)  # by chunk
        self._marks = Partitions(scratch, _MARK)  # by chunk

    def add(self, rows: pd.DataFrame) -> None:
        """Note the rows of the next chunk; those without a value in one of the columns repeat nothing."""
        self._starts.append(self._rows)
        keys = rows if self.columns is None else rows[list(self.columns)]
        present = np.ones(len(rows), dtype=bool)
        if self.columns is not None:
            present = keys.notna().all(axis="columns").to_numpy(dtype=bool)
        records = np.empty(int(present.sum()), dtype=_RECORD)
        if len(records):
            records["hash"] = row_hashes(keys if present.all() else keys[present])
            records["row"] = self._rows + np.flatnonzero(present)
            self._hashes.add((records["hash"] >> np.uint64(64 - _BYTES)).astype(np.uint16), records)
        self._rows += len(rows)

    def search(self) -> bool:
        """Find the rows whose hash occurs again; return whether there are any, for `compare` to look at."""
        for number in self._hashes.numbers:
            records = self._hashes.read(number)
            records = records[np.argsort(records["hash"], kind="stable")]
            same = records["hash"][1:] == records["hash"][:-1]
            again = np.append(same, False) | np.append(False, same)
            if again.any():
                chosen = records[again]
                self._candidates.add(self._chunk_of(chosen["row"]), chosen)
        self._hashes.close()
        return bool(self._candidates.numbers)

    def compare(self, chunks: Iterable[tuple[int, pd.DataFrame]]) -> None:
        """Mark the rows that do repeat others; `chunks` are those with candidates, in order, with their numbers."""
        total = sum(self._candidates.count(number) for number in self._candidates.numbers)
        buckets = [Spool(self._scratch) for _ in range(-(-total // _BUCKET_ROWS))]
        for number, rows in chunks:
            candidates = self._candidates.read(number)
            candidates = candidates[np.argsort(candidates["row"], kind="stable")]
            chosen = rows.iloc[candidates["row"] - self._starts[number]].set_axis(candidates["row"])
            bucket = candidates["hash"] % np.uint64(len(buckets))
            for place in np.unique(bucket):
                buckets[int(place)].add(chosen[bucket == place])
        for spool in buckets:
            self._compare_bucket(spool)
            spool.close()
        self._candidates.close()

    def _compare_bucket(self, spool: Spool) -> None:
        frames = [frame for frame in spool if len(frame)]
        if not frames:
            return
        marks = self._judge(pd.concat(frames))
        marked = marks[marks != 0]
        records = np.empty(len(marked), dtype=_MARK)
        records["row"], records["mark"] = marked.index.to_numpy(), marked.to_numpy()
        self._marks.add(self._chunk_of(records["row"]), records)

    @property
    def chunks(self) -> list[int]:
        """Return the numbers of the chunks with candidates."""
        return self._candidates.numbers

    def marks(self, number: int, length: int) -> Numbers:
        """Return the marks of the rows of a chunk."""
        marks = np.zeros(length, dtype=np.int64)
        records = self._marks.read(number)
        marks[records["row"] - self._starts[number]] = records["mark"]
        return marks

    def _chunk_of(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(np.searchsorted(self._starts, rows, side="right") - 1)
