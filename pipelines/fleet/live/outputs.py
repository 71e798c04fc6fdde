"""The outputs that were asked for, opened together and closed together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from data_contracts.errors import UsageError, did_you_mean
from pipelines.fleet.live.faults import FaultPlan
from pipelines.fleet.live.machines.live_plant import LivePlant
from pipelines.fleet.live.run import Output, Pace
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.connection import need_extra

Protocol = Literal["arrow", "json", "sparkplug", "opcua", "mtconnect"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
_PACKAGES = {"arrow": "paho", "json": "paho", "sparkplug": "paho", "opcua": "asyncua"}


@dataclass(frozen=True)
class OutputSettings:
    """Where the plant's seconds go."""

    over: tuple[str, ...] = ()
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    spool: Path | None = None  # of an edge for the Arrow messages; without one they are published and forgotten
    write: Path | None = None
    listen: str = "127.0.0.1"
    opcua_port: int = 4840
    mtconnect_port: int = 5000
    scalar_rate: int = 1
    buffer_size: int = 131_072

    def lines(self) -> list[str]:
        """Return in words where the plant's seconds go."""
        places = {
            "opcua": f"OPC-UA server at opc.tcp://{self.listen}:{self.opcua_port}/plant",
            "mtconnect": f"MTConnect agent at http://{self.listen}:{self.mtconnect_port}/probe",
        }
        lines = [places.get(each, f"{each} to {self.broker.address}") for each in self.over]
        return lines if self.write is None else [f"files in {self.write}", *lines]


def check_settings(settings: OutputSettings) -> None:
    """Raise `UsageError` for what cannot be had, before anything is opened."""
    for protocol in settings.over:
        if protocol not in PROTOCOLS:
            hint = did_you_mean(protocol, PROTOCOLS) or "Choose one of these"
            raise UsageError(f"unknown protocol {protocol!r}", f"one of {', '.join(PROTOCOLS)}", hint)
        package = _PACKAGES.get(protocol)
        if package is not None and find_spec(package) is None:
            raise need_extra(package)
    if not settings.over and settings.write is None:
        raise UsageError("a plant that sends nothing", "a protocol or a folder", "Give --over or --write")
    if settings.spool is not None and "arrow" not in settings.over:
        raise UsageError("a spool without Arrow messages", "--over arrow", "Leave out --spool, or add --over arrow")
    if not 0 <= settings.scalar_rate <= 100:
        raise UsageError(f"{settings.scalar_rate} values a second", "0 to 100", "Give another --scalar-rate")
    if settings.buffer_size < 1:
        raise UsageError(f"a buffer of {settings.buffer_size}", "at least 1", "Give another --buffer-size")


@asynccontextmanager
async def opened_outputs(
    plant: LivePlant, faults: FaultPlan, pace: Pace, settings: OutputSettings
) -> AsyncIterator[Sequence[Output]]:
    """Open every output that is asked for; on leaving, close them in the same order."""
    outputs: list[Output] = []
    async with AsyncExitStack() as closing:

        async def close_all() -> None:
            async with AsyncExitStack() as each:
                for output in reversed(outputs):
                    each.push_async_callback(output.close)

        closing.push_async_callback(close_all)
        if {"arrow", "json"} & set(settings.over):
            from pipelines.fleet.live.mqtt.commanded_machines import CommandedMachines

            closing.callback(CommandedMachines.start(plant, settings.broker).close)
        if settings.write is not None:
            from pipelines.fleet.live.file_writer import FileWriter

            outputs.append(FileWriter(plant, settings.write, since=pace.since))
        for protocol in dict.fromkeys(settings.over):
            opened = await _open(protocol, plant, faults, pace, settings)
            outputs.append(opened)
        yield outputs


async def _open(protocol: str, plant: LivePlant, faults: FaultPlan, pace: Pace, settings: OutputSettings) -> Output:
    address = settings.listen, settings.opcua_port if protocol == "opcua" else settings.mtconnect_port
    if protocol == "opcua":
        from pipelines.fleet.live.opcua.output import OpcuaOutput

        return await OpcuaOutput.start(
            plant, faults, *address, since=pace.since, scalar_rate=settings.scalar_rate, speed=pace.speed
        )
    if protocol == "mtconnect":
        from pipelines.fleet.live.mtconnect.output import MtconnectOutput

        return await MtconnectOutput.start(
            plant,
            faults,
            *address,
            since=pace.since,
            scalar_rate=settings.scalar_rate,
            buffer_size=settings.buffer_size,
        )
    if protocol == "sparkplug":
        from pipelines.fleet.live.mqtt.sparkplug_publisher import SparkplugPublisher

        return SparkplugPublisher(plant, faults, settings.broker, began=pace.since)
    if protocol == "arrow" and settings.spool is not None:
        from pipelines.fleet.live.mqtt.spooled_publisher import SpooledPublisher

        return SpooledPublisher(plant, faults, settings.broker, settings.spool)
    from pipelines.fleet.live.mqtt.mqtt_publisher import MqttPublisher

    return MqttPublisher(plant, faults, settings.broker, "arrow" if protocol == "arrow" else "json", began=pace.since)
