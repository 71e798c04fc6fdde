"""The plant's messages, received by a real client from a real broker."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.fleet.live.faults import CLOCK_ERROR, MESSAGE_KINDS, Fault, plan_faults
from pipelines.fleet.live.machines.live_plant import CHANNELS, LivePlant, make_live_plant
from pipelines.fleet.live.machines.plant_second import plant_seconds
from pipelines.fleet.live.mqtt.messages import first_epoch
from pipelines.fleet.live.outputs import OutputSettings, opened_outputs
from pipelines.fleet.live.run import LiveResult, Pace, run_live
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.start_broker import MosquittoProcess
from pipelines.live.payloads.arrow_payload import decode_arrow
from pipelines.live.payloads.json_payload import decode_json
from pipelines.live.payloads.message import EVENT_TIME, TelemetryMessage
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.schemas import SchemaRegistry
from pipelines.live.payloads.topics import DEFAULT_TOPICS, match_topic
from tests.live_broker import subscribed

SECOND = 1_795_000_000
SECONDS = 40
PACE = Pace(SECOND, SECOND + SECONDS, speed=0.0)


@dataclass
class _Received:
    """What a client received, in order: messages, and topics of payloads that are none."""

    messages: list[TelemetryMessage] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    schemas: SchemaRegistry = field(default_factory=SchemaRegistry)
    count: int = 0

    def take(self, topic: str, payload: bytes) -> None:
        match = match_topic(DEFAULT_TOPICS, topic)
        assert match is not None
        self.count += 1
        try:
            if match.kind == "schemas":
                self.schemas.learn(match.values["id"], payload)
            elif match.kind == "arrow":
                self.messages.append(decode_arrow(payload, match.asset, self.schemas))
            elif match.kind == "json":
                self.messages.append(decode_json(payload, match.asset))
        except PayloadError:
            self.damaged.append(match.asset)

    def of(self, asset: str) -> list[TelemetryMessage]:
        return [message for message in self.messages if message.asset == asset]


@contextmanager
def _listening(broker: BrokerSettings) -> Iterator[_Received]:
    received = _Received()
    with subscribed(broker, "forewarn/#", received.take):
        yield received


def _run(plant: LivePlant, broker: BrokerSettings, over: str, faults: Any = None, pace: Pace = PACE) -> LiveResult:
    plan = faults or plan_faults(0, 0.0)

    async def run() -> LiveResult:
        opened = opened_outputs(plant, plan, pace, OutputSettings(over=(over,), broker=broker))
        return await run_live(plant, pace, opened, plan, asyncio.Event())

    return asyncio.run(run())


def _wait_for(received: _Received, count: int) -> None:
    ends = time.monotonic() + 90
    while received.count < count and time.monotonic() < ends:
        time.sleep(0.02)
    time.sleep(0.2)  # what should not come has a moment to do so
    assert received.count == count


def _values(message: TelemetryMessage) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([message.rows.column(name).to_numpy(zero_copy_only=False) for name in CHANNELS], dtype=np.float64)


@pytest.mark.parametrize("over", ["arrow", "json"])
def test_a_client_receives_every_second_once(mosquitto: MosquittoProcess, over: str) -> None:
    """Messages of each machine count 0, 1, 2, ...; their rows are the plant's signals, bit for bit."""
    plant = make_live_plant(7, 3)
    with _listening(mosquitto.settings) as received:
        result = _run(plant, mosquitto.settings, over)
        _wait_for(received, 3 * SECONDS + (over == "arrow"))
    assert result.to_dict()["sent"] == {over: 3 * SECONDS}
    assert (result.ended, result.faults) == ("time is up", {})
    for machine, asset in enumerate(plant.assets):
        messages = received.of(asset)
        assert [message.sequence for message in messages] == list(range(SECONDS))
        assert {message.epoch for message in messages} == {first_epoch(plant, SECOND)}
        for message, second in zip(messages, plant_seconds(plant, SECOND, SECOND + SECONDS), strict=True):
            np.testing.assert_array_equal(_values(message), second.readings[machine])
            times = message.rows.column(EVENT_TIME).cast("int64").to_numpy()
            np.testing.assert_array_equal(times, second.begins + 10_000 * np.arange(100))
            assert message.sent == second.begins + 1_000_000
            assert message.asset_type == "cnc_signals"


@pytest.mark.parametrize("over", ["arrow", "json"])
def test_faults_are_what_was_printed(mosquitto: MosquittoProcess, over: str) -> None:
    """What a client finds missing, doubled, early, restarted, not a number or unreadable is what the plan did."""
    plant, done = make_live_plant(7, 4), list[Fault]()
    with _listening(mosquitto.settings) as received:
        result = _run(plant, mosquitto.settings, over, plan_faults(11, 0.3, on_fault=done.append))
        lost, doubled = (sum(fault.kind == kind for fault in done) for kind in ("lost", "doubled"))
        _wait_for(received, 4 * SECONDS - lost + doubled + (over == "arrow"))
    assert {fault.kind for fault in done} == set(MESSAGE_KINDS)
    assert sum(result.faults[over].values()) == len(done)
    assert result.sent[over] == 4 * SECONDS - lost + doubled
    for asset in plant.assets:
        expected, damaged = _expected(plant, [fault for fault in done if fault.asset == asset])
        if over == "json":  # a NaN is no JSON
            not_a_number = {
                (fault.epoch, fault.sequence) for fault in done if fault.kind == "nan" and fault.asset == asset
            }
            expected = [each for each in expected if each not in not_a_number]
            damaged += len(not_a_number)
        assert [(message.epoch, message.sequence) for message in received.of(asset)] == expected
        assert received.damaged.count(asset) == damaged
    by_number = {(message.asset, message.epoch, message.sequence): message for message in received.messages}
    for fault in done:
        message = by_number.get((fault.asset, fault.epoch or 0, fault.sequence or 0))
        if fault.kind == "clock_ahead":
            assert message is not None
            assert message.rows.column(EVENT_TIME)[0].cast("int64").as_py() == fault.second * 1_000_000 + CLOCK_ERROR
        if fault.kind == "nan" and over == "arrow":
            assert message is not None
            values = _values(message)
            assert np.argwhere(np.isnan(values)).tolist() == [[CHANNELS.index(fault.channel or ""), 0]]


