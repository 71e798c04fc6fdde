"""The nodes of a mapping on a server: found, readable, and in the units that the mapping says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_contracts.errors import UsageError
from pipelines.live.opcua.opcua_client import asyncua_modules
from pipelines.live.opcua.opcua_settings import OpcuaMachines, OpcuaMapping

if TYPE_CHECKING:
    from asyncua.client.client import Client
    from asyncua.common.node import Node

_AT_ONCE = 500


@dataclass(frozen=True)
class MappedNode:
    """A node, and whose channel it is."""

    asset: str
    channel: str
    machines: OpcuaMachines
    node: "Node"
    written: str  # as in the mapping


async def find_nodes(client: "Client", mapping: OpcuaMapping) -> list[MappedNode]:
    """Return the nodes of all channels; `UsageError` names those that the server does not have, or in other units."""
    uris = await client.get_namespace_array()
    found: list[MappedNode] = []
    for machines in mapping.machines:
        for asset in machines.assets:
            for channel, template in machines.nodes.items():
                written = template.replace("{asset}", asset).replace("{plant}", mapping.plant)
                node = await _node(client, uris, written)
                found.append(MappedNode(asset, channel, machines, node, written))
    await _check_readable(client, found)
    await _check_units([each for each in found if each.channel in each.machines.units])
    return found


async def _node(client: "Client", uris: Sequence[str], written: str) -> "Node":
    _, ua = asyncua_modules()
    try:
        if written.startswith("/"):
            return await client.nodes.root.get_child([part for part in written.split("/") if part])
        return client.get_node(ua.NodeId.from_string(with_index(written, uris)))
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"node {written!r} is not on the server ({type(error).__name__})",
            'a node id such as "ns=2;s=speed", or a path such as "/Objects/2:plant/2:speed"',
            "Fix it; `forewarn bridge opcua --browse ENDPOINT` lists the nodes",
        ) from error


def with_index(written: str, uris: Sequence[str]) -> str:
    """Return a node id with the index of its namespace instead of the URI; `UsageError` for an unknown URI.

    Examples
    --------
    >>> with_index("nsu=urn:maker;s=a;b", ["http://opcfoundation.org/UA/", "urn:maker"])
    'ns=1;s=a;b'
    """
    if not written.startswith("nsu="):
        return written
    uri, _, rest = written.removeprefix("nsu=").partition(";")
    if uri not in uris:
        raise UsageError(f"namespace {uri!r} is not on the server", f"one of {', '.join(uris)}", "Fix the node id")
    return f"ns={uris.index(uri)};{rest}"


async def _check_readable(client: "Client", found: Sequence[MappedNode]) -> None:
    _, ua = asyncua_modules()
    missing: list[str] = []
    for some in _parts(found):
        values = await client.uaclient.read_attributes([each.node.nodeid for each in some], ua.AttributeIds.Value)
        # A value that is Bad at present is one all the same; a node that is none has no source.
        absent = (
            ua.StatusCodes.BadNodeIdUnknown,
            ua.StatusCodes.BadNodeIdInvalid,
            ua.StatusCodes.BadAttributeIdInvalid,
        )
        statuses = [getattr(value.StatusCode, "value", None) for value in values]
        missing += [each.written for each, status in zip(some, statuses, strict=True) if status in absent]
    if missing:
        more = f" and {len(missing) - 5:,} others" if len(missing) > 5 else ""
        raise UsageError(
            f"the server has no variables {', '.join(missing[:5])}{more}",
            "the nodes of channels",
            "Fix the mapping; `forewarn bridge opcua --browse ENDPOINT` lists the nodes",
        )


async def _check_units(found: Iterable[MappedNode]) -> None:
    for each in found:
        unit = await unit_of(each.node)
        expected = each.machines.units[each.channel]
        if unit is not None and unit != expected:
            raise UsageError(
                f"{each.written} is in {unit!r}, not in {expected!r}",
                "the unit that the mapping says",
                "Have the server send that unit; forewarn converts none",
            )


async def unit_of(node: "Node") -> str | None:
    """Return a variable's engineering unit as the server displays it (OPC 10000-8, 5.6.4); None if it says none."""
    try:
        information: Any = await (await node.get_child("0:EngineeringUnits")).read_value()
    except Exception:  # most variables have none
        return None
    return getattr(getattr(information, "DisplayName", None), "Text", None)


def _parts(found: Sequence[MappedNode]) -> Iterable[Sequence[MappedNode]]:
    return (found[start : start + _AT_ONCE] for start in range(0, len(found), _AT_ONCE))
