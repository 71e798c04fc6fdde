"""What is stored of a fleet besides its telemetry: read once a version of each table, and handed out by asset."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pandas as pd

from data_contracts.contract.contract import empty_table
from data_contracts.tables import tables
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace


@dataclass(frozen=True)
class _Table:
    """A table in order of asset, and where each asset's rows are."""

    version: int | None
    frame: pd.DataFrame
    places: Mapping[str, tuple[int, int]]
    nothing: pd.DataFrame

    def of(self, assets: Sequence[str]) -> pd.DataFrame:
        held = [self.places[asset] for asset in assets if asset in self.places]
        if not held:
            return self.nothing
        if len(held) == 1:
            first, last = held[0]
            return self.frame.iloc[first:last].reset_index(drop=True)
        chosen = np.concatenate([np.arange(first, last) for first, last in held])
        return self.frame.take(chosen).reset_index(drop=True)


class StoredFleet:
    """Know the assets of a type: their records, failures, work orders and events.

    Parameters
    ----------
    workspace
        Where the tables are.
    asset_type
        The asset type.
    """

    def __init__(self, workspace: Workspace, asset_type: str) -> None:
        self.asset_type = asset_type
        self._workspace = workspace
        self._lock = threading.Lock()
        self._tables: dict[str, _Table] = {}
        self._types: tuple[_Table | None, Mapping[str, str]] = (None, {})

    def types(self) -> Mapping[str, str]:
        """Return the type of each asset that has a record, by its latest one.

        Returns
        -------
        mapping of str to str

        Raises
        ------
        StorageError
            If the table cannot be read.
        """
        records = self._table("assets")
        known = self._types
        if known[0] is not records:
            latest = records.frame.sort_values(["event_time", "known_time"]).drop_duplicates("asset", keep="last")
            known = self._types = (records, dict(zip(latest["asset"], latest["asset_type"], strict=True)))
        return known[1]

    def history(self, assets: Sequence[str], channels: Sequence[str], telemetry: pd.DataFrame) -> History:
        """Make a history of some assets, from their telemetry and what else is stored of them.

        Parameters
        ----------
        assets
            The assets.
        channels
            The channels of the telemetry.
        telemetry
            Their telemetry.

        Returns
        -------
        History
            As of `data_contracts.tables.history.read_history`.

        Raises
        ------
        StorageError
            If a table cannot be read.
        """
        types = self.types()
        registered = [asset for asset in assets if types.get(asset) == self.asset_type]
        return History(
            asset_type=self.asset_type,
            channels=tuple(channels),
            telemetry=telemetry,
            assets=self._table("assets").of(registered),
            failures=self._table("failures").of(assets),
            work_orders=self._table("work_orders").of(assets),
            events=self._table("events").of(assets),
        )

    def _table(self, name: str) -> _Table:
        with self._lock:
            held = self._tables.get(name)
            version = tables.latest_version(self._workspace, name)
            if held is None or version is None or version != held.version:
                held = self._tables[name] = _read(self._workspace, name, version)
            return held


def _read(workspace: Workspace, name: str, version: int | None) -> _Table:
    if version is None:
        return _empty(name)
    frame, version = tables.read_versioned(workspace, name)
    assets = frame["asset"].to_numpy(dtype=object)
    starts = np.flatnonzero(assets[1:] != assets[:-1]) + 1 if len(assets) else np.zeros(0, dtype=np.int64)
    bounds = [0, *starts.tolist(), len(assets)] if len(assets) else []
    places = {assets[first]: (first, last) for first, last in pairwise(bounds)}
    return _Table(version, frame, places, frame.head(0))


@lru_cache(maxsize=8)
def _empty(name: str) -> _Table:
    frame = empty_table(name)
    return _Table(None, frame, {}, frame)
