"""A draft of a mapping, browsed from a server: objects with variables of numbers, those that are alike together."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


@dataclass(frozen=True)
class Draft:
    """A mapping to edit."""

    text: str
    machines: int
    variables: int

    def to_dict(self) -> dict[str, Any]:
        """Return the text and what it covers."""
        return {"mapping": self.text, "machines": self.machines, "variables": self.variables}


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
    lines = [
        "# A draft: keep the channels that the contract has, name them as it does, and fill in what is empty.",
        'plant = "plant"',
        "",
        "[server]",
        f"endpoint = {json.dumps(server.endpoint)}",
        "",
        "[spool]",
        'folder = "spool"',
        "",
        "[broker]",
        'host = "127.0.0.1"',
    ]
    for variables, names in groups.items():
        array = variables[0].array
        lines += [
            "",
            "[[machines]]",
            f"assets = {json.dumps(names, ensure_ascii=False)}",
            'asset_type = "machine"',
            f'read = "{"arrays" if array else "scalars"}"',
            'sampling_interval = "10ms"' + ("  # how far apart the values of an array are" if array else ""),
            "[machines.nodes]",
            *(f"{_key(each.channel)} = {json.dumps(each.template, ensure_ascii=False)}" for each in variables),
        ]
        if any(each.unit for each in variables):
            lines.append("[machines.units]")
            lines += [
                f"{_key(each.channel)} = {json.dumps(each.unit, ensure_ascii=False)}" for each in variables if each.unit
            ]
    count = sum(len(names) * len(variables) for variables, names in groups.items())
    machines = {name for names in groups.values() for name in names}
    return Draft("\n".join(lines) + "\n", len(machines), count)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)
