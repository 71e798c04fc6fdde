"""Publishes the plant's rows through an edge, which numbers them, keeps them on disk and sends them until confirmed."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

from pipelines.fleet.live.faults import CLOCK_ERROR, Fault, FaultKind, FaultPlan
from pipelines.fleet.live.machines.live_plant import ASSET_TYPE, CHANNELS, LivePlant
from pipelines.fleet.live.machines.plant_second import PlantSecond
from pipelines.fleet.live.mqtt.messages import record_batch
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.edge.edge import open_edge
from pipelines.live.edge.edge_settings import SpoolSettings

# What can go wrong before rows reach the edge; from there on nothing is to go wrong.
SPOOLED_KINDS: tuple[FaultKind, ...] = ("clock_ahead", "nan")
_PATIENCE_S = 5.0


class SpooledPublisher:
    """An edge for all machines; what is not confirmed when it closes stays in its folder for the next time."""

    def __init__(self, plant: LivePlant, faults: FaultPlan, broker: BrokerSettings, folder: Path) -> None:
        self.over, self.sent = "arrow", 0
        self._plant, self._faults = plant, faults
        self._closing = ExitStack()
        self._edge = self._closing.enter_context(
            open_edge(broker, SpoolSettings(folder=folder), client_id=f"forewarn-plant-{folder.resolve()}")
        )

    async def send(self, second: PlantSecond) -> None:
        """Hand a second's rows to the edge."""
        for machine, readings in zip(second.machines.tolist(), second.readings, strict=True):
            asset = self._plant.assets[machine]
            kind, where = self._faults.draw(asset, second.second, SPOOLED_KINDS)
            channel = CHANNELS[int(where * len(CHANNELS))] if kind == "nan" else None
            begins = second.begins + (CLOCK_ERROR if kind == "clock_ahead" else 0)
            rows = record_batch(begins, readings, not_a_number=channel)
            self._edge.put(asset, ASSET_TYPE, rows, plant=self._plant.plants[machine])
            if kind is not None:
                self._faults.note(Fault(self.over, asset, kind, second.second, channel, self._edge.epoch))
            self.sent += 1

    async def close(self) -> None:
        """Give the ingester a moment to confirm, and close the edge."""
        await asyncio.to_thread(self._edge.wait_until_confirmed, _PATIENCE_S)
        await asyncio.to_thread(self._closing.close)
