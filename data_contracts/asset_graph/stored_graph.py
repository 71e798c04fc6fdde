"""The graph of a workspace, read again only when its tables or the time have moved on."""

import threading
from dataclasses import dataclass

import pandas as pd

from data_contracts.asset_graph.graph_nodes import GRAPH, nodes_at
from data_contracts.asset_graph.graph_query import AssetGraph
from data_contracts.tables import tables
from data_contracts.workspace import Workspace

_RECORDS = "assets"


@dataclass(frozen=True)
class _Reading:
    """A graph, the versions of the tables it was read from, and the times at which it is the same."""

    graph: AssetGraph
    versions: tuple[int | None, int | None]
    since: pd.Timestamp | None
    until: pd.Timestamp | None  # exclusive

    def holds(self, versions: tuple[int | None, int | None], as_of: pd.Timestamp) -> bool:
        """Return whether it is the graph at a time."""
        if versions != self.versions or (self.since is not None and as_of < self.since):
            return False
        return self.until is None or as_of < self.until


class StoredGraph:
    """The graph of a workspace at any time; safe to use from several threads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._reading: _Reading | None = None

    def at(self, as_of: pd.Timestamp) -> AssetGraph:
        """Return the graph as it was known at a time."""
        versions = (tables.latest_version(self._workspace, GRAPH), tables.latest_version(self._workspace, _RECORDS))
        with self._lock:
            if self._reading is None or not self._reading.holds(versions, as_of):
                self._reading = _read(self._workspace, versions, as_of)
            return self._reading.graph


def read_graph(workspace: Workspace, as_of: pd.Timestamp) -> AssetGraph:
    """Read the graph of a workspace as it was known at a time."""
    return StoredGraph(workspace).at(as_of)


def _read(workspace: Workspace, versions: tuple[int | None, int | None], as_of: pd.Timestamp) -> _Reading:
    graph, records = tables.read(workspace, GRAPH), tables.read(workspace, _RECORDS)
    times = pd.concat([frame[["known_time", "event_time"]].max(axis=1) for frame in (graph, records)])
    before, after = times[times <= as_of], times[times > as_of]
    return _Reading(
        graph=AssetGraph(nodes_at(graph, records, as_of)),
        versions=versions,
        since=None if before.empty else before.max(),
        until=None if after.empty else after.min(),
    )
