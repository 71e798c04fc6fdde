"""The graph of assets: reading it into SQL, and asking what is within a plant or line.

`pytest benchmarks/test_bench_asset_graph.py --benchmark-only`. Sizes: 275 nodes (15 plants of 2 lines, 200 machines, 30
components) and 50,000 machines with a component each.
"""

from typing import Any

import pandas as pd
import pytest

from data_contracts.asset_graph.graph_nodes import GraphNode, nodes_at
from data_contracts.asset_graph.graph_query import AssetGraph, AssetQuery

T = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")


def fleet(plants: int, machines: int, components: int) -> dict[str, GraphNode]:
    nodes = {f"p{number}": GraphNode(f"p{number}", "plant") for number in range(plants)}
    lines = [f"p{number % plants}/l{number // plants}" for number in range(2 * plants)]
    nodes |= {name: GraphNode(name, "line", name.partition("/")[0], name.rpartition("/")[2]) for name in lines}
    for number in range(machines):
        nodes[f"m{number:05}"] = GraphNode(f"m{number:05}", "machine", lines[number % len(lines)], asset_type="mill")
    for number in range(components):
        nodes[f"m{number:05}/spindle"] = GraphNode(f"m{number:05}/spindle", "component", f"m{number:05}", "spindle")
    return nodes


SIZES = {"275 nodes": fleet(15, 200, 30), "100,130 nodes": fleet(65, 50_000, 50_000 - 65)}
QUERIES = {
    "a line": AssetQuery("p3", "l1", limit=100),
    "a plant": AssetQuery("p3", limit=100),
    "components of a plant": AssetQuery("p3", level="component", limit=100),
    "everything, a page of 100": AssetQuery(level=None, limit=100),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("query", QUERIES)
def test_asking(benchmark: Any, size: str, query: str) -> None:
    graph = AssetGraph(SIZES[size])
    page = benchmark(graph.find, QUERIES[query])
    assert page.total > 0


def test_what_is_below_a_plant_in_sql_alone(benchmark: Any) -> None:
    """The figure of the prototype: the recursion, without the places of what it finds."""
    graph = AssetGraph(SIZES["275 nodes"])
    rows = benchmark(
        lambda: graph._connection.execute(  # noqa: SLF001 - below what callers see
            "WITH RECURSIVE w(asset) AS (VALUES ('p3') UNION SELECT node.asset FROM w CROSS JOIN node "
            "ON node.parent = w.asset) SELECT count(*) FROM node WHERE asset IN w"
        ).fetchall()
    )
    assert rows[0][0] > 10


@pytest.mark.parametrize("size", SIZES)
def test_loading(benchmark: Any, size: str) -> None:
    """From rows of the history to a graph that can be asked."""
    nodes = SIZES[size].values()
    columns = ("asset", "level", "parent", "name", "asset_type", "model", "status")
    frame = pd.DataFrame({name: [getattr(node, name) for node in nodes] for name in columns}, dtype="str")
    frame = frame.assign(event_time=T, known_time=T)
    records = pd.DataFrame({"asset": pd.Series(dtype="str"), "event_time": [], "known_time": []})
    records = records.astype({"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"})
    graph = benchmark.pedantic(lambda: AssetGraph(nodes_at(frame, records, T)), rounds=3)
    assert graph.find(AssetQuery(level=None, limit=1)).total == len(nodes)
