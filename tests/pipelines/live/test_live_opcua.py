"""The OPC-UA bridge, against a real server: what it reads, what its mapping refuses, and what an outage costs."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("asyncua", reason="the extra forewarn[live] is not installed")

from asyncua import ua

from data_contracts.errors import StorageError, UsageError
from pipelines.live.bridging.assembly import Assembler, AssemblyRules, Hole
from pipelines.live.broker.start_broker import free_port
from pipelines.live.opcua.draft import browse_draft
from pipelines.live.opcua.opcua_settings import OpcuaMapping, OpcuaServerSection, read_opcua_mapping
from pipelines.live.opcua.opcua_source import OpcuaSource
from tests.live_ingester import wait_for
from tests.live_sources import Reading, running
from tests.opcua_server import URI, OpcuaTestServer, make_client_certificate, running_opcua_server
from tests.tcp_proxy import running_proxy

START = 1_900_000_000_000_000  # later than the values that the server begins with
SCALARS = """
plant = "plant-01"
[server]
endpoint = "{endpoint}"
publishing_interval = "100ms"
reconnect_within = "1s"
{server}
[spool]
folder = "spool"
[[machines]]
assets = ["press-1", "press-2"]
asset_type = "press"
queue_size = {queue}
[machines.nodes]
force = "nsu=urn:forewarn:test;s={{asset}}/force"
speed = "/Objects/2:{{asset}}/2:speed"
[machines.units]
force = "{unit}"
"""
ARRAYS = """
plant = "plant-01"
[server]
endpoint = "{endpoint}"
publishing_interval = "100ms"
reconnect_within = "1s"
[spool]
folder = "spool"
[[machines]]
assets = ["press-1"]
asset_type = "press"
read = "arrays"
sampling_interval = "10ms"
[machines.nodes]
force = "nsu=urn:forewarn:test;s={{asset}}/force_samples"
speed = "nsu=urn:forewarn:test;s={{asset}}/speed_samples"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[OpcuaTestServer]:
    with running_opcua_server() as server:
        yield server


def _mapping(folder: Path, text: str, **values: Any) -> OpcuaMapping:
    file = folder / "map.toml"
    file.write_text(text.format(**{"server": "", "queue": 100, "unit": "kN", **values}))
    return read_opcua_mapping(file)


@contextmanager
def _reading(mapping: OpcuaMapping, **rules: Any) -> Iterator[Reading]:
    holes: list[Hole] = []
    assembler = Assembler(
        mapping.channels,
        AssemblyRules(patience=0.3, **rules),
        on_hole=holes.append,
        clock=time.monotonic,
        now=lambda: 2 * START * 1000,
    )
    reading = Reading(OpcuaSource(mapping, assembler), assembler, holes)
    with running(reading):
        wait_for(lambda: reading.source.counts["connections"] == 1)
        wait_for(lambda: assembler.readings > 0 or reading.source.counts["empty_arrays"] > 0)
        time.sleep(1)
        reading.take()
        reading.batches.clear()
        yield reading


def test_scalars_become_rows_with_their_source_times(tmp_path: Path, server: OpcuaTestServer) -> None:
    """Values at the same source time share a row; one that stays the same is a reading all the same."""
    with _reading(_mapping(tmp_path, SCALARS, endpoint=server.endpoint)) as reading:
        for number in range(20):
            for channel, value in (("force", 5.0), ("speed", float(number))):
                server.write("press-1", channel, START + number * 100_000, value)
        wait_for(lambda: len(reading.column("press-1", "speed")) == 20)
    assert reading.column("press-1", "force") == [5.0] * 20
    assert reading.column("press-1", "speed") == [float(number) for number in range(20)]
    times = [each.value for _, rows in reading.batches for each in rows.column("event_time")]
    assert times == [START + number * 100_000 for number in range(20)]


def test_a_status_makes_a_reading_null(tmp_path: Path, server: OpcuaTestServer) -> None:
    """Bad is never a number; uncertain is one only where the qualities are sent beside it."""
    statuses = (ua.StatusCodes.Good, ua.StatusCodes.UncertainSensorNotAccurate, ua.StatusCodes.BadSensorFailure)
    columns = []
    for round_number, qualities in enumerate((False, True)):
        with _reading(_mapping(tmp_path, SCALARS, endpoint=server.endpoint), qualities=qualities) as reading:
            for number, status in enumerate(statuses):
                time_at = START + (1000 + 10 * round_number + number) * 1_000_000
                server.write("press-1", "force", time_at, float(number), status)
            wait_for(lambda: len(reading.column("press-1", "force")) == 3)
            columns.append(reading.column("press-1", "force"))
    assert columns == [[0.0, None, None], [0.0, 1.0, None]]
    assert reading.column("press-1", "force__quality") == ["good", "uncertain", "bad"]
    assert reading.column("press-1", "speed__quality") == [None, None, None]


