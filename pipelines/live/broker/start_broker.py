"""Brokers of our own, for the demo and for tests: Mosquitto, or amqtt where that is not installed.

Each is a process, which can be killed as a power cut does.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from data_contracts.errors import StorageError
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.connection import need_extra

_PATIENCE_S = 60.0
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
class BrokerProcess:
    """A broker on the loopback interface that can be killed and started again in its folder."""

    name: ClassVar[str] = ""
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
        command, log_file = self._command(), self.folder / f"{self.name.lower()}.log"
        with log_file.open("ab") as log:
            # In a group of its own: Ctrl-C is for whoever has started it, who ends it last.
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, process_group=0
            )  # fmt: skip
        ends = time.monotonic() + _PATIENCE_S
        while not _answers(self.host, self.port):
            if self.process.poll() is not None or time.monotonic() > ends:
                self.kill()
                lines = log_file.read_text(errors="replace").splitlines()
                raise StorageError(
                    f"{self.name} did not start on port {self.port} ({lines[-1] if lines else 'it said nothing'})",
                    "a broker that answers",
                    f"See {log_file}",
                )
            time.sleep(0.02)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        self._end(signal.SIGKILL)

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _end(self, number: int) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(timeout=_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout=_PATIENCE_S)
        if self.process.stdin is not None:
            self.process.stdin.close()


class MosquittoProcess(BrokerProcess):
    """Mosquitto; ended in order it writes its sessions."""

    name: ClassVar[str] = "Mosquitto"

    def _command(self) -> list[str]:
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(
            f"listener {self.port} {self.host}\nallow_anonymous true\npersistence true\n"
            f"persistence_location {self.folder}/\nautosave_interval 30\nlog_type error\nlog_type warning\n"
            # Started by root, it would become a user who may not write here.
            + ("user root\n" if os.geteuid() == 0 else "")
            + MOSQUITTO_LIMITS
        )
        return [mosquitto_program() or "mosquitto", "-c", str(configuration)]


class AmqttProcess(BrokerProcess):
    """amqtt, a package of the extra: MQTT 3.1.1, and nothing is kept beyond it."""

    name: ClassVar[str] = "amqtt"

    def _command(self) -> list[str]:
        if find_spec("amqtt") is None:
            raise need_extra("amqtt")
        return [sys.executable, "-m", "pipelines.live.broker.amqtt_server", str(self.port)]


def broker_process(folder: Path, port: int, *, embedded: bool = False) -> BrokerProcess:
    """Return Mosquitto, or amqtt without it or with `embedded`, not started yet; `folder` is made."""
    folder.mkdir(parents=True, exist_ok=True)
    kind = AmqttProcess if embedded or mosquitto_program() is None else MosquittoProcess
    return kind(folder.resolve(), port)


@contextmanager
def start_broker(folder: Path, *, port: int = 0, embedded: bool = False) -> Iterator[BrokerSettings]:
    """Run a broker on the loopback interface during the block; a free port for 0.

    Without Mosquitto, or with `embedded`, it is amqtt, which keeps nothing beyond it.
    """
    broker = broker_process(folder, port or free_port(), embedded=embedded)
    broker.start()
    try:
        yield broker.settings
    finally:
        broker.stop()


def mosquitto_program() -> str | None:
    """Return where Mosquitto is installed; None if it is not."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=os.pathsep.join(_PLACES))


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False
