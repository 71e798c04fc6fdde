"""An OPC-UA server for the live plant: an object a machine, and two variables a channel.

`<machine>/<channel>` is its latest value, `<machine>/<channel>/samples` a second's readings as an array whose source
timestamp is that of the first of them. Both have the engineering unit of the twin's interface (OPC 10000-8, sections
5.3.2 and 5.6.4).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.ua.status_codes import StatusCodes

from data_contracts.contract.twins import Channel, load_twin
from pipelines.fleet.live.faults import CLOCK_ERROR, OPCUA_KINDS, Fault, FaultKind, FaultPlan
from pipelines.fleet.live.machines.live_plant import ASSET_TYPE, CHANNELS, RATE, LivePlant
from pipelines.fleet.live.machines.plant_second import PlantSecond
from pipelines.fleet.plant.arrays import Floats

PROTOCOL = "opcua"
NAMESPACE = "urn:forewarn:live-plant"
INTERVAL = 1000.0 / RATE  # milliseconds between the readings of an array
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# By UNECE Recommendation 20: symbol of the twin's unit to common code.
_UNIT_CODES = {"mm/s": "C16", "A": "AMP", "rpm": "RPM", "N": "NEW", "V": "VLT", "degC": "CEL"}
_UNECE = "http://www.opcfoundation.org/UA/units/un/cefact"
_STATUS: Mapping[FaultKind, int] = {
    "bad": StatusCodes.BadSensorFailure,
    "uncertain": StatusCodes.UncertainSensorNotAccurate,
}
_OFF = StatusCodes.BadOutOfService


@dataclass
class PlantServer:
    """A server that runs, and what it writes to."""

    plant: LivePlant
    faults: FaultPlan
    server: Server
    scalar_rate: int  # values a second of each channel; 0 for arrays only
    node_ids: dict[tuple[int, int, bool], ua.NodeId] = field(default_factory=dict)  # by machine, channel, of the array
    off: set[int] = field(default_factory=set)  # machines that were written as switched off

    async def write(self, second: PlantSecond, *, spread: float = 0.0) -> None:
        """Write a second: the arrays at once, then the scalars, spread over so many seconds of the clock."""
        kinds, channels = {}, {}
        for machine in second.machines.tolist():
            asset = self.plant.assets[machine]
            kinds[machine], where = self.faults.draw(asset, second.second, OPCUA_KINDS)
            channels[machine] = int(where * len(CHANNELS))
            self._note(asset, second.second, kinds[machine], channels[machine])
        await self.switch_off(second.second, set(range(len(self.plant))) - set(kinds))
        await self._write_samples(second, None, kinds, channels)
        for index in range(self.scalar_rate):
            await self._write_samples(second, index * RATE // self.scalar_rate, kinds, channels)
            if spread:
                await asyncio.sleep(spread / self.scalar_rate)

    async def _write_samples(
        self, second: PlantSecond, at: int | None, kinds: Mapping[int, FaultKind | None], wrong: Mapping[int, int]
    ) -> None:
        """Write one reading of each channel, or the arrays of them all."""
        begins = second.begins + (0 if at is None else at * 1_000_000 // RATE)
        for machine, readings in zip(second.machines.tolist(), second.readings, strict=True):
            kind = kinds[machine]
            if kind == "lost":
                continue
            time = _time(begins + (CLOCK_ERROR if kind == "clock_ahead" else 0))
            for channel in range(len(CHANNELS)):
                fault = kind if channel == wrong[machine] else None
                await self._write(machine, channel, readings[channel], at, time, fault)

    async def _write(
        self, machine: int, channel: int, readings: Floats, at: int | None, time: datetime, fault: FaultKind | None
    ) -> None:
        values: Any = readings.tolist() if at is None else float(readings[at])
        if fault == "nan":
            values = [float("nan"), *values[1:]] if at is None else float("nan")
        code = _STATUS.get(fault, StatusCodes.Good) if fault else StatusCodes.Good
        await self._store(machine, channel, values, time, code, array=at is None)

    async def switch_off(self, second: int, machines: set[int]) -> None:
        """Say of the machines that stand that there is no value; once, until they run again."""
        for machine in machines - self.off:
            for channel in range(len(CHANNELS)):
                await self._store(machine, channel, [], _time(second * 1_000_000), _OFF, array=True)
                if self.scalar_rate:
                    await self._store(machine, channel, 0.0, _time(second * 1_000_000), _OFF, array=False)
        self.off = machines

    async def _store(self, machine: int, channel: int, values: Any, time: datetime, code: int, *, array: bool) -> None:
        variant = ua.Variant(values, ua.VariantType.Double, is_array=array)
        value = ua.DataValue(
            variant,
            ua.StatusCode(ua.UInt32(code)),
            SourceTimestamp=_ua_time(time),
            ServerTimestamp=_ua_time(datetime.now(UTC)),
        )
        await self.server.write_attribute_value(self.node_ids[machine, channel, array], value)

    def _note(self, asset: str, second: int, kind: FaultKind | None, channel: int) -> None:
        if kind is not None:
            name = None if kind in ("lost", "clock_ahead") else CHANNELS[channel]
            self.faults.note(Fault(PROTOCOL, asset, kind, second, name))


async def make_plant_server(
    plant: LivePlant, faults: FaultPlan, endpoint: str, *, began: int, scalar_rate: int = 1
) -> PlantServer:
    """Build a server with its address space, to be entered as an asynchronous context (`server.server`).

    `began` is the plant's time in microseconds since 1970; up to the first second all values are Bad.
    """
    server = Server()
    await server.init()
    server.set_endpoint(endpoint)
    server.set_server_name("forewarn live plant")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    made = PlantServer(plant, faults, server, scalar_rate)
    index = await server.register_namespace(NAMESPACE)
    kind = await _add_type(server, index)
    folders: dict[str, Node] = {}
    for machine, asset in enumerate(plant.assets):
        name = plant.plants[machine]
        if name not in folders:
            folders[name] = await server.nodes.objects.add_folder(_node_id(name, index), ua.QualifiedName(name, index))
        await _add_machine(made, folders[name], kind, index, machine, asset)
    await made.switch_off(began // 1_000_000, set(range(len(plant))))
    return made


async def _add_type(server: Server, index: int) -> ua.NodeId:
    """Add an object type for the twin's interface."""
    twin = load_twin(ASSET_TYPE)
    kind = await server.nodes.base_object_type.add_object_type(
        _node_id(twin.name, index), ua.QualifiedName(twin.name, index)
    )
    await kind.add_property(
        _node_id(f"{twin.name}/interface", index), ua.QualifiedName("interface", index), twin.identifier
    )
    return kind.nodeid


