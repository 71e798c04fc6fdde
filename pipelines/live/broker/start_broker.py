"""A broker of our own, for the demo and for tests: Mosquitto where it is installed, else one inside this process."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from data_contracts.errors import StorageError
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.embedded_broker import embedded_broker

_PATIENCE_S = 20.0
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
# Acknowledged is what is stored, so more is under way than the usual 20; what does not fit waits at the edges.
MOSQUITTO_LIMITS = """\
max_inflight_messages 20000
max_queued_messages 100000
max_queued_bytes 536870912
max_packet_size 1048576
persistent_client_expiration 7d
set_tcp_nodelay true
"""
"""What a broker for telemetry needs beyond Mosquitto's defaults; docs/how-to/live.md gives the reasons."""


@dataclass
class MosquittoProcess:
    """A Mosquitto that can be killed and started again in its folder."""

    folder: Path
    port: int
    host: str = "127.0.0.1"
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def settings(self) -> BrokerSettings:
        """Return where it is."""
        return BrokerSettings(self.host, self.port)

    def start(self) -> None:
        """Start it, and wait until it answers; `StorageError` if it does not."""
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(
            f"listener {self.port} {self.host}\nallow_anonymous true\npersistence true\n"
            f"persistence_location {self.folder}/\nautosave_interval 30\nlog_type error\nlog_type warning\n"
            # Started by root, it would become a user who may not write here.
            + ("user root\n" if os.geteuid() == 0 else "")
            + MOSQUITTO_LIMITS
        )
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen(
                [mosquitto_program() or "mosquitto", "-c", str(configuration)], stdout=log, stderr=log
            )
        ends = time.monotonic() + _PATIENCE_S
        while not _answers(self.host, self.port):
            if self.process.poll() is not None or time.monotonic() > ends:
                self.stop()
                lines = (self.folder / "mosquitto.log").read_text(errors="replace").splitlines()
                raise StorageError(
                    f"Mosquitto did not start on port {self.port} ({lines[-1] if lines else 'it said nothing'})",
                    "a broker that answers",
                    f"See {self.folder / 'mosquitto.log'}",
                )
            time.sleep(0.02)

    def stop(self) -> None:
        """End it in order: it writes its sessions."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=_PATIENCE_S)


def mosquitto_program() -> str | None:
    """Return where Mosquitto is installed; None if it is not."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=os.pathsep.join(_PLACES))


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def start_broker(folder: Path, *, port: int = 0, embedded: bool = False) -> Iterator[BrokerSettings]:
    """Run a broker on the loopback interface during the block; a free port for 0.

    Without Mosquitto, or with `embedded`, it runs inside this process and keeps nothing beyond it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = port or free_port()
    if embedded or mosquitto_program() is None:
        with embedded_broker(number):
            yield BrokerSettings(port=number)
        return
    broker = MosquittoProcess(folder.resolve(), number)
    broker.start()
    try:
        yield broker.settings
    finally:
        broker.stop()


def _answers(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False
