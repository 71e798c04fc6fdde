"""The machines there are, and where they stand."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from data_contracts.asset_graph.graph_query import AssetGraph, AssetQuery
from serving.pages.fleet_state.shown_time import ShownTime
from serving.routes.asset_list import stored_graph

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext


@dataclass(frozen=True)
class Place:
    """A machine: what people call it, and where it stands."""

    asset: str
    name: str
    asset_type: str | None
    plant: str | None
    line: str | None

    @property
    def stands_in(self) -> str:
        """Return plant and line, the plant's name once where the line's begins with it."""
        line = (self.line or "").removeprefix(f"{self.plant}/")
        return " \u00b7 ".join(filter(None, (self.plant, line)))


def machine_places(worker: "WorkerContext", shown: ShownTime) -> dict[str, Place]:
    """Return the machines recorded by a time, and those of the served type that have only sent telemetry."""
    found = dict(_recorded(stored_graph(worker.workspace).at(shown.at)))
    champion = worker.watch.current
    if champion is not None and shown.live:
        asset_type = champion.artifact.recipe.asset_type
        for asset in worker.predictor.stored.latest_telemetry(asset_type).known_times():
            found.setdefault(asset, Place(asset, asset, asset_type, None, None))
    return found


@lru_cache(maxsize=4)
def _recorded(graph: AssetGraph) -> dict[str, Place]:
    machines = graph.find(AssetQuery()).assets
    return {one.asset: Place(one.asset, one.name, one.asset_type, one.plant, one.line) for one in machines}
