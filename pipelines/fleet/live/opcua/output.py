"""The plant's OPC-UA server as an output: each second is written while the next one passes."""

import asyncio
import logging
from typing import Self

from data_contracts.errors import StorageError
from pipelines.fleet.live.faults import FaultPlan
from pipelines.fleet.live.machines.live_plant import LivePlant
from pipelines.fleet.live.machines.plant_second import PlantSecond
from pipelines.fleet.live.opcua.plant_server import PROTOCOL, PlantServer, make_plant_server

_SPREAD = 0.9  # of a second of the clock, over which its scalars are written


class OpcuaOutput:
    """A server that runs until it is closed."""

    def __init__(self, served: PlantServer, spread: float) -> None:
        self.over, self.sent = PROTOCOL, 0
        self._served, self._spread = served, spread
        self._writing: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls, plant: LivePlant, faults: FaultPlan, host: str, port: int, *, since: int, scalar_rate: int, speed: float
    ) -> Self:
        """Start a server on an address. `StorageError` if nothing can listen there."""
        # It warns of each client that there is no encryption.
        logging.getLogger("asyncua").setLevel(logging.ERROR)
        endpoint = f"opc.tcp://{host}:{port}/plant"
        served = await make_plant_server(plant, faults, endpoint, began=since * 1_000_000, scalar_rate=scalar_rate)
        try:
            await served.server.start()
        except OSError as error:
            raise StorageError(
                f"the OPC-UA server cannot listen on {host}:{port} ({error.strerror})",
                "an address of this machine and a free port",
                "Give other ones with --listen and --opcua-port",
            ) from error
        return cls(served, _SPREAD / speed if speed else 0.0)

    async def send(self, second: PlantSecond) -> None:
        """Begin to write a second, once the one before is written."""
        await self._finish()
        self._writing = asyncio.create_task(self._served.write(second, spread=self._spread))
        self.sent += len(second.machines)

    async def close(self) -> None:
        """Write the last second, and stop."""
        try:
            await self._finish()
        finally:
            await self._served.server.stop()

    async def _finish(self) -> None:
        if self._writing is not None:
            # Whoever gives up waiting does not end what is being written.
            await asyncio.shield(self._writing)