def test_arrays_become_rows_at_their_interval(tmp_path: Path, server: OpcuaTestServer) -> None:
    """An array is the values from its source time on; a missing second is a gap, a machine that is off is none."""
    with _reading(_mapping(tmp_path, ARRAYS, endpoint=server.endpoint)) as reading:
        values = np.arange(100.0)
        for second in (0, 1, 3):
            for channel in ("force", "speed"):
                server.write("press-1", f"{channel}_samples", START + second * 1_000_000, (values + second).tolist())
        server.write("press-1", "force_samples", START + 4_000_000, [], ua.StatusCodes.BadOutOfService)
        server.write("press-1", "speed_samples", START + 4_000_000, [], ua.StatusCodes.BadOutOfService)
        for channel in ("force", "speed"):
            server.write("press-1", f"{channel}_samples", START + 60_000_000, values.tolist())
        wait_for(lambda: sum(rows.num_rows for _, rows in reading.take()) == 400)
    assert [rows.num_rows for _, rows in reading.batches] == [100] * 4
    assert reading.column("press-1", "force")[:200] == [*values, *(values + 1)]
    first = reading.batches[0][1].column("event_time")
    assert [each.value - START for each in first][:3] == [0, 10_000, 20_000]
    assert [(hole.asset, hole.first_time, hole.last_time) for hole in reading.holes] == [
        ("press-1", START + 1_990_000, START + 3_000_000)
    ]


def test_a_short_cut_loses_nothing(tmp_path: Path, server: OpcuaTestServer) -> None:
    """While the connection is gone the server keeps what the queue holds, and the bridge fetches it: no gap."""
    with running_proxy(server.port) as proxy:
        endpoint = f"opc.tcp://127.0.0.1:{proxy.port}/test"
        with _reading(_mapping(tmp_path, SCALARS, endpoint=endpoint)) as reading:
            base = START + 2_000_000_000
            for number in range(60):
                if number == 20:
                    wait_for(lambda: len(reading.column("press-2", "speed")) == 20)
                    proxy.cut()
                if number == 50:
                    proxy.restore()
                for channel in ("force", "speed"):
                    server.write("press-2", channel, base + number * 100_000, float(number))
            wait_for(lambda: len(reading.column("press-2", "speed")) == 60)
        assert reading.column("press-2", "speed") == [float(number) for number in range(60)]
        assert reading.source.counts["connections"] == 1
        assert reading.holes == []


def test_an_outage_longer_than_the_queue_is_a_gap(tmp_path: Path, server: OpcuaTestServer) -> None:
    """The oldest values that the server's queue had no room for are a gap of each machine, with the times around it."""
    with running_proxy(server.port) as proxy:
        endpoint = f"opc.tcp://127.0.0.1:{proxy.port}/test"
        with _reading(_mapping(tmp_path, SCALARS, endpoint=endpoint, queue=10)) as reading:
            base = START + 4_000_000_000
            for number in range(5):
                server.write("press-2", "speed", base + number * 1_000_000, float(number))
            wait_for(lambda: len(reading.column("press-2", "speed")) == 5)
            proxy.cut()
            wait_for(lambda: reading.source.problem != "")
            for number in range(5, 40):
                server.write("press-2", "speed", base + number * 1_000_000, float(number))
            proxy.restore()
            wait_for(lambda: reading.column("press-2", "speed")[-1] == 39.0)
    assert reading.column("press-2", "speed") == [float(number) for number in (*range(5), *range(30, 40))]
    assert [(hole.asset, hole.first_time, hole.last_time) for hole in reading.holes] == [
        ("press-2", base + 4_000_000, base + 30_000_000)
    ]


def test_a_server_that_starts_again_is_read_again(tmp_path: Path) -> None:
    """Its subscription is gone: a new one is made, and what was missed meanwhile is a gap."""
    port = free_port()
    with running_opcua_server(port) as server:
        stack = _reading(_mapping(tmp_path, ARRAYS, endpoint=server.endpoint))
        reading = stack.__enter__()
        values = np.arange(100.0).tolist()
        for channel in ("force", "speed"):
            server.write("press-1", f"{channel}_samples", START, values)
        wait_for(lambda: len(reading.column("press-1", "speed")) == 100)
    with running_opcua_server(port) as server:
        wait_for(lambda: reading.source.counts["connections"] == 2)
        for channel in ("force", "speed"):
            server.write("press-1", f"{channel}_samples", START + 30_000_000, values)
        wait_for(lambda: len(reading.column("press-1", "speed")) == 200)
        stack.__exit__(None, None, None)
    assert [(hole.first_time, hole.last_time) for hole in reading.holes] == [(START + 990_000, START + 30_000_000)]
    assert "subscription" in reading.holes[0].detail


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"unit": "N"}, "is in 'kN', not in 'N'"),
        ({"endpoint": None}, "out of reach"),
        ({"server": 'user = "somebody"'}, ""),
    ],
)
def test_what_the_server_does_not_have_is_refused(
    tmp_path: Path, server: OpcuaTestServer, changes: dict[str, Any], found: str
) -> None:
    """A wrong unit or address ends the first attempt with what was found; a server without users takes any."""
    changes = {"endpoint": server.endpoint, **changes}
    changes["endpoint"] = changes["endpoint"] or f"opc.tcp://127.0.0.1:{free_port()}"
    mapping = _mapping(tmp_path, SCALARS, **changes)
    source = OpcuaSource(mapping, Assembler({}, AssemblyRules(), on_hole=lambda _: None, clock=time.monotonic))
    if not found:
        with pytest.raises(TimeoutError):
            asyncio.run(asyncio.wait_for(source.run(once=True), 1))
        return
    with pytest.raises((UsageError, StorageError), match=found):
        asyncio.run(source.run(once=True))


