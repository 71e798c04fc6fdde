"""Publishes the plant's messages as Sparkplug B: an edge node a plant, a device a machine.

Eclipse Sparkplug Specification 3.0.0: births before data, data by alias at QoS 0, one sequence up to 255 a node, the
node's death as the will of its connection, births again where a host asks for them.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from pipelines.fleet.live.faults import MESSAGE_KINDS, FaultPlan
from pipelines.fleet.live.machines.live_plant import ASSET_TYPE, CHANNELS, LivePlant
from pipelines.fleet.live.machines.plant_second import PlantSecond
from pipelines.fleet.live.mqtt.messages import COLUMNS, MessageStream, OutgoingMessage, first_epoch
from pipelines.fleet.live.mqtt.mqtt_publisher import AcknowledgedConnection, damaged
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.sparkplug.certificates import (
    channel_metrics,
    encode_device_birth,
    encode_device_death,
    encode_node_birth,
    encode_node_death,
    is_rebirth,
)
from pipelines.live.payloads.sparkplug.encode import encode_data

PROTOCOL = "sparkplug"
NODE = "gateway"
_SEQUENCE_END = 256
_MILLISECOND = 1_000
_MOST_HELD = 10_000


class SparkplugPublisher:
    """The edge nodes of all plants, each with a connection of its own."""

    def __init__(self, plant: LivePlant, faults: FaultPlan, broker: BrokerSettings, *, began: int) -> None:
        self.over, self.sent = PROTOCOL, 0
        epoch = first_epoch(plant, began)
        self._stream = MessageStream(plant, faults, PROTOCOL, MESSAGE_KINDS, epoch, numbered=False)
        by_plant: dict[str, list[str]] = {}
        for asset, name in zip(plant.assets, plant.plants, strict=True):
            by_plant.setdefault(name, []).append(asset)
        self._nodes = {name: EdgeNode(broker, name, assets, epoch) for name, assets in by_plant.items()}
        self._plant = plant

    async def send(self, second: PlantSecond) -> None:
        """Publish a second's messages, with what births and deaths have to come before."""
        running = {self._plant.assets[machine] for machine in second.machines.tolist()}
        for node in self._nodes.values():
            self.sent += node.prepare(running, second.begins)
        for outgoing in self._stream.messages(second):
            self.sent += self._nodes[outgoing.plant].publish(outgoing, running)
        for node in self._nodes.values():
            await node.connection.room()

    async def close(self) -> None:
        """Say that the nodes are gone, and disconnect."""
        for node in self._nodes.values():
            node.die()
            await node.connection.close()


class EdgeNode:
    """One edge node: its births, its sequence and its devices."""

    def __init__(self, broker: BrokerSettings, group: str, devices: Sequence[str], epoch: int) -> None:
        self._group, self._devices = group, devices
        self._death_number = epoch % _SEQUENCE_END
        self._numbers = count()
        self._birth_time = 0
        self._born = set[str]()  # devices with a birth and no death since
        self._birth_is_due = True  # set by the connection's thread too
        self._held = deque[OutgoingMessage](maxlen=_MOST_HELD)  # what is read while there is no connection
        self.connection = AcknowledgedConnection(
            broker,
            f"forewarn-plant-{group}-{epoch}",
            on_message=self._commanded,
            on_connect=self._connected,
            will=(self._topic("NDEATH"), encode_node_death(self._death_number)),
            will_retained=False,
        )

    @property
    def is_born(self) -> bool:
        """Whether hosts know the births that data go by."""
        return self.connection.connected and not self._birth_is_due

    def prepare(self, running: set[str], now: int) -> int:
        """Send the births that are due, then what waited for them, and the deaths of devices that stand.

        Return how many messages of data were sent.
        """
        if not self.connection.connected:
            return 0
        if self._birth_is_due:
            self._send_births(running, now)
            held, self._held = self._held, deque[OutgoingMessage](maxlen=_MOST_HELD)
            late = [replace(each, message=replace(each.message, historical=True)) for each in held]
            return sum(self.publish(each, running) for each in late if each.message.asset in self._born)
        for device in self._devices:
            if device in running and device not in self._born:
                self._send_device_birth(device, now)
            elif device in self._born and device not in running:
                self._born.discard(device)
                self._send(self._topic("DDEATH", device), encode_device_death(now, self._number()))
        return 0

    def publish(self, outgoing: OutgoingMessage, running: set[str]) -> int:
        """Publish a device's data as whole and as often as its fault says; return how often."""
        message = outgoing.message
        if not self.is_born:
            self._held.append(outgoing)
            return 0
        if outgoing.fault == "restarted":
            self._send_births(running, message.sent - 1_000_000)
        payloads = damaged(encode_data(message, self._aliases(message.asset), self._number()), outgoing)
        for payload in payloads:
            self._send(self._topic("DDATA", message.asset), payload)
        return len(payloads)

    def die(self) -> None:
        """Say that the node is gone."""
        self._send(self._topic("NDEATH"), encode_node_death(self._death_number))

    def _send_births(self, running: set[str], now: int) -> None:
        # Hosts tell births apart by their time.
        self._birth_time = max(now, self._birth_time + _MILLISECOND)
        self._numbers, self._birth_is_due = count(), False
        self._born.clear()
        birth = encode_node_birth(self._birth_time, self._death_number, self._number())
        self._send(self._topic("NBIRTH"), birth)
        for device in self._devices:
            if device in running:
                self._send_device_birth(device, now)

    def _send_device_birth(self, device: str, now: int) -> None:
        metrics = channel_metrics(COLUMNS, ASSET_TYPE, self._devices.index(device) * len(CHANNELS))
        self._send(self._topic("DBIRTH", device), encode_device_birth(now, self._number(), metrics))
        self._born.add(device)

    def _aliases(self, device: str) -> dict[str, int]:
        first = self._devices.index(device) * len(CHANNELS)
        return {name: first + number for number, name in enumerate(CHANNELS)}

    def _connected(self, client: Any) -> None:
        """Subscribe to commands. Births are due: the broker has published the will of a connection that broke."""
        client.subscribe(f"spBv1.0/{self._group}/NCMD/{NODE}", qos=1)
        self._birth_is_due = True

    def _commanded(self, _: Any, message: Any) -> None:
        """Send births with the next second, if that is the command; it arrives in the connection's own thread."""
        try:
            if is_rebirth(bytes(message.payload)):
                self._birth_is_due = True
        except PayloadError:
            return  # a command that nobody can read asks for nothing

    def _number(self) -> int:
        return next(self._numbers) % _SEQUENCE_END

    def _topic(self, kind: str, device: str = "") -> str:
        return f"spBv1.0/{self._group}/{kind}/{NODE}" + (f"/{device}" if device else "")

    def _send(self, topic: str, payload: bytes) -> None:
        # The death has the quality of service of the will that it replaces.
        self.connection.publish(topic, payload, qos=1 if "/NDEATH/" in topic else 0)
