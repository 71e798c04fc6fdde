"""The row clock over several imports: an asset's rows are numbered on from those that are stored.

A file that was imported before keeps its numbers, and so does one that has grown since, so that importing it again
stores nothing twice.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract import STORED_VERSION, Contract
from data_contracts.contract.file_layout import ROW, FileLayout
from data_contracts.ingestion.quarantine import list_rows
from data_contracts.tables import tables
from data_contracts.validation.conform import conform
from data_contracts.workspace import Workspace

Numbers = npt.NDArray[np.int64]
Values = npt.NDArray[np.object_]
"""A row a reading, a column a channel."""


def continue_rows(
    workspace: Workspace, frame: pd.DataFrame, contract: Contract, layout: FileLayout
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Continue the numbers of the stored rows in a telemetry file; return its rows, and by asset the first number.

    The frame has the rows of each asset numbered from 1. Assets that keep these numbers are not among those returned.
    """
    if layout.time_format != ROW or contract.kind != "telemetry" or "asset" not in frame:
        return frame, {}
    names = sorted(frame["asset"].dropna().astype("str").unique())
    stored = tables.read(workspace, contract.table, assets=names)
    held = _held(workspace, contract, names)
    if stored.empty and held.empty:
        return frame, {}
    channels = [name for name in contract.channels if name in stored.columns]
    values = conform(frame, contract).frame.reindex(columns=channels)
    first: dict[str, int] = {}
    for asset, rows in frame.groupby("asset", sort=False).indices.items():
        own, refused = stored[stored["asset"] == asset], held.loc[held["asset"] == asset, "event_time"]
        imports = _Imports(
            _numbers(own["event_time"], layout),
            own[channels].to_numpy(dtype=object),
            own[STORED_VERSION].to_numpy(dtype=np.int64),
            _numbers(refused, layout),
        )
        first[str(asset)] = imports.first_number(values.iloc[rows].to_numpy(dtype=object))
    return _renumbered(frame, first, layout), {asset: number for asset, number in first.items() if number > 1}


@dataclass(frozen=True)
class _Imports:
    """The stored rows of one asset: their numbers and values, and the version of the table that stored each."""

    numbers: Numbers
    values: Values
    versions: Numbers
    refused: Numbers  # the numbers of rows in quarantine

    def first_number(self, new: Values) -> int:
        """Return the number of the first row of a file: as in an earlier import of it, or the next one."""
        last = max([0, *self.numbers.tolist(), *self.refused.tolist()])
        return next((start for start in self._starts() if self._holds(new, start, last)), last + 1)

    def _starts(self) -> Iterator[int]:
        """Yield the numbers at which an import may have begun: rows in quarantine leave numbers free before it."""
        for begin in sorted({int(self.numbers[self.versions == one].min()) for one in np.unique(self.versions)}):
            yield from range(int(self.numbers[self.numbers < begin].max(initial=0)) + 1, begin + 1)

    def _holds(self, new: Values, start: int, last: int) -> bool:
        """Return whether all stored rows from a number on are the file's, up to where an import ended, or to the last.

        A row that was corrected since counts as it was imported.
        """
        end = start + len(new) - 1
        inside = (self.numbers >= start) & (self.numbers <= end)
        if not inside.any() or not (end >= last or self._ends(end)):
            return False
        stored, own = self.values[inside], new[self.numbers[inside] - start]
        same = ((stored == own) | pd.isna(stored) | pd.isna(own)).all(axis=1)
        return bool(pd.Series(same).groupby(self.numbers[inside]).any().all())

    def _ends(self, end: int) -> bool:
        """Return whether an import may have ended at a number: no later row that is stored belongs to it."""
        following = self.numbers[self.numbers > end].min(initial=np.iinfo(np.int64).max)
        lasts = {int(self.numbers[self.versions == one].max()) for one in np.unique(self.versions)}
        return any(one <= end < following and not ((self.numbers > one) & (self.numbers <= end)).any() for one in lasts)


def _held(workspace: Workspace, contract: Contract, assets: Sequence[str]) -> pd.DataFrame:
    """Return asset and event time of single rows in quarantine, whose numbers are taken."""
    rows = list_rows(workspace, contract.name)
    stored = [batch for batch in rows["batch_id"].unique() if tables.has_batch(workspace, contract.table, batch)]
    texts = rows.loc[rows["batch_id"].isin(stored), "row"]
    content = pd.DataFrame([json.loads(text) for text in texts], columns=["asset", "event_time"])
    times = pd.to_datetime(content["event_time"], utc=True, errors="coerce", format="ISO8601")
    held = content.assign(event_time=times.astype("datetime64[us, UTC]")).dropna()
    return held[held["asset"].isin(assets)]


def _numbers(times: "pd.Series[pd.Timestamp]", layout: FileLayout) -> Numbers:
    return np.asarray((times - layout.start_time) // layout.cycle_duration, dtype=np.int64)


def _renumbered(frame: pd.DataFrame, first: Mapping[str, int], layout: FileLayout) -> pd.DataFrame:
    ahead = frame["asset"].map(first).fillna(1).to_numpy(dtype=np.int64) - 1
    shift = pd.Series(ahead * layout.cycle_duration.to_numpy(), index=frame.index)
    moved = {"event_time": frame["event_time"] + shift}
    if "known_time" in frame and frame["known_time"].equals(frame["event_time"].rename("known_time")):
        moved["known_time"] = moved["event_time"]
    return frame.assign(**moved).astype(dict.fromkeys(moved, "datetime64[us, UTC]"))
