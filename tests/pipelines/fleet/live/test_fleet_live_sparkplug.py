"""The plant's edge nodes, read by a Sparkplug host through a real broker."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipelines.fleet.live.faults import CLOCK_ERROR, Fault, FaultPlan, plan_faults
from pipelines.fleet.live.machines.live_plant import CHANNELS, LivePlant, make_live_plant, wear_out
from pipelines.fleet.live.machines.plant_second import plant_second, plant_seconds
from pipelines.fleet.live.mqtt.sparkplug_publisher import NODE, SparkplugPublisher
from pipelines.fleet.live.outputs import OutputSettings, opened_outputs
from pipelines.fleet.live.run import LiveResult, Pace, run_live
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.broker.start_broker import MosquittoProcess
from pipelines.live.payloads.message import EVENT_TIME, TelemetryMessage
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.sparkplug.certificates import encode_rebirth
from pipelines.live.payloads.sparkplug.host import SparkplugHost, SparkplugSettings
from pipelines.live.payloads.topics import DEFAULT_TOPICS, match_topic
from tests.live_broker import subscribed

SECOND = 1_795_000_000


@dataclass
class _Host:
    """A host that collects what it reads, and the kinds of messages it got."""

    host: SparkplugHost = field(default_factory=lambda: SparkplugHost(SparkplugSettings()))
    messages: list[TelemetryMessage] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    refused: int = 0
    doubled: int = 0
    gaps: int = 0

    def take(self, topic: str, payload: bytes) -> None:
        match = match_topic(DEFAULT_TOPICS, topic)
        assert match is not None
        self.kinds.append(topic.split("/")[2])
        try:
            outcome = self.host.receive(payload, match)
        except PayloadError:
            self.refused += 1
            return
        self.doubled += outcome.duplicate
        self.gaps += outcome.rebirth is not None
        if outcome.message is not None and topic.split("/")[2] == "DDATA":
            self.messages.append(outcome.message)


@contextmanager
def _hosting(broker: BrokerSettings) -> Iterator[_Host]:
    received = _Host()
    with subscribed(broker, "spBv1.0/#", received.take):
        yield received


def _run(plant: LivePlant, broker: BrokerSettings, faults: FaultPlan, seconds: int) -> LiveResult:
    pace = Pace(SECOND, SECOND + seconds, speed=0.0)

    async def run() -> LiveResult:
        opened = opened_outputs(plant, faults, pace, OutputSettings(over=("sparkplug",), broker=broker))
        return await run_live(plant, pace, opened, faults, asyncio.Event())

    return asyncio.run(run())


def _wait_for_deaths(host: _Host, nodes: int) -> None:
    ends = time.monotonic() + 90  # on a new machine the kernels are compiled first
    while host.kinds.count("NDEATH") < nodes and time.monotonic() < ends:
        time.sleep(0.05)


async def _until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        await asyncio.sleep(0.02)


def _values(message: TelemetryMessage) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([message.rows.column(name).to_numpy(zero_copy_only=False) for name in CHANNELS], dtype=np.float64)


def test_a_host_reads_every_machine_of_every_plant(mosquitto: MosquittoProcess) -> None:
    """Births first, then data by alias, bit for bit; seq wraps at 256 without a gap; deaths at the end."""
    plant, seconds = make_live_plant(7, 6), 60
    assert len(set(plant.plants)) == 2
    with _hosting(mosquitto.settings) as host:
        result = _run(plant, mosquitto.settings, plan_faults(0, 0.0), seconds)
        _wait_for_deaths(host, 2)
    assert result.sent == {"sparkplug": 6 * seconds}
    assert (host.refused, host.doubled, host.gaps) == (0, 0, 0)
    assert {kind: host.kinds.count(kind) for kind in set(host.kinds)} == {
        "NBIRTH": 2,
        "DBIRTH": 6,
        "DDATA": 6 * seconds,
        "NDEATH": 2,
    }
    for machine, asset in enumerate(plant.assets):
        messages = [message for message in host.messages if message.asset == asset]
        for message, second in zip(messages, plant_seconds(plant, SECOND, SECOND + seconds), strict=True):
            assert message.asset_type == "cnc_signals"
            np.testing.assert_array_equal(_values(message), second.readings[machine])


def test_faults_are_what_a_host_finds(mosquitto: MosquittoProcess) -> None:
    """Lost messages are gaps of the node, doubled ones duplicates, restarts births, wrong times wrong."""
    plant, done = make_live_plant(7, 3), list[Fault]()
    with _hosting(mosquitto.settings) as host:
        _run(plant, mosquitto.settings, plan_faults(11, 0.3, on_fault=done.append), 60)
        _wait_for_deaths(host, 1)
    kinds = [fault.kind for fault in done]
    assert host.doubled == kinds.count("doubled")
    assert host.refused == kinds.count("cut_short")
    assert host.kinds.count("NBIRTH") == 1 + kinds.count("restarted")
    assert 0 < host.gaps <= kinds.count("lost") + kinds.count("cut_short")
    assert len(host.messages) == 3 * 60 - kinds.count("lost") - kinds.count("cut_short")
    read = {(message.asset, message.rows.column(EVENT_TIME)[0].cast("int64").as_py()) for message in host.messages}
    for fault in done:
        time_ahead = fault.second * 1_000_000 + (CLOCK_ERROR if fault.kind == "clock_ahead" else 0)
        assert ((fault.asset, time_ahead) in read) == (fault.kind not in ("lost", "cut_short"))
    assert sum(bool(np.isnan(_values(message)).any()) for message in host.messages) == kinds.count("nan")


def test_a_machine_under_repair_dies_and_is_born_again(mosquitto: MosquittoProcess) -> None:
    """A device's death as it stops, a birth as it goes on."""
    plant = make_live_plant(7, 1)
    wear_out(plant, "cnc-001", pd.Timestamp(SECOND, unit="s", tz="UTC"), pd.Timedelta("2s"))

    async def run() -> None:
        publisher = SparkplugPublisher(plant, plan_faults(0, 0.0), mosquitto.settings, began=SECOND)
        for second in (SECOND + 1, SECOND + 2, SECOND + 3, SECOND + 1802):
            await publisher.send(plant_second(plant, second))
        await publisher.close()

    with _hosting(mosquitto.settings) as host:
        asyncio.run(run())
        _wait_for_deaths(host, 1)
    assert host.kinds == ["NBIRTH", "DBIRTH", "DDATA", "DDEATH", "DBIRTH", "DDATA", "NDEATH"]
    assert host.refused == host.gaps == 0