@pytest.mark.parametrize(
    "node", ["nsu=urn:forewarn:test;s=press-1/no", "nsu=urn:other;s=a", "/Objects/2:press-9/2:speed", "nonsense"]
)
def test_an_unknown_node_is_named(tmp_path: Path, server: OpcuaTestServer, node: str) -> None:
    """Whatever way it is written."""
    text = SCALARS.replace("nsu=urn:forewarn:test;s={{asset}}/force", node)
    source = OpcuaSource(
        _mapping(tmp_path, text, endpoint=server.endpoint),
        Assembler({}, AssemblyRules(), on_hole=lambda _: None, clock=time.monotonic),
    )
    with pytest.raises(UsageError, match=node.rpartition("=")[2].split("/")[-1] if "other" not in node else "other"):
        asyncio.run(source.run(once=True))


def test_a_draft_is_a_mapping_that_reads(tmp_path: Path, server: OpcuaTestServer) -> None:
    """Browsing names every variable of numbers, alike machines together; the draft can be run as it is."""
    draft = asyncio.run(browse_draft(OpcuaServerSection(endpoint=server.endpoint)))
    assert (draft.counts["machines"], draft.counts["variables"]) == (2, 8)
    file = tmp_path / "draft.toml"
    file.write_text(draft.text)
    mapping = read_opcua_mapping(file)
    scalars = next(group for group in mapping.machines if group.read == "scalars")
    assert scalars.assets == ("press-1", "press-2")
    assert scalars.nodes["force"] == f"nsu={URI};s={{asset}}/force"
    assert scalars.units == {"force": "kN", "speed": "rpm"}
    with _reading(mapping) as reading:
        server.write("press-1", "force", START + 9_000_000_000, 7.0)
        wait_for(lambda: 7.0 in reading.column("press-1", "force"))


SECURE = """
security = "Basic256Sha256"
certificate = "{folder}/bridge.der"
key = "{folder}/bridge-key.pem"
server_certificate = "{folder}/{server}"
user = "forewarn"
answer_within = "3s"
password_file = "{folder}/password"
"""


def test_a_server_that_asks_for_certificate_and_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encrypted with the right password it is read; a wrong password, or another server's certificate, is refused."""
    monkeypatch.delenv("FOREWARN_OPCUA_PASSWORD", raising=False)
    asyncio.run(make_client_certificate(tmp_path))
    (tmp_path / "password").write_text("right\n")
    with running_opcua_server(certificates=tmp_path) as secure:
        section = SECURE.format(folder=tmp_path, server="server.der")
        mapping = _mapping(tmp_path, SCALARS, endpoint=secure.endpoint, server=section)
        with _reading(mapping) as reading:
            secure.write("press-1", "force", START, 4.0)
            wait_for(lambda: 4.0 in reading.column("press-1", "force"))
        monkeypatch.setenv("FOREWARN_OPCUA_PASSWORD", "wrong")
        assembler = Assembler({}, AssemblyRules(), on_hole=lambda _: None, clock=time.monotonic)
        with pytest.raises(UsageError, match="refused the bridge"):
            asyncio.run(OpcuaSource(mapping, assembler).run(once=True))
        monkeypatch.delenv("FOREWARN_OPCUA_PASSWORD")
        for server_file in ("bridge.der", "no.der"):
            section = SECURE.format(folder=tmp_path, server=server_file)
            mapping = _mapping(tmp_path, SCALARS, endpoint=secure.endpoint, server=section)
            with pytest.raises((UsageError, StorageError)):
                asyncio.run(OpcuaSource(mapping, assembler).run(once=True))
        plain = _mapping(tmp_path, SCALARS, endpoint=secure.endpoint)
        with pytest.raises((UsageError, StorageError)):
            asyncio.run(OpcuaSource(plain, assembler).run(once=True))
