"""The demonstration's broker, which fails and comes back: Mosquitto where it is installed, else one in this process."""

from contextlib import ExitStack
from pathlib import Path

from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.embedded_broker import embedded_broker
from pipelines.live.broker.start_broker import MosquittoProcess, free_port, mosquitto_program


class DemoBroker:
    """A broker that can be taken away and started again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = BrokerSettings(port=free_port())
        self.mosquitto = None if mosquitto_program() is None else MosquittoProcess(folder.resolve(), self.settings.port)
        self._embedded = ExitStack()

    @property
    def name(self) -> str:
        """Return what it is."""
        return "Mosquitto" if self.mosquitto is not None else "an embedded broker (Mosquitto is not installed)"

    def start(self) -> None:
        """Start it."""
        if self.mosquitto is not None:
            self.mosquitto.start()
        else:
            self._embedded.enter_context(embedded_broker(self.settings.port))

    def fail(self) -> None:
        """End it as a power cut does; what it had acknowledged and not delivered is gone."""
        if self.mosquitto is not None:
            self.mosquitto.kill()
        else:
            self._embedded.close()

    def stop(self) -> None:
        """End it in order."""
        if self.mosquitto is not None:
            self.mosquitto.stop()
        self._embedded.close()
