"""Values that change too fast, over the chunks of a batch in whatever order its rows come.

The values of an asset and source are compared in order of time. Partitions of them that do not fit into memory are cut
by time; from one part to the next only the last good value of each matters.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.bulk.partitions import Numbers, Partitions, Records
from data_contracts.bulk.scratch import Scratch
from data_contracts.validation.row_measures import rates

_PARTITIONS = 64
_MOST_ROWS = 1_000_000  # in memory
_RECORD = [("group", "<i8"), ("event", "<i8"), ("known", "<i8"), ("value", "<f8"), ("row", "<i8")]
_GROUP = "asset"  # as `rates` calls what it compares within


class FastChanges:
    """The values of a channel whose rate of change is limited."""

    def __init__(self, scratch: Scratch, channel: str, limit: float) -> None:
        self.channel, self.limit = channel, limit
        self._scratch = scratch
        self._records = Partitions(scratch, _RECORD)
        self._groups: dict[tuple[Any, ...], int] = {}
        self._starts: list[int] = []
        self._rows = 0
        self._fast = Partitions(scratch, "<i8")  # by chunk

    def add(self, rows: pd.DataFrame) -> None:
        """Note the values of the next chunk."""
        self._starts.append(self._rows)
        keys = [name for name in ("asset", "source") if name in rows.columns]
        known = rows[[*keys, "event_time", "known_time", self.channel]].reset_index(drop=True).dropna()
        if len(known):
            records = np.empty(len(known), dtype=_RECORD)
            records["group"] = self._groups_of(known[keys])
            for name, column in (("event", "event_time"), ("known", "known_time")):
                records[name] = known[column].astype("int64").to_numpy()
            records["value"] = known[self.channel].to_numpy(dtype=np.float64)
            records["row"] = self._rows + known.index.to_numpy()
            self._records.add(records["group"] % _PARTITIONS, records)
        self._rows += len(rows)

    def search(self) -> None:
        """Find the rows whose values changed too fast."""
        for number in self._records.numbers:
            last = np.zeros(0, dtype=_RECORD)
            for part in self._parts(number):
                fast, last = self._judge(part, last)
                self._fast.add(np.searchsorted(self._starts, fast, side="right") - 1, fast)
        self._records.close()

    def marks(self, number: int, length: int) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Return which rows of a chunk have values that changed too fast."""
        marks = np.zeros(length, dtype=bool)
        marks[self._fast.read(number) - self._starts[number]] = True
        return marks

    def _groups_of(self, keys: pd.DataFrame) -> Numbers:
        numbers = keys.groupby(list(keys.columns), sort=False).ngroup().to_numpy()
        _, first = np.unique(numbers, return_index=True)
        names = list(keys.iloc[first].itertuples(index=False, name=None))
        known = np.array([self._groups.setdefault(name, len(self._groups)) for name in names], dtype=np.int64)
        return known[numbers]

    def _parts(self, number: int) -> Iterator[Records]:
        """Yield the records of a partition, cut by time if there are too many."""
        count = self._records.count(number)
        if count <= _MOST_ROWS:
            yield self._records.read(number)
            return
        by_time = Partitions(self._scratch, _RECORD)
        limits: Records | None = None
        for records in self._records.read_parts(number):
            if limits is None:
                limits = self._limits(number, -(-count // _MOST_ROWS))
            by_time.add(np.searchsorted(limits, records["event"], side="right"), records)
        for part in by_time.numbers:
            yield by_time.read(part)
        by_time.close()

    def _limits(self, number: int, parts: int) -> Records:
        """Return times between which there are about as many records, by every hundredth of them."""
        sample = np.concatenate([records["event"][::100] for records in self._records.read_parts(number)])
        return np.unique(np.quantile(sample, np.arange(1, parts) / parts, method="nearest"))

    def _judge(self, part: Records, last: Records) -> tuple[Numbers, Records]:
        """Return the rows of a part that changed too fast since the last good ones, and the last good ones after it."""
        both = np.concatenate([last[np.isin(last["group"], part["group"])], part])
        frame = pd.DataFrame(
            {
                _GROUP: both["group"],
                "event_time": pd.Series(both["event"].astype("datetime64[us]")).dt.tz_localize("UTC"),
                "known_time": pd.Series(both["known"].astype("datetime64[us]")).dt.tz_localize("UTC"),
                self.channel: both["value"],
            }
        )
        fast = (rates(frame, self.channel, self.limit) > self.limit).to_numpy()
        good = both[~fast]
        order = np.lexsort((good["value"], good["known"], good["event"], good["group"]))
        good = good[order]
        newest = good[np.append(good["group"][1:] != good["group"][:-1], True)] if len(good) else good
        others = last[~np.isin(last["group"], newest["group"])]
        return both["row"][fast], np.concatenate([others, newest])
