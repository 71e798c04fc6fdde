"""The plant's MTConnect agent, read over HTTP by a client that parses its XML."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

import httpx
import numpy as np
import pandas as pd
import pytest
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.fleet.live.faults import Fault, FaultPlan, plan_faults
from pipelines.fleet.live.machines.live_plant import CHANNELS, LivePlant, make_live_plant, wear_out
from pipelines.fleet.live.machines.plant_second import plant_second
from pipelines.fleet.live.mtconnect.agent import Agent, make_server
from pipelines.fleet.live.mtconnect.data_items import data_items
from pipelines.fleet.live.mtconnect.observations import Observations

SECOND = 1_795_000_000
NO_FAULTS = plan_faults(0, 0.0)


@dataclass
class _Client:
    http: httpx.Client
    agent: Agent

    def get(self, place: str, status: int = 200, **parameters: Any) -> Element:
        response = self.http.get(place, params=parameters)
        assert response.status_code == status
        assert response.headers["content-type"].startswith("text/xml")
        root = ElementTree.fromstring(response.content)
        for element in root.iter():
            space, _, element.tag = element.tag[1:].partition("}")
            assert space.startswith("urn:mtconnect.org:MTConnect")
        return root


@contextmanager
def _served(plant: LivePlant, faults: FaultPlan = NO_FAULTS, **options: Any) -> Iterator[_Client]:
    agent = Agent(plant, faults, began=SECOND * 1_000_000, **options)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # a client that is faster than the server's start waits in the queue
        server = make_server(agent)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", trust_env=False) as http:
                yield _Client(http, agent)
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


def _header(root: Element) -> dict[str, int]:
    header = root.find("Header")
    assert header is not None
    return {name: int(value) for name, value in header.attrib.items() if value.isdigit()}


def _observations(root: Element) -> list[Element]:
    return sorted(
        (each for each in root.iter() if "dataItemId" in each.attrib), key=lambda each: int(each.attrib["sequence"])
    )


def test_probe_describes_devices_channels_and_units() -> None:
    """Every machine is a device, every channel two data items whose types and units are the standard's."""
    with _served(make_live_plant(7, 3)) as client:
        root = client.get("/probe")
        assert [device.attrib["name"] for device in root.iter("Device")] == ["cnc-001", "cnc-002", "cnc-003"]
        [device] = client.get("/cnc-002/probe").iter("Device")
        assert client.get("/").tag == root.tag == "MTConnectDevices"
        items = {item.attrib["name"]: item.attrib for item in device.iter("DataItem")}
        assert {"availability", "message", *CHANNELS, *(f"{name}_series" for name in CHANNELS)} <= set(items)
        series = items["vibration_x_series"]
        assert (series["type"], series["units"], series["category"]) == ("VELOCITY", "MILLIMETER/SECOND", "SAMPLE")
        assert (series["representation"], series["sampleRate"]) == ("TIME_SERIES", "100")
        assert items["bearing_temperature"]["units"] == "CELSIUS"
        ids = [item.attrib["id"] for item in root.iter("DataItem")]
        assert len(ids) == len(set(ids))


