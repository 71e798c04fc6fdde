"""Bridge, broker and listener are killed at random under load: what the plant made is stored, once."""

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("defusedxml", reason="the extra forewarn[live] is not installed")

from data_contracts.streams.stream_gaps import read_gaps
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace
from pipelines.fleet.live.machines.live_plant import ASSET_TYPE, CHANNELS, RATE, make_live_plant
from pipelines.fleet.live.machines.plant_second import plant_seconds
from pipelines.live.broker.start_broker import MosquittoProcess, free_port
from tests.live_ingester import wait_for
from tests.live_presses import configure_listener, start_listener, start_process

SEED, MACHINES, KILLS = 7, 50, 20
TABLE = f"telemetry/{ASSET_TYPE}"
SECOND = pd.Timedelta(seconds=1)
_MAPPING = """
plant = "plant-01"
[agent]
url = "http://127.0.0.1:{agent}"
poll = "200ms"
[broker]
port = {broker}
[spool]
folder = "{folder}"
segment_mb = 2
[sending]
reconnect_within = "1s"
[[machines]]
assets = [{assets}]
asset_type = "{asset_type}"
[machines.data_items]
{items}
"""


@dataclass
class Plant:
    """Machines with their agent, which nobody kills, and what carries and stores their telemetry, which is."""

    folder: Path
    workspace: Workspace
    broker: MosquittoProcess
    agent_port: int
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start one of the processes."""
        if name == "broker":
            self.broker.start()
        elif name == "listener":
            self.processes[name] = start_listener(self.workspace, "--no-follow")
        elif name == "bridge":
            self.processes[name] = start_process("bridge", "mtconnect", str(self.folder / "map.toml"))
        else:
            words = ["--over", "mtconnect", "--mtconnect-port", str(self.agent_port), "--scalar-rate", "0"]
            words += ["--machines", str(MACHINES), "--seed", str(SEED)]
            self.processes[name] = start_process("simulate", "--live", *words)

    def kill(self, name: str) -> None:
        """Kill one at once."""
        if name == "broker":
            self.broker.kill()
        else:
            self.processes[name].kill()
            self.processes[name].wait(180)

    def end(self, name: str) -> int:
        """End one in order; return its exit status."""
        self.processes[name].send_signal(signal.SIGTERM)
        return self.processes[name].wait(180)


@contextmanager
def running_plant(folder: Path, broker: MosquittoProcess) -> Iterator[Plant]:
    """Run all of them for the block."""
    plant = Plant(folder, init_workspace(folder / "ws"), broker, free_port())
    configure_listener(plant.workspace, broker)
    (folder / "map.toml").write_text(
        _MAPPING.format(
            agent=plant.agent_port,
            broker=broker.port,
            folder=folder / "spool",
            assets=", ".join(f'"{asset}"' for asset in make_live_plant(SEED, MACHINES).assets),
            asset_type=ASSET_TYPE,
            items="\n".join(f'{name} = "{name}_series"' for name in CHANNELS),
        )
    )
    try:
        for name in ("machines", "listener", "bridge"):
            plant.start(name)
        yield plant
    finally:
        for process in plant.processes.values():
            process.kill()
            process.wait(180)


def stored_since(workspace: Workspace, time: pd.Timestamp) -> pd.DataFrame:
    """Return what is stored of the machines from a time on; nothing before there is a table."""
    return tables.read(workspace, TABLE, start=time - pd.Timedelta(1, "us"))


def made_between(first: int, last: int) -> pd.DataFrame:
    """Return what the machines made from a second to before another one."""
    plant = make_live_plant(SEED, MACHINES)
    parts = []
    for each in plant_seconds(plant, first, last):
        times = each.begins + np.arange(RATE) * (1_000_000 // RATE)
        values = each.readings.astype(np.float32).transpose(0, 2, 1).reshape(-1, len(CHANNELS))
        part = pd.DataFrame(values, columns=list(CHANNELS))
        part.insert(0, "event_time", np.tile(times, len(each.machines)))
        part.insert(0, "asset", np.repeat(plant.names[each.machines], RATE))
        parts.append(part)
    return pd.concat(parts).sort_values(["asset", "event_time"], ignore_index=True)


@pytest.mark.verify
def test_twenty_kills_at_random_lose_and_double_nothing(tmp_path: Path, mosquitto: MosquittoProcess) -> None:
    """Of 50 machines at 100 Hz each row is stored once, with the values that they had, and no gap is noted."""
    draws = random.Random(20)
    victims = [("bridge", "broker", "listener")[number % 3] for number in range(KILLS)]
    draws.shuffle(victims)
    began = pd.Timestamp.now("UTC").ceil("s")
    with running_plant(tmp_path, mosquitto) as plant:
        wait_for(lambda: len(stored_since(plant.workspace, began)) > 0, 180)
        for victim in victims:
            time.sleep(draws.uniform(0.2, 4.0))
            plant.kill(victim)
            time.sleep(draws.choice([0.0, 0.0, 0.5, 2.0]))
            plant.start(victim)
        last = pd.Timestamp.now("UTC").floor("s")
        running = made_between(int(last.timestamp()), int(last.timestamp()) + 1)["asset"].nunique()
        wait_for(lambda: stored_since(plant.workspace, last + SECOND)["asset"].nunique() >= running, 240)
        assert [plant.end(name) for name in ("bridge", "listener")] == [0, 0]
    rows = stored_since(plant.workspace, began).sort_values(["asset", "event_time"], ignore_index=True)
    first = rows["event_time"].min().ceil("s")
    rows = rows[(rows["event_time"] >= first) & (rows["event_time"] < last)].reset_index(drop=True)
    rows["event_time"] = rows["event_time"].astype("datetime64[us, UTC]").astype("int64")
    made = made_between(int(first.timestamp()), int(last.timestamp()))
    assert not rows.duplicated(["asset", "event_time"]).any()
    pd.testing.assert_frame_equal(
        rows[["asset", "event_time", *CHANNELS]].astype({"asset": object}), made, check_dtype=False, rtol=1e-6
    )
    gaps = read_gaps(plant.workspace)
    assert set(gaps["kind"]) == {"start", "restart"}
    assert gaps.groupby("asset").size().max() <= 1 + victims.count("bridge")
