"""Records of all rows of a batch in partitions on disk, each of which fits into memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from data_contracts.bulk.scratch import Scratch

Numbers = npt.NDArray[np.int64]
Records = npt.NDArray[Any]


class Partitions:
    """Records of one type, by partition, in the order in which they were added."""

    def __init__(self, scratch: Scratch, dtype: npt.DTypeLike) -> None:
        self._file = scratch.file()
        self.dtype = np.dtype(dtype)
        self._places: dict[int, list[tuple[int, int]]] = {}  # by partition, where records start, and how many

    @property
    def numbers(self) -> list[int]:
        """Return the partitions with records, sorted."""
        return sorted(self._places)

    def add(self, partition: npt.NDArray[Any], records: Records) -> None:
        """Add records, each to its partition."""
        if not len(records):
            return
        order = np.argsort(partition, kind="stable")
        numbers, starts = np.unique(partition[order], return_index=True)
        begin = self._file.seek(0, 2)
        self._file.write(records[order].astype(self.dtype, copy=False).tobytes())
        for number, start, end in zip(numbers.tolist(), starts, np.append(starts[1:], len(records)), strict=True):
            place = begin + int(start) * self.dtype.itemsize
            self._places.setdefault(int(number), []).append((place, int(end - start)))

    def count(self, partition: int) -> int:
        """Return how many records a partition has."""
        return sum(count for _, count in self._places.get(partition, ()))

    def read(self, partition: int) -> Records:
        """Return the records of a partition."""
        parts = list(self.read_parts(partition))
        return np.concatenate(parts) if parts else np.zeros(0, dtype=self.dtype)

    def read_parts(self, partition: int) -> Iterator[Records]:
        """Yield the records of a partition as they were added."""
        for place, count in self._places.get(partition, ()):
            self._file.seek(place)
            yield np.frombuffer(self._file.read(count * self.dtype.itemsize), dtype=self.dtype)

    def close(self) -> None:
        """Give the room on disk back."""
        self._file.close()
