"""The plant's MTConnect agent as an output."""

import asyncio
import socket
from typing import Self

from data_contracts.errors import StorageError
from pipelines.fleet.live.faults import FaultPlan
from pipelines.fleet.live.machines.live_plant import LivePlant
from pipelines.fleet.live.machines.plant_second import PlantSecond
from pipelines.fleet.live.mtconnect.agent import PROTOCOL, Agent, make_server


class MtconnectOutput:
    """An agent that answers until it is closed."""

    def __init__(self, agent: Agent, listener: socket.socket) -> None:
        self.over, self.sent = PROTOCOL, 0
        self._agent, self._listener = agent, listener
        self._server = make_server(agent)
        self._serving = asyncio.create_task(self._server.serve([listener]))

    @classmethod
    async def start(
        cls,
        plant: LivePlant,
        faults: FaultPlan,
        host: str,
        port: int,
        *,
        since: int,
        scalar_rate: int,
        buffer_size: int,
    ) -> Self:
        """Start an agent on an address. `StorageError` if nothing can listen there."""
        try:
            listener = socket.create_server((host, port))
        except OSError as error:
            raise StorageError(
                f"the MTConnect agent cannot listen on {host}:{port} ({error.strerror})",
                "an address of this machine and a free port",
                "Give other ones with --listen and --mtconnect-port",
            ) from error
        agent = Agent(plant, faults, began=since * 1_000_000, scalar_rate=scalar_rate, buffer_size=buffer_size)
        return cls(agent, listener)

    async def send(self, second: PlantSecond) -> None:
        """Observe a second."""
        self._agent.take(second)
        self.sent = self._agent.observations.last_sequence

    async def close(self) -> None:
        """Answer what has been asked, and stop."""
        self._server.should_exit = True
        await self._serving
        self._listener.close()
