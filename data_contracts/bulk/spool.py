"""Chunks of a batch kept on disk while it is checked."""

import pickle
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa

from data_contracts.bulk.scratch import Scratch

_CODEC = "lz4"


class Spool:
    """Frames in the order in which they were added, to be read again and again."""

    def __init__(self, scratch: Scratch) -> None:
        self._file = scratch.file()
        self._places: list[tuple[int, int, int]] = []  # where each frame is, its bytes, and those before compression
        self.lengths: list[int] = []  # the rows of each frame

    def __len__(self) -> int:
        return len(self._places)

    def add(self, frame: pd.DataFrame) -> None:
        """Keep a frame, with its attributes."""
        plain = pickle.dumps(frame, protocol=5)
        packed = pa.compress(plain, codec=_CODEC, asbytes=True)
        start = self._file.seek(0, 2)
        self._file.write(packed)
        self._places.append((start, len(packed), len(plain)))
        self.lengths.append(len(frame))

    def read(self, number: int) -> pd.DataFrame:
        """Return one frame."""
        start, length, plain = self._places[number]
        self._file.seek(start)
        packed = self._file.read(length)
        # The file is this process's own: nobody else can write into it.
        frame: pd.DataFrame = pickle.loads(pa.decompress(packed, plain, codec=_CODEC))  # noqa: S301
        return frame

    def close(self) -> None:
        """Give the room on disk back."""
        self._file.close()

    def __iter__(self) -> Iterator[pd.DataFrame]:
        for number in range(len(self)):
            yield self.read(number)