async def _add_machine(made: PlantServer, folder: Node, kind: ua.NodeId, index: int, machine: int, asset: str) -> None:
    """Add a machine's object, and its channels' variables with their units."""
    machine_object = await folder.add_object(
        _node_id(asset, index), ua.QualifiedName(asset, index), objecttype=kind, instantiate_optional=False
    )
    for channel, description in enumerate(load_twin(ASSET_TYPE).channels):
        path = f"{asset}/{description.name}"
        for array in (True, False) if made.scalar_rate else (True,):
            node_id = _node_id(f"{path}/samples" if array else path, index)
            await _add_variable(machine_object, node_id, description, array=array)
            made.node_ids[machine, channel, array] = node_id


async def _add_variable(parent: Node, node_id: ua.NodeId, channel: Channel, *, array: bool) -> None:
    name, index = f"{channel.name}_samples" if array else channel.name, node_id.NamespaceIndex
    value = ua.Variant([] if array else 0.0, ua.VariantType.Double, is_array=array)
    variable = await parent.add_variable(node_id, ua.QualifiedName(name, index), value)
    identifier = str(node_id.Identifier)
    await variable.add_property(
        _node_id(f"{identifier}/unit", index), ua.QualifiedName("EngineeringUnits", 0), _unit(channel)
    )
    if array:
        await variable.add_property(
            _node_id(f"{identifier}/interval", index), ua.QualifiedName("SampleInterval", index), INTERVAL
        )


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _ua_time(time: datetime) -> ua.DateTime:
    """Return a time as asyncua's types have it, which is a datetime all the same."""
    return cast("ua.DateTime", time)


def _node_id(identifier: str, index: int) -> ua.NodeId:
    return ua.NodeId(ua.String(identifier), ua.Int16(index))


def _unit(channel: Channel) -> ua.EUInformation:
    symbol = channel.unit or ""
    code = _UNIT_CODES.get(symbol, "")
    return ua.EUInformation(
        NamespaceUri=_UNECE,
        UnitId=int.from_bytes(code.encode(), "big") if code else -1,
        DisplayName=ua.LocalizedText(symbol),
        Description=ua.LocalizedText(channel.description),
    )
