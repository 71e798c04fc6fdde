"""The digest of a batch in chunks: that of `data_contracts.ingestion.row_serialization.fingerprint`, to the bit."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from data_contracts.bulk.partitions import Partitions
from data_contracts.bulk.scratch import Scratch
from data_contracts.ingestion.row_serialization import row_hashes


class BatchDigest:
    """The hashes of rows, by their first byte: in order of partition and hash they are those of all rows, sorted."""

    def __init__(self, scratch: Scratch) -> None:
        self._hashes = Partitions(scratch, "<u8")
        self._names: Sequence[str] = ()
        self._rows = 0

    def add(self, frame: pd.DataFrame) -> None:
        """Add the rows of a chunk."""
        self._names = [str(name) for name in frame.columns]
        self._rows += len(frame)
        if len(frame):
            hashes = row_hashes(frame)
            self._hashes.add((hashes >> np.uint64(56)).astype(np.uint8), hashes)

    def close(self) -> str:
        """Return the digest, 32 hexadecimal digits."""
        digest = hashlib.sha256(json.dumps(self._names).encode())
        for number in self._hashes.numbers:
            digest.update(np.sort(self._hashes.read(number)).tobytes())
        self._hashes.close()
        return digest.hexdigest()[:32]
