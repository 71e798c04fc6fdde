"""A draft of a mapping, browsed from a server: objects with variables of numbers, those that are alike together."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.live.bridging.draft import Draft, DraftGroup, draft_text
from pipelines.live.opcua.nodes import unit_of
from pipelines.live.opcua.opcua_client import asyncua_modules, connected
from pipelines.live.opcua.opcua_settings import OpcuaServerSection

if TYPE_CHECKING:
    from asyncua.common.node import Node

_DEEPEST = 8
_MOST = 20_000
"""So many nodes are looked at; a server may have millions."""


@dataclass(frozen=True)
class _Variable:
    channel: str
    template: str
    unit: str | None
    array: bool


async def browse_draft(server: OpcuaServerSection, environ: Mapping[str, str] | None = None) -> Draft:
    """Browse a server and return a draft of its mapping."""
    async with connected(server, environ) as client:
        uris = await client.get_namespace_array()
        groups: dict[tuple[_Variable, ...], list[str]] = {}
        async for name, variables in _machines(client.nodes.objects, uris):
            for array in (False, True):
                own = tuple(each for each in variables if each.array is array)
                if own:
                    groups.setdefault(own, []).append(name)
    return _written(server, groups)


async def _machines(objects: "Node", uris: list[str]) -> "AsyncIterator[tuple[str, list[_Variable]]]":
    """Yield each object below a folder that has variables of numbers of its own; the server's own objects aside."""
    _, ua = asyncua_modules()
    waiting: list[tuple[Node, int]] = [(objects, 0)]
    seen = 0
    while waiting and seen < _MOST:
        parent, depth = waiting.pop(0)
        variables: list[_Variable] = []
        name = (await parent.read_browse_name()).Name or ""
        for child in await parent.get_children_descriptions():
            seen += 1
            identifier = child.NodeId
            if identifier.NamespaceIndex == 0:
                continue
            if child.NodeClass == ua.NodeClass.Object and depth < _DEEPEST:
                waiting.append((_at(parent, identifier), depth + 1))
            elif child.NodeClass == ua.NodeClass.Variable:
                variable = await _variable(_at(parent, identifier), child, name, uris)
                if variable is not None:
                    variables.append(variable)
        if variables:
            yield name, variables


async def _variable(node: "Node", description: Any, asset: str, uris: list[str]) -> _Variable | None:
    """Return a variable of numbers; None for other ones."""
    try:
        kind = await node.read_data_type_as_variant_type()
        array = await node.read_value_rank() >= 0
    except Exception:  # a variable of a structure, or one that may not be looked at
        return None
    if kind.name not in _NUMBERS:
        return None
    identifier = node.nodeid
    text = identifier.to_string().partition(";")[2].replace(asset, "{asset}") if asset else identifier.to_string()
    uri = uris[identifier.NamespaceIndex]
    name = (description.BrowseName.Name or "").replace(asset, "").strip("._/ ") or description.BrowseName.Name
    return _Variable(name, f"nsu={uri};{text}", await unit_of(node), array)


_NUMBERS = frozenset(
    {"Byte", "SByte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double", "Boolean"}
)


def _at(parent: "Node", identifier: Any) -> "Node":
    from asyncua.common.node import Node

    return Node(parent.session, identifier)


def _written(server: OpcuaServerSection, groups: Mapping[tuple[_Variable, ...], list[str]]) -> Draft:
    drafted = [
        DraftGroup(
            names,
            [(each.channel, each.template) for each in variables],
            [(each.channel, each.unit) for each in variables],
            [
                f'read = "{"arrays" if variables[0].array else "scalars"}"',
                'sampling_interval = "10ms"'
                + ("  # how far apart the values of an array are" if variables[0].array else ""),
            ],
        )
        for variables, names in groups.items()
    ]
    count = sum(len(names) * len(variables) for variables, names in groups.items())
    machines = {name for names in groups.values() for name in names}
    text = draft_text("server", "endpoint", server.endpoint, "nodes", drafted)
    return Draft(text, {"machines": len(machines), "variables": count})
