"""Command `assets list`: plants, lines, machines and components."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter

from pipelines.cli.options import DEFAULTS, Shared


def listed(
    *,
    plant: str | None = None,
    line: str | None = None,
    level: Literal["plant", "line", "machine", "component", "any"] = "machine",
    asset_type: Annotated[str | None, Parameter(name="--type")] = None,
    as_of: str | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """List assets by plant, line, level and type, with what they are part of.

    Parameters
    ----------
    plant : str, optional
        Only what is in this plant, by its identifier or name.
    line : str, optional
        Only what is in this line.
    level : {"plant", "line", "machine", "component", "any"}
        What to list.
    asset_type : str, optional
        Only machines of this type.
    as_of : str, optional
        As was known at this time; now by default.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.asset_graph.graph_query import AssetQuery
    from data_contracts.asset_graph.stored_graph import read_graph
    from pipelines.cli.arguments import time_or_now
    from pipelines.cli.twin_renderers import ListedAssets

    at = time_or_now(as_of)
    graph = read_graph(options.open(), at)
    query = AssetQuery(plant, line, None if level == "any" else level, asset_type)
    return ListedAssets(at, level, graph.find(query), graph.faults)
