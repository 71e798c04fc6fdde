"""What is stored about a fleet besides its telemetry: each table is read once per version and indexed by asset."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import pandas as pd

from data_contracts.contract.contract import empty_table
from data_contracts.contract.registered import recorded_type
from data_contracts.tables import tables
from data_contracts.tables.corrections import latest_records
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace


@dataclass(frozen=True)
class StoredTable:
    """A table sorted by asset, with the span of each asset's rows."""

    version: int | None
    frame: pd.DataFrame
    spans: Mapping[str, tuple[int, int]]
    empty: pd.DataFrame

    @cached_property
    def any_repeated(self) -> bool:
        """Whether any asset has several rows."""
        return len(self.frame) > len(self.spans)

    def count(self, asset: str) -> int:
        """Count an asset's rows."""
        start, end = self.spans.get(asset, (0, 0))
        return end - start

    def rows_of(self, assets: Sequence[str]) -> pd.DataFrame:
        """Return the rows of some assets."""
        spans = [self.spans[asset] for asset in assets if asset in self.spans]
        if not spans:
            return self.empty
        if len(spans) == 1:
            start, end = spans[0]
            return self.frame.iloc[start:end].reset_index(drop=True)
        rows = np.concatenate([np.arange(start, end) for start, end in spans])
        return self.frame.take(rows).reset_index(drop=True)


class StoredTables:
    """The records, failures, work orders and events of all assets, each table read anew when its version changes."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._lock = threading.Lock()
        self._tables: dict[str, StoredTable] = {}
        self._components: dict[str, tuple[frozenset[str], int | None]] = {}

    def table(self, name: str) -> StoredTable:
        """Return one of the tables."""
        with self._lock:
            table = self._tables.get(name)
            version = tables.latest_version(self.workspace, name)
            if table is None or version is None or version != table.version:
                table = self._tables[name] = _read(self.workspace, name, version)
            return table

    def components(self) -> frozenset[str]:
        """Return the components that failures and work orders name, of which only new rows are read."""
        with self._lock:
            for name in ("failures", "work_orders"):
                known, version = self._components.get(name, (frozenset(), None))
                latest = tables.latest_version(self.workspace, name)
                if version is not None and (latest is None or latest < version):
                    known, version = frozenset(), None  # another table stands in its place
                if latest != version:
                    new, version = tables.values_since(self.workspace, name, "component", after=version)
                    known |= new
                self._components[name] = (known, version)
            return frozenset().union(*(known for known, _ in self._components.values()))


class StoredFleet:
    """The records, failures, work orders and events of the assets of a type."""

    def __init__(self, workspace: Workspace, asset_type: str, stored: StoredTables | None = None) -> None:
        self.asset_type = asset_type
        self._workspace = workspace
        self._stored = stored or StoredTables(workspace)
        self._types: tuple[StoredTable | None, Mapping[str, str]] = (None, {})

    @property
    def recorded_type(self) -> str:
        """Return the type that the assets' records name."""
        return recorded_type(self._workspace.contracts, self.asset_type)

    def types(self) -> Mapping[str, str]:
        """Return the type of each asset that has a record, by its latest one."""
        records = self.table("assets")
        cached = self._types
        if cached[0] is not records:
            latest = latest_records(records.frame)
            cached = self._types = (records, dict(zip(latest["asset"], latest["asset_type"], strict=True)))
        return cached[1]

    def history(self, assets: Sequence[str], channels: Sequence[str], telemetry: pd.DataFrame) -> History:
        """Return the history of some assets: their telemetry as given, and what else is stored about them."""
        types = self.types()
        registered = [asset for asset in assets if types.get(asset) == self.recorded_type]
        return History(
            asset_type=self.asset_type,
            channels=tuple(channels),
            telemetry=telemetry,
            assets=self.table("assets").rows_of(registered),
            failures=self.table("failures").rows_of(assets),
            work_orders=self.table("work_orders").rows_of(assets),
            events=self.table("events").rows_of(assets),
        )

    def repeated_records(self, assets: Sequence[str]) -> pd.DataFrame:
        """Return the records of those assets that have several: only they can have been replaced."""
        # As `types` read them a moment ago.
        records = self._types[0] or self.table("assets")
        repeated = [asset for asset in assets if records.count(asset) > 1] if records.any_repeated else []
        return records.rows_of(repeated)

    def table(self, name: str) -> StoredTable:
        """Return one of the tables, read anew if its version has changed."""
        return self._stored.table(name)


def _read(workspace: Workspace, name: str, version: int | None) -> StoredTable:
    if version is None:
        return _empty(name)
    frame, version = tables.read_versioned(workspace, name)
    assets = frame["asset"].to_numpy(dtype=object)
    starts = np.flatnonzero(assets[1:] != assets[:-1]) + 1 if len(assets) else np.zeros(0, dtype=np.int64)
    bounds = [0, *starts.tolist(), len(assets)] if len(assets) else []
    spans = {assets[start]: (start, end) for start, end in pairwise(bounds)}
    return StoredTable(version, frame, spans, frame.head(0))


@lru_cache(maxsize=8)
def _empty(name: str) -> StoredTable:
    frame = empty_table(name)
    return StoredTable(None, frame, {}, frame)
