"""The network between an edge and the broker is cut: nothing is lost, nothing doubled, and no gap is noted."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from data_contracts.streams.stream_gaps import read_gaps
from data_contracts.tables import tables
from pipelines.live.broker.start_broker import MosquittoProcess, free_port
from tests import live_broker, separate_network
from tests.live_ingester import wait_for
from tests.live_presses import PRESS, ROWS, START_US, configure_listener, press_workspace, start_listener
from tests.separate_network import SeparateNetwork

pytestmark = pytest.mark.verify
ASSETS = [f"press-{number:02d}" for number in range(50)]
KEEP_ALIVE_S = 2
_EDGE = """
import json, sys, threading, time
from pathlib import Path
import pandas as pd
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.edge.edge import open_edge
from pipelines.live.edge.edge_settings import SendingSettings, SpoolSettings
from tests.live_presses import press_rows
host, port, keep_alive, folder, start, *assets = sys.argv[1:]
broker = BrokerSettings(host, int(port), keep_alive_s=int(keep_alive))
sending = SendingSettings(reconnect_within=pd.Timedelta("1s"))
with open_edge(broker, SpoolSettings(folder=Path(folder)), client_id="edge", sending=sending) as edge:
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    number = 0
    while not stop.wait(0.2):
        for asset in assets:
            edge.put(asset, "press", press_rows(number, start_us=int(start)), plant="p1")
        number += 1
        counts = edge.counts()
        print(number, counts.confirmed, counts.connections, int(counts.connected), flush=True)
    edge.wait_until_confirmed(60)
    print(json.dumps({"numbers": number, **edge.counts().to_dict()}), flush=True)
"""


class EdgeProcess:
    """An edge in a network of its own; what it says of itself is read in the background."""

    def __init__(self, network: SeparateNetwork, broker: MosquittoProcess, folder: Path) -> None:
        words = [network.here_address, str(broker.port), str(KEEP_ALIVE_S), str(folder), str(START_US), *ASSETS]
        self.process = subprocess.Popen(
            [*network.command, sys.executable, "-c", _EDGE, *words],
            stdin=subprocess.PIPE,
            stdout=(folder.parent / "edge.out").open("wb"),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )
        self._out = folder.parent / "edge.out"

    @property
    def state(self) -> tuple[int, ...]:
        """Return how many messages each asset has, how many are confirmed, connections, and whether it is connected."""
        lines = self._out.read_text().split("\n")
        return tuple(map(int, lines[-2].split())) if len(lines) > 1 else (0, 0, 0, 0)

    def finish(self) -> dict[str, int]:
        """Let it end; return what it did."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(240) == 0
        counts: dict[str, int] = json.loads(self._out.read_text().splitlines()[-1])
        return counts


@pytest.fixture
def network() -> Iterator[SeparateNetwork]:
    reason = live_broker.why_not() or separate_network.why_not()
    if reason is not None:
        pytest.skip(reason)
    with separate_network.separate_network() as network:
        yield network


def test_the_network_is_cut_twice(tmp_path: Path, network: SeparateNetwork) -> None:
    """Once until both sides have given the connection up, once so shortly that it lasts; under load of 50 machines."""
    (tmp_path / "broker").mkdir()
    broker = MosquittoProcess(tmp_path / "broker", free_port(), network.here_address)
    broker.start()
    workspace = press_workspace(tmp_path / "ws")
    configure_listener(workspace, broker)
    listener = start_listener(workspace)
    edge = EdgeProcess(network, broker, tmp_path / "spool")
    try:
        wait_for(lambda: edge.state[1] > 100, 180)
        network.pull()
        wait_for(lambda: not edge.state[3], 120)
        time.sleep(5)
        before = edge.state
        network.plug()
        wait_for(lambda: edge.state[1] > before[1] + 100, 180)
        connections = edge.state[2]
        network.pull(there=True)
        time.sleep(KEEP_ALIVE_S / 2)
        before = edge.state
        network.plug(there=True)
        wait_for(lambda: edge.state[1] > before[1] + 100, 180)
        counts = edge.finish()
    finally:
        edge.process.kill()
        listener.send_signal(signal.SIGTERM)
        ended = listener.wait(180)
        broker.stop()
    assert ended == 0
    assert (counts["pending"], counts["dropped"], counts["failures"]) == (0, 0, 0)
    assert connections == 2
    assert counts["connections"] == connections
    rows = tables.read(workspace, PRESS.table)
    times = START_US + np.arange(counts["numbers"] * ROWS) * 10_000
    for asset, own in rows.groupby("asset"):
        stored = np.sort(own["event_time"].astype("int64").to_numpy())
        np.testing.assert_array_equal(stored, times, err_msg=str(asset))
    assert sorted(rows["asset"].unique()) == ASSETS
    assert set(read_gaps(workspace)["kind"]) == {"start"}