def test_samples_are_what_the_sensors_read() -> None:
    """Reading on from nextSequence, with any count, gives every observation once, the signals bit for bit."""
    plant = make_live_plant(7, 2)
    with _served(plant, scalar_rate=2) as client:
        following, seen = _header(client.get("/current"))["firstSequence"], list[Element]()
        for second in range(SECOND, SECOND + 3):
            client.agent.take(plant_second(plant, second))
            while True:
                root = client.get("/sample", **{"from": following, "count": 7})
                following = _header(root)["nextSequence"]
                new = _observations(root)
                seen += new
                if not new:
                    break
        assert [int(each.attrib["sequence"]) for each in seen] == list(
            range(1, client.agent.observations.next_sequence)
        )
        series = [
            each
            for each in seen
            if each.attrib["dataItemId"] == "cnc-002_feed_force_series" and each.text != "UNAVAILABLE"
        ]
        assert [each.tag for each in series] == ["LinearForceTimeSeries"] * 3
        readings = [[float(word) for word in (each.text or "").split()] for each in series]
        channel = CHANNELS.index("feed_force")
        expected = np.array([plant_second(plant, second).readings[1, channel] for second in range(SECOND, SECOND + 3)])
        np.testing.assert_array_equal(readings, expected)
        last = pd.Timestamp(SECOND, unit="s", tz="UTC") + pd.Timedelta("990ms")
        assert pd.Timestamp(series[0].attrib["timestamp"]) == last
        assert (series[0].attrib["sampleCount"], series[0].attrib["duration"]) == ("100", "0.99")
        single = [each for each in seen if each.attrib["dataItemId"] == "cnc-002_feed_force"][1:]
        shown = dict(
            zip(
                (pd.Timestamp(each.attrib["timestamp"]) for each in single),
                (float(each.text or "") for each in single),
                strict=True,
            )
        )
        halves = {
            pd.Timestamp(SECOND * 1000 + half * 500, unit="ms", tz="UTC"): expected[half // 2, half % 2 * 50]
            for half in range(6)
        }
        assert shown.items() <= halves.items()
        assert len(shown) == 1 + sum(
            left != right for left, right in zip(list(halves.values()), list(halves.values())[1:], strict=False)
        )


def test_a_device_s_own_stream_has_nothing_of_the_others() -> None:
    """`/cnc-002/sample` counts its own observations only, and nextSequence still leads on through all."""
    plant = make_live_plant(7, 3)
    with _served(plant) as client:
        client.agent.take(plant_second(plant, SECOND))
        root = client.get("/cnc-002/sample", count=20)
        assert {each.attrib["dataItemId"].partition("_")[0] for each in _observations(root)} == {"cnc-002"}
        assert len(_observations(root)) == 20
        assert _header(root)["nextSequence"] == int(_observations(root)[-1].attrib["sequence"]) + 1
        [stream] = client.get("/cnc-002/current").iter("DeviceStream")
        assert stream.attrib["name"] == "cnc-002"


def test_the_buffer_is_bounded_and_says_so() -> None:
    """The oldest observations make room: to ask for them is OUT_OF_RANGE, and current knows the state all the same."""
    plant = make_live_plant(7, 1)
    with _served(plant, buffer_size=50) as client:
        for second in range(SECOND, SECOND + 20):
            client.agent.take(plant_second(plant, second))
        header = _header(client.get("/sample"))
        assert header["bufferSize"] == 50
        assert header["lastSequence"] - header["firstSequence"] + 1 == 50
        assert header["firstSequence"] > 1
        for out_of_range in (header["firstSequence"] - 1, header["lastSequence"] + 2, -1):
            root = client.get("/sample", 400, **{"from": out_of_range})
            assert root.tag == "MTConnectError"
            assert [error.attrib["errorCode"] for error in root.iter("Error")] == ["OUT_OF_RANGE"]
        assert not _observations(client.get("/sample", **{"from": header["lastSequence"] + 1}))
        current = {each.attrib["dataItemId"]: each for each in _observations(client.get("/current"))}
        assert current["cnc-001_availability"].text == "AVAILABLE"
        assert int(current["cnc-001_availability"].attrib["sequence"]) < header["firstSequence"]
        assert len(current) == len(client.agent.observations.items)
        earlier = _observations(client.get("/current", at=header["firstSequence"]))
        assert max(int(each.attrib["sequence"]) for each in earlier) == header["firstSequence"]


@pytest.mark.parametrize(
    ("place", "parameters", "status", "code"),
    [
        ("/sample", {"count": 0}, 400, "OUT_OF_RANGE"),
        ("/sample", {"count": 10**7}, 400, "OUT_OF_RANGE"),
        ("/sample", {"count": "many"}, 400, "QUERY_ERROR"),
        ("/sample", {"from": "9" * 50}, 400, "QUERY_ERROR"),
        ("/sample", {"form": 1}, 400, "QUERY_ERROR"),
        ("/sample", {"interval": 100}, 400, "UNSUPPORTED"),
        ("/current", {"at": 10**6}, 400, "OUT_OF_RANGE"),
        ("/current", {"path": "//Axes"}, 400, "UNSUPPORTED"),
        ("/cnc-009/current", {}, 404, "NO_DEVICE"),
        ("/assets", {}, 404, "INVALID_URI"),
    ],
)
def test_a_wrong_request_gets_an_error_document(
    agent: _Client, place: str, parameters: dict[str, Any], status: int, code: str
) -> None:
    """With the standard's code and what was found."""
    root = agent.get(place, status, **parameters)
    [error] = root.iter("Error")
    assert error.attrib["errorCode"] == code
    assert error.text
    assert _header(root)["instanceId"] == agent.agent.observations.instance


@pytest.fixture(scope="module")
def agent() -> Iterator[_Client]:
    with _served(make_live_plant(7, 1)) as client:
        yield client


def test_what_is_unavailable_is_no_number() -> None:
    """A fault, and a repair, make every channel UNAVAILABLE; a message event says since when the machine stands."""
    plant, done = make_live_plant(7, 1), list[Fault]()
    faults = plan_faults(3, 1.0, ["unavailable"], done.append)
    wear_out(plant, "cnc-001", pd.Timestamp(SECOND, unit="s", tz="UTC"), pd.Timedelta("3s"))
    with _served(plant, faults) as client:
        client.agent.take(plant_second(plant, SECOND))
        current = {each.attrib["dataItemId"]: each for each in _observations(client.get("/current"))}
        assert current["cnc-001_availability"].text == "AVAILABLE"
        assert {current[f"cnc-001_{name}_series"].text for name in CHANNELS} == {"UNAVAILABLE"}
        assert current["cnc-001_feed_force_series"].attrib["sampleCount"] == "0"
        assert [(fault.over, fault.kind, fault.second) for fault in done] == [("mtconnect", "unavailable", SECOND)]
        for second in (SECOND + 1, SECOND + 2, SECOND + 3):
            client.agent.take(plant_second(plant, second))
        current = {each.attrib["dataItemId"]: each for each in _observations(client.get("/current"))}
        assert current["cnc-001_availability"].text == "UNAVAILABLE"
        assert "repair" in (current["cnc-001_message"].text or "")
        assert pd.Timestamp(current["cnc-001_message"].attrib["timestamp"]).timestamp() == SECOND + 3


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 30),
    added=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60),
    count=st.integers(1, 9),
)
def test_the_buffer_loses_nothing_but_the_oldest(size: int, added: list[tuple[int, int, int]], count: int) -> None:
    """Read with any count it gives the newest once, in order; its state at any number is the fold of all until then."""
    observations = Observations(("a", "b"), data_items(scalars=False)[:3], size)
    state: dict[tuple[int, int], str] = {}
    states = []
    for now, (device, item, value) in enumerate(added):
        observations.add(device, item, now, str(value))
        if state.get((device, item)) != str(value):
            state = {**state, (device, item): str(value)}
            states.append(state)
    assert observations.last_sequence == len(states)
    following, read = observations.first_sequence, list[int]()
    while following < observations.next_sequence:
        chosen, following = observations.read(following, count, range(2))
        read += [each.sequence for each in chosen]
    assert read == list(range(max(1, len(states) - size + 1), len(states) + 1))
    for at in read:
        assert {(each.device, each.item): each.value for each in observations.state(at)} == states[at - 1]


def test_an_agent_that_starts_again_has_another_instance() -> None:
    """Its numbers begin again, which instanceId says."""
    plant = make_live_plant(7, 1)
    agents = [Agent(plant, NO_FAULTS, began=SECOND * 1_000_000) for _ in range(2)]
    assert agents[0].observations.instance < agents[1].observations.instance
