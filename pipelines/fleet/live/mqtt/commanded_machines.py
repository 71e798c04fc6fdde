"""The plant's machines answer commands: at once, each command once however often it comes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from data_contracts.contract.twins import WritableProperty, load_twin
from pipelines.fleet.live.machines.live_plant import ASSET_TYPE, CHANNELS, LivePlant
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.payloads.commands import CommandAnswer, ReceivedCommand, decode_command, encode_answer
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.topics import DEFAULT_TOPICS

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

_TOPICS = {pattern.kind: pattern for pattern in DEFAULT_TOPICS}
_SETTABLE = {own.name: own for own in load_twin(ASSET_TYPE).writable}


@dataclass
class Machine:
    """What a machine knows of its commands."""

    settings: dict[str, Any] = field(default_factory=dict)  # its set-points by property
    overridden: dict[str, Any] = field(default_factory=dict)  # values that count in place of its sensors'
    latest: dict[str, int] = field(default_factory=dict)  # the number of the last command of each property
    answers: dict[str, CommandAnswer] = field(default_factory=dict)

    def answer(self, command: ReceivedCommand, now_us: int) -> CommandAnswer:
        """Carry a command out, or say why not; the answer to one that came before is the same again."""
        if command.command_id not in self.answers:
            objection = self._objection(command, now_us)
            if objection is None:
                self._carry_out(command)
            self.answers[command.command_id] = CommandAnswer(command.command_id, objection is None, objection)
        return self.answers[command.command_id]

    def _objection(self, command: ReceivedCommand, now_us: int) -> str | None:
        if command.expires_at <= now_us:
            return "the command has expired"
        if command.number < self.latest.get(command.property, 0):
            return "a later command came before"
        if command.kind != "set_point":
            return None if command.property in CHANNELS else f"no such channel: {command.property[:80]}"
        own = _SETTABLE.get(command.property)
        return f"nothing to set: {command.property[:80]}" if own is None else _outside(own, command.value)

    def _carry_out(self, command: ReceivedCommand) -> None:
        self.latest[command.property] = command.number
        if command.kind == "set_point":
            self.settings[command.property] = command.value
        elif command.value is None:
            self.overridden.pop(command.property, None)
        else:
            self.overridden[command.property] = command.value


class CommandedMachines:
    """One connection for all machines, which answers in the client's thread."""

    def __init__(self, plant: LivePlant, clock: Callable[[], int]) -> None:
        self.machines = {asset: Machine() for asset in plant.assets}
        self._clock = clock
        self._client: Client | None = None

    @classmethod
    def start(
        cls, plant: LivePlant, broker: BrokerSettings, *, clock: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> "CommandedMachines":
        """Connect and answer from now on; `clock` gives microseconds since 1970."""
        machines = cls(plant, clock)
        machines._client = connect(
            broker,
            f"forewarn-plant-commands-{plant.seed}-{clock()}",
            on_message=machines.receive,
            on_connect=_subscribe,
        )
        return machines

    def receive(self, client: "Client", message: "MQTTMessage") -> None:
        """Answer a command, where it says; what is none, or of another plant's machine, is left alone."""
        match = _TOPICS["commands"].match(message.topic)
        machine = None if match is None else self.machines.get(match.asset)
        if match is None or machine is None:
            return
        try:
            command = decode_command(bytes(message.payload))
        except PayloadError:
            return
        answer = machine.answer(command, self._clock())
        topic = getattr(message.properties, "ResponseTopic", None)
        client.publish(topic or _TOPICS["acknowledgements"].topic(asset=match.asset), encode_answer(answer), qos=1)

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            disconnect(self._client)


def _subscribe(client: "Client") -> None:
    client.subscribe(_TOPICS["commands"].subscription(), qos=1)


def _outside(own: WritableProperty, value: Any) -> str | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return f"{own.name} takes a number"
    low, high = own.minimum, own.maximum
    outside = (low is not None and value < low) or (high is not None and value > high)
    return f"{own.name} takes {low:g} to {high:g} {own.unit}" if outside else None
