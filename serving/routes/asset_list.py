"""`GET /assets`: the assets within a plant or line, by level and type."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from data_contracts.asset_graph.graph_nodes import LEVELS, Level
from data_contracts.asset_graph.graph_query import AssetQuery, UnknownPlaceError
from data_contracts.asset_graph.stored_graph import StoredGraph
from data_contracts.workspace import Workspace
from serving.http.errors import NOT_FOUND, ApiError, unprocessable
from serving.http.json_bodies import show
from serving.schemas.answers.assets import AssetRecord, AssetsAnswer
from serving.schemas.instants import format_instant
from serving.schemas.query_parameters import instant_parameter
from serving.schemas.request_bodies import is_name

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_ANY, _DEFAULT = "any", "machine"
_LIMIT, _MOST = 100, 1_000
_NAMES = ("plant", "line", "asset_type", "after")
_PARAMETERS = (*_NAMES, "level", "as_of", "limit")


def list_assets(worker: "WorkerContext", query: Mapping[str, str]) -> AssetsAnswer:
    """List assets; ApiError 404 for a plant, line or type that there is not, 422 for a parameter that is wrong."""
    for name in query:
        if name not in _PARAMETERS:
            raise unprocessable(name[:80], "an unknown parameter", f"only {', '.join(_PARAMETERS)}", "Remove it")
    for name in _NAMES:
        if name in query and not is_name(query[name]):
            raise unprocessable(name, show(query[name][:80]), "1 to 255 characters")
    level, limit = query.get("level", _DEFAULT), _limit(query)
    if level not in (*LEVELS, _ANY):
        raise unprocessable("level", show(level[:80]), f"one of {', '.join((*LEVELS, _ANY))}")
    as_of = instant_parameter(query, "as_of") if "as_of" in query else worker.predictor.clock()
    names = {name: query.get(name) for name in _NAMES}
    wanted = AssetQuery(**names, level=None if level == _ANY else cast("Level", level), limit=limit)
    try:
        page = stored_graph(worker.workspace).at(as_of).find(wanted)
    except UnknownPlaceError as error:
        raise ApiError(NOT_FOUND, error.field, error.found, error.expected, error.remedy) from error
    return AssetsAnswer(
        as_of=format_instant(as_of),
        level=level,
        total=page.total,
        limit=limit,
        next=page.following,
        assets=[cast("AssetRecord", asset.to_dict()) for asset in page.assets],
    )


@lru_cache(maxsize=4)
def stored_graph(workspace: Workspace) -> StoredGraph:
    """Return the graph of a workspace, the same to every caller: it is read again only when it has changed."""
    return StoredGraph(workspace)


def _limit(query: Mapping[str, str]) -> int:
    limit = query.get("limit", str(_LIMIT))
    if not (limit.isascii() and limit.isdecimal() and len(limit) <= len(str(_MOST)) and 0 < int(limit) <= _MOST):
        raise unprocessable("limit", show(limit[:80]), f"a whole number from 1 to {_MOST}")
    return int(limit)