def _expected(plant: LivePlant, done: Sequence[Fault]) -> tuple[list[tuple[int, int]], int]:
    """Return epoch and sequence of what a machine's readers can read, and how many payloads they cannot."""
    kinds = {fault.second: fault for fault in done}
    epoch, sequence, damaged = first_epoch(plant, SECOND), 0, 0
    numbers: list[tuple[int, int]] = []
    for second in range(SECOND, SECOND + SECONDS):
        fault = kinds.get(second)
        kind = fault.kind if fault else None
        if kind == "restarted":
            epoch, sequence = (second + 1) * 1_000_000, 0
        assert fault is None or (fault.epoch, fault.sequence) == (epoch, sequence)
        numbers += [(epoch, sequence)] * {"lost": 0, "cut_short": 0, "doubled": 2}.get(kind or "", 1)
        damaged += kind == "cut_short"
        sequence += 1
    return numbers, damaged


def test_a_second_run_of_the_same_seconds_sends_the_same(mosquitto: MosquittoProcess) -> None:
    """A plant that begins anew with the same second repeats its messages and faults; another seed has other epochs."""
    runs = []
    for seed in (7, 7, 8):
        with _listening(mosquitto.settings) as received:
            faults = plan_faults(5, 0.2, ["lost", "doubled"])
            _wait_for(received, _run(make_live_plant(seed, 2), mosquitto.settings, "json", faults).sent["json"])
        runs.append(
            [(each.asset, each.epoch, each.sequence, each.sent, _values(each).tobytes()) for each in received.messages]
        )
    assert runs[0] == runs[1]
    assert not {each[1] for each in runs[0]} & {each[1] for each in runs[2]}


def test_in_real_time_a_second_takes_a_second(mosquitto: MosquittoProcess) -> None:
    """Ten times as fast, a second of the plant takes a tenth: none is sent before it is over."""
    plant, began = make_live_plant(7, 2), time.monotonic()
    arrivals: list[float] = []
    with _listening(mosquitto.settings) as received:
        take, received.take = received.take, None  # type: ignore[method-assign,assignment]

        def timed(topic: str, payload: bytes) -> None:
            if topic.startswith("forewarn/json/plant-01/cnc-001"):
                arrivals.append(time.monotonic())
            take(topic, payload)

        received.take = timed  # type: ignore[method-assign]
        began = time.monotonic()
        _run(plant, mosquitto.settings, "json", pace=Pace(SECOND, SECOND + 10, speed=10.0))
        _wait_for(received, 20)
    assert all(arrival - began >= (number + 1) / 10 for number, arrival in enumerate(arrivals))


def test_a_spool_keeps_what_nobody_confirms(mosquitto: MosquittoProcess, tmp_path: Path) -> None:
    """Through an edge, every second arrives under its epoch; unconfirmed it is still there for the next plant."""
    plant, plan, pace = (
        make_live_plant(7, 2),
        plan_faults(5, 0.3, ["lost", "nan"]),
        Pace(SECOND, SECOND + 10, speed=0.0),
    )
    settings = OutputSettings(over=("arrow",), broker=mosquitto.settings, spool=tmp_path / "spool")

    async def run() -> LiveResult:
        return await run_live(plant, pace, opened_outputs(plant, plan, pace, settings), plan, asyncio.Event())

    with _listening(mosquitto.settings) as received:
        asyncio.run(run())
        first = {(each.asset, each.epoch, each.sequence): _values(each) for each in received.messages}
        assert {(asset, sequence) for asset, _, sequence in first} == {
            (asset, sequence) for asset in plant.assets for sequence in range(10)
        }
        assert sum(bool(np.isnan(values).any()) for values in first.values()) == plan.counts["arrow", "nan"] > 0
        assert set(plan.counts) == {("arrow", "nan")}
        received.messages.clear()
        asyncio.run(run())
        again = {(each.asset, each.epoch, each.sequence) for each in received.messages}
        assert set(first) <= again


def test_a_broker_that_is_not_there_is_named() -> None:
    """Nothing is sent, and the address is in the error."""
    from data_contracts.errors import StorageError
    from pipelines.live.broker.start_broker import free_port

    with pytest.raises(StorageError, match="out of reach"):
        _run(make_live_plant(7, 1), BrokerSettings(port=free_port()), "arrow")


def test_results_are_json() -> None:
    """As `--json` prints them."""
    plan = plan_faults(0, 0.0)
    plant = make_live_plant(7, 1)

    async def run() -> LiveResult:
        opened = opened_outputs(plant, plan, PACE, OutputSettings())
        return await run_live(plant, PACE, opened, plan, asyncio.Event())

    assert json.loads(json.dumps(asyncio.run(run()).to_dict()))["since"] == "2026-11-18T11:06:40+00:00"
