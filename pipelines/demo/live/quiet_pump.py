"""A machine of a type that has never failed: recorded while healthy, then live, until its flow begins to go."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.contract.contract import load_contract
from data_contracts.contract.registered import register
from data_contracts.ingestion.ingest import ingest
from data_contracts.workspace import Workspace
from models.experiment.experiment_file import load_experiment
from pipelines.fleet.live.machines.plant_second import PlantSecond
from pipelines.fleet.live.machines.random_keys import generator, random_key
from pipelines.jobs.train import train_experiment
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.edge.edge import open_edge
from pipelines.live.edge.edge_settings import SendingSettings, SpoolSettings
from pipelines.live.payloads.message import EVENT_TIME, TIME_TYPE

ASSET, ASSET_TYPE, PLANT = "pump-001", "coolant_pump", "plant-01"
CHANNELS = ("pressure", "flow", "motor_current")
EXPERIMENT, CONTRACT = Path(__file__).parent / "pump.toml", Path(__file__).parent / "pump.odcs.yaml"
RECORDED = 15 * 60
"""Seconds of healthy operation, before the plant goes live."""
_USUAL, _SCATTER = np.array((20.0, 80.0, 12.0)), np.array((0.3, 1.2, 0.15))
_CLOGGED, _WITHIN = np.array((0.0, -16.0, 1.5)), 20.0  # by when it has clogged up, in seconds
_TEST, _PATIENCE_S = 5 * 60, 20.0
# An embedded broker acknowledges what it passes on to nobody, and the demonstration is short.
_SENDING = SendingSettings(confirmed_within=pd.Timedelta(seconds=5))


@dataclass(frozen=True)
class QuietPump:
    """What the pump reads in each second of the plant's clock."""

    seed: int
    clogs_from: int | None = None  # second since 1970
    recorded_until: int | None = None  # likewise: what is stored before the plant goes live

    def reading(self, second: int) -> list[float]:
        """Return its channels."""
        clogged = 0.0 if self.clogs_from is None else np.clip((second - self.clogs_from) / _WITHIN, 0.0, 1.0)
        noise = generator(random_key(self.seed, ASSET), second).standard_normal(len(CHANNELS))
        return [float(value) for value in _USUAL + _SCATTER * noise + _CLOGGED * clogged]


def learn_healthy_pump(workspace: Workspace, pump: QuietPump, now: pd.Timestamp) -> None:
    """Store a quarter of an hour of the pump up to `now`, and train a detector of anomalies on it."""
    contract = load_contract(CONTRACT)
    register(workspace.contracts, contract, now=now)
    seconds = range(int(now.timestamp()) - RECORDED, int(now.timestamp()))
    rows = pd.DataFrame([pump.reading(second) for second in seconds], columns=list(CHANNELS))
    times = pd.to_datetime(list(seconds), unit="s", utc=True).as_unit("us")
    rows = rows.assign(asset=ASSET, event_time=times, known_time=times, source="physical")
    ingest(workspace, rows, contract, now=now)
    record = {"asset": ASSET, "asset_type": ASSET_TYPE, "plant": PLANT, "line": None, "model": None}
    known = pd.DataFrame([{**record, "event_time": times[0], "known_time": times[0]}])
    ingest(workspace, known, load_contract("assets"), now=now)
    test_start = now - pd.Timedelta(seconds=_TEST)
    experiment = load_experiment(
        EXPERIMENT, [f"split.test_start={test_start.isoformat()}"], contracts=workspace.contracts
    )
    train_experiment(workspace, experiment, now=now, insist=True)


class PumpPublisher:
    """The pump's edge, which sends what it has read since the recording ended."""

    def __init__(self, pump: QuietPump, broker: BrokerSettings, folder: Path) -> None:
        self.over, self.sent = "pump", 0
        self._pump, self._next, self._closing = pump, pump.recorded_until, ExitStack()
        self._edge = self._closing.enter_context(
            open_edge(
                broker, SpoolSettings(folder=folder), client_id=f"forewarn-pump-{folder.resolve()}", sending=_SENDING
            )
        )

    async def send(self, second: PlantSecond) -> None:
        """Hand the readings up to this second to the edge."""
        seconds = range(second.second if self._next is None else self._next, second.second + 1)
        self._next = second.second + 1
        values = np.array([self._pump.reading(each) for each in seconds]).T
        columns = [pa.array([each * 1_000_000 for each in seconds], type=TIME_TYPE), *map(pa.array, values)]
        rows = pa.RecordBatch.from_arrays(columns, names=[EVENT_TIME, *CHANNELS])
        self._edge.put(ASSET, ASSET_TYPE, rows, plant=PLANT)
        self.sent += 1

    async def close(self) -> None:
        """Give the ingester a moment to confirm, and close the edge."""
        await asyncio.to_thread(self._edge.wait_until_confirmed, _PATIENCE_S)
        await asyncio.to_thread(self._closing.close)
