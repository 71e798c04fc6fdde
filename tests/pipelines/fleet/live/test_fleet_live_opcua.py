"""The plant's OPC-UA server, read by a real client."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from asyncua import Client, ua
from asyncua.common.node import Node

from data_contracts.contract.twins import load_twin
from pipelines.fleet.live.faults import OPCUA_KINDS, Fault, FaultPlan, plan_faults
from pipelines.fleet.live.machines.live_plant import CHANNELS, LivePlant, make_live_plant, wear_out
from pipelines.fleet.live.machines.plant_second import plant_second
from pipelines.fleet.live.opcua.plant_server import INTERVAL, NAMESPACE, PlantServer, make_plant_server

SECOND = 1_795_000_000


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def _served(
    plant: LivePlant, faults: FaultPlan, rate: int = 10
) -> AsyncIterator[tuple[PlantServer, Client, int]]:
    endpoint = f"opc.tcp://127.0.0.1:{_free_port()}/plant"
    made = await make_plant_server(plant, faults, endpoint, began=SECOND * 1_000_000, scalar_rate=rate)
    async with made.server, Client(endpoint) as client:
        yield made, client, await client.get_namespace_index(NAMESPACE)


async def _children(node: Node) -> dict[str, Node]:
    return {(await child.read_browse_name()).Name: child for child in await node.get_children()}


def test_a_client_finds_machines_channels_and_units() -> None:
    """By browsing: plants, machines of the twin's type, each channel with its unit, both single and as an array."""

    async def browse() -> None:
        plant = make_live_plant(7, 6)
        async with _served(plant, plan_faults(0, 0.0)) as (_, client, _):
            folders = await _children(client.nodes.objects)
            assert set(plant.plants) <= set(folders)
            machines = await _children(folders[plant.plants[5]])
            assert list(machines) == ["cnc-006"]
            kind = client.get_node(await machines["cnc-006"].read_type_definition())
            assert (await kind.read_browse_name()).Name == "cnc_signals"
            variables = await _children(machines["cnc-006"])
            for channel in load_twin("cnc_signals").channels:
                for name in (channel.name, f"{channel.name}_samples"):
                    properties = await _children(variables[name])
                    unit = await properties["EngineeringUnits"].read_value()
                    assert unit.DisplayName.Text == channel.unit
                    assert unit.UnitId > 0
                assert await properties["SampleInterval"].read_value() == INTERVAL == 10.0
            before = await variables["spindle_speed"].read_data_value(raise_on_bad_status=False)
            assert before.StatusCode.value == ua.StatusCodes.BadOutOfService

    asyncio.run(browse())


def test_a_subscriber_receives_what_the_sensors_read() -> None:
    """Arrays with the time of their first reading, scalars with their own; bit for bit the plant's signals."""

    class Received:
        def __init__(self) -> None:
            self.changes: list[tuple[str, datetime, object]] = []

        def datachange_notification(self, node: Node, value: object, data: object) -> None:
            item = data.monitored_item.Value  # type: ignore[attr-defined]
            if item.StatusCode.is_good():
                self.changes.append((str(node.nodeid.Identifier), item.SourceTimestamp, value))

    async def subscribe() -> None:
        plant, received = make_live_plant(7, 2), Received()
        async with _served(plant, plan_faults(0, 0.0)) as (made, client, index):
            nodes = [
                client.get_node(ua.NodeId(f"cnc-002/{name}", index)) for name in ("vibration_x", "vibration_x/samples")
            ]
            subscription = await client.create_subscription(20, received)
            await subscription.subscribe_data_change(nodes, queuesize=100, sampling_interval=0.0)
            for second in range(SECOND, SECOND + 3):
                await made.write(plant_second(plant, second), spread=0.2)
            ends = time.monotonic() + 60
            while len(received.changes) < 3 * (1 + 10) and time.monotonic() < ends:
                await asyncio.sleep(0.05)
        expected = [plant_second(plant, second).readings[1, 0] for second in range(SECOND, SECOND + 3)]
        arrays = [(time, value) for name, time, value in received.changes if name.endswith("/samples")]
        assert [time.replace(tzinfo=UTC).timestamp() for time, _ in arrays] == [SECOND, SECOND + 1, SECOND + 2]
        np.testing.assert_array_equal([value for _, value in arrays], expected)
        scalars = [(time, value) for name, time, value in received.changes if not name.endswith("/samples")]
        np.testing.assert_array_equal([value for _, value in scalars], np.concatenate(expected)[::10])
        times = np.array([time.replace(tzinfo=UTC).timestamp() for time, _ in scalars])
        np.testing.assert_allclose(times, SECOND + np.arange(30) / 10, atol=1e-6)

    asyncio.run(subscribe())


def test_faults_are_what_a_client_sees() -> None:
    """Each kind of fault arrives as such, at the machine and channel that the plan says."""
    codes = {"bad": ua.StatusCodes.BadSensorFailure, "uncertain": ua.StatusCodes.UncertainSensorNotAccurate}

    async def read() -> None:
        plant = make_live_plant(7, 1)
        async with _served(plant, plan_faults(0, 0.0), rate=1) as (made, client, index):
            for second, kind in enumerate(OPCUA_KINDS, SECOND):
                done = list[Fault]()
                made.faults = plan_faults(3, 1.0, [kind], done.append)
                await made.write(plant_second(plant, second))
                [fault] = done
                assert (fault.over, fault.asset, fault.kind, fault.second) == ("opcua", "cnc-001", kind, second)
                node = client.get_node(ua.NodeId(f"cnc-001/{fault.channel or CHANNELS[0]}/samples", index))
                value = await node.read_data_value(raise_on_bad_status=False)
                if kind == "lost":  # what was there before is there still
                    assert value.StatusCode.value == ua.StatusCodes.BadOutOfService
                    continue
                assert value.StatusCode.value == codes.get(kind, ua.StatusCodes.Good)
                time = value.SourceTimestamp.replace(tzinfo=UTC).timestamp()
                assert time == second + (3600 if kind == "clock_ahead" else 0)
                if kind in ("bad", "nan"):
                    assert value.Value.Value is None if kind == "bad" else np.isnan(value.Value.Value[0])

    asyncio.run(read())


def test_a_machine_under_repair_is_bad() -> None:
    """A machine that has failed says so by its status, and runs again after the repair."""

    async def read() -> None:
        plant = make_live_plant(7, 1)
        wear_out(plant, "cnc-001", pd.Timestamp(SECOND, unit="s", tz="UTC"), pd.Timedelta("2s"))
        async with _served(plant, plan_faults(0, 0.0), rate=1) as (made, client, index):
            node = client.get_node(ua.NodeId("cnc-001/vibration_y", index))
            codes = []
            for second in (SECOND + 1, SECOND + 2, SECOND + 3, SECOND + 2 + 1800):
                await made.write(plant_second(plant, second))
                codes.append((await node.read_data_value(raise_on_bad_status=False)).StatusCode.value)
            assert codes == [ua.StatusCodes.Good, *[ua.StatusCodes.BadOutOfService] * 2, ua.StatusCodes.Good]

    asyncio.run(read())
