"""`forewarn bridge`: from a real server to a real broker, as a process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("asyncua", reason="the extra forewarn[live] is not installed")

from pipelines.live.broker.start_broker import MosquittoProcess, free_port
from tests.live_ingester import Ingester, wait_for
from tests.mtconnect_agent import MtconnectTestAgent, running_agent
from tests.opcua_server import OpcuaTestServer, running_opcua_server

START = 1_900_000_000_000_000
REPOSITORY = Path(__file__).parents[3]
OPCUA = """
plant = "plant-01"
[server]
endpoint = "{endpoint}"
publishing_interval = "100ms"
[broker]
port = {port}
[spool]
folder = "{folder}/spool"
[[machines]]
assets = ["press-1", "press-2"]
asset_type = "press"
read = "arrays"
sampling_interval = "10ms"
[machines.nodes]
force = "nsu=urn:forewarn:test;s={{asset}}/force_samples"
"""
MTCONNECT = """
plant = "plant-01"
[agent]
url = "{url}"
poll = "100ms"
[broker]
port = {port}
[spool]
folder = "{folder}/spool"
[[machines]]
assets = ["mill-1"]
asset_type = "mill"
[machines.data_items]
load = "load"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[OpcuaTestServer]:
    with running_opcua_server() as server:
        yield server


@pytest.fixture
def agent() -> Iterator[MtconnectTestAgent]:
    with running_agent() as agent:
        yield agent


def _process(*words: str) -> "subprocess.Popen[str]":
    code = "import sys; from pipelines.cli import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, "bridge", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def _run(*words: str) -> tuple[int, str, str]:
    process = _process(*words)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def _write(server: OpcuaTestServer, second: int) -> None:
    for asset in ("press-1", "press-2"):
        server.write(asset, "force_samples", START + second * 1_000_000, [float(second)] * 100)


def _map(folder: Path, text: str, **values: Any) -> str:
    file = folder / "map.toml"
    file.write_text(text.format(folder=folder, **values))
    return str(file)


@pytest.mark.slow
def test_a_bridge_carries_machines_to_the_ingester(
    tmp_path: Path, mosquitto: MosquittoProcess, server: OpcuaTestServer
) -> None:
    """SIGTERM ends it in order, with what it has read published or in the spool; the next one sends that first."""
    ingester = Ingester()
    ingester.start(mosquitto.settings)
    mapping = _map(tmp_path, OPCUA, endpoint=server.endpoint, port=mosquitto.port)
    _write(server, 0)
    process = _process("opcua", mapping, "--json")
    # The first message says that it has subscribed.
    wait_for(lambda: len(ingester.messages) == 2, 180)
    for second in range(1, 6):
        _write(server, second)
        time.sleep(0.3)
    wait_for(lambda: sum(map(len, ingester.messages.values())) == 12)
    ingester.confirm_no_more()
    _write(server, 6)
    wait_for(lambda: sum(map(len, ingester.messages.values())) == 14)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    summary = json.loads(out)
    assert (summary["rows"], summary["messages"], summary["gaps"]) == (1400, 14, 0)
    assert summary["edge"]["confirmed"] == 12
    assert summary["edge"]["pending"] == 2
    ingester.confirms = True
    status, out, err = _run("opcua", mapping, "--json", "--for", "10s")
    assert status == 0, err
    summary = json.loads(out)
    assert summary["edge"]["recovered"] == 2
    assert summary["edge"]["pending"] == 0
    ingester.stop()
    values = [
        rows.column("force")[0].as_py() for (asset, _), kept in ingester.messages.items() for rows in
        (message.rows for message in kept) if asset == "press-1"
    ]  # fmt: skip
    assert values[:7] == [float(second) for second in range(7)]


@pytest.mark.slow
def test_a_dry_run_shows_and_sends_nothing(tmp_path: Path, agent: MtconnectTestAgent) -> None:
    """It needs no broker, keeps no spool, and its status is 1 where an asset gave nothing."""
    mapping = _map(tmp_path, MTCONNECT, url=agent.url, port=1)
    status, out, _ = _run("mtconnect", mapping, "--dry-run", "--for", "1s")
    assert status == 1
    assert "no readings of mill-1" in out
    before = len(agent.requests)
    process = _process("mtconnect", mapping, "--dry-run", "--for", "10s", "--json")
    wait_for(lambda: any(request.startswith("/sample") for request in agent.requests[before:]), 180)
    for number in range(3):
        agent.add("mill-1.load", START + number * 1_000_000, str(number))
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    (asset,) = json.loads(out)["assets"]
    assert (asset["topic"], asset["messages"]) == ("forewarn/telemetry/plant-01/mill-1", 3)
    assert asset["columns"]["load"] == {"type": "double", "nulls": 0, "first": 2.0}
    assert not (tmp_path / "spool").exists()


@pytest.mark.slow
def test_drafts_are_printed(agent: MtconnectTestAgent, server: OpcuaTestServer) -> None:
    """From an address alone."""
    status, out, _ = _run("mtconnect", agent.url, "--probe")
    assert (status, out.count("[[machines]]")) == (0, 1)
    status, out, _ = _run("opcua", server.endpoint, "--browse", "--json")
    assert (status, json.loads(out)["machines"]) == (0, 2)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("opcua", "no.toml"), "cannot be read"),
        (("opcua", "MAP", "--for", "soon"), "soon"),
        (("opcua", "WRONG", "--dry-run"), "machines.queue_size is the text 'many'"),
        (("mtconnect", "MAP"), "machines.read is not known"),
        (("opcua", "MAP", "--dry-run"), "out of reach"),
        (("opcua", "opc.tcp://127.0.0.1:{port}", "--browse"), "out of reach"),
    ],
)
@pytest.mark.slow
def test_what_is_wrong_is_said(tmp_path: Path, words: tuple[str, ...], found: str) -> None:
    """With found, expected and a remedy, and no traceback."""
    mapping = _map(tmp_path, OPCUA, endpoint=f"opc.tcp://127.0.0.1:{free_port()}", port=1)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(Path(mapping).read_text().replace('read = "arrays"', 'queue_size = "many"'))
    status, out, err = _run(
        *(word.replace("MAP", mapping).replace("WRONG", str(wrong)).format(port=free_port()) for word in words)
    )
    assert status in (1, 2)
    assert found in err
    assert "expected  one of \n" not in err
    assert "Traceback" not in err + out