def test_a_host_gets_births_when_it_asks(mosquitto: MosquittoProcess) -> None:
    """A host that came late commands a rebirth, and reads from the next second on."""
    plant = make_live_plant(7, 2)

    async def run(host: _Host) -> None:
        publisher = SparkplugPublisher(plant, plan_faults(0, 0.0), mosquitto.settings, began=SECOND)
        await publisher.send(plant_second(plant, SECOND))
        await _until(lambda: len(host.messages) == 2)
        host.host, host.messages = SparkplugHost(SparkplugSettings()), []
        await publisher.send(plant_second(plant, SECOND + 1))
        await _until(lambda: host.refused == 2)
        assert host.messages == []
        client = connect(mosquitto.settings, "asking")
        client.publish(f"spBv1.0/{plant.plants[0]}/NCMD/{NODE}", encode_rebirth(SECOND * 1_000_000), qos=1)
        second = SECOND + 1
        while not host.messages:
            second += 1
            await publisher.send(plant_second(plant, second))
            await _until(lambda: host.kinds.count("DDATA") >= publisher.sent)
        disconnect(client)
        # If the command comes in the middle of a second, what it held up comes with the next one.
        assert {message.asset for message in host.messages} == {"cnc-001", "cnc-002"}
        assert host.messages[-1].rows.column(EVENT_TIME)[0].value // 1_000_000 == second
        await publisher.close()

    with _hosting(mosquitto.settings) as host:
        asyncio.run(run(host))


def test_a_node_is_born_again_after_its_broker_was_gone(mosquitto: MosquittoProcess) -> None:
    """Births come first, then what the machines read meanwhile, as historical, and what they read now."""
    plant, received = make_live_plant(7, 1), list[str]()

    async def run() -> None:
        publisher = SparkplugPublisher(plant, plan_faults(0, 0.0), mosquitto.settings, began=SECOND)
        await publisher.send(plant_second(plant, SECOND))
        mosquitto.kill()
        mosquitto.start()
        with _hosting(mosquitto.settings) as host:
            ends = time.monotonic() + 90
            second = SECOND
            while len(host.messages) < 3 and time.monotonic() < ends:
                second += 1
                await publisher.send(plant_second(plant, second))
                await asyncio.sleep(0.25)
            received.extend(host.kinds[host.kinds.index("NBIRTH") :])
            assert host.refused == 0
            seconds = [message.rows.column(EVENT_TIME)[0].value // 1_000_000 for message in host.messages]
            assert seconds == list(range(SECOND + 1, SECOND + 1 + len(seconds)))
            assert host.messages[0].historical

    asyncio.run(run())
    assert received[:3] == ["NBIRTH", "DBIRTH", "DDATA"]
