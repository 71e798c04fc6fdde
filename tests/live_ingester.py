"""A small ingester for tests of edges: it keeps every message once, in memory, and confirms what it has in a row."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from data_contracts.streams.sessions import StreamGap
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.payloads.arrow_payload import decode_arrow
from pipelines.live.payloads.confirmations import Confirmation, encode_confirmation
from pipelines.live.payloads.gap_notices import decode_gap
from pipelines.live.payloads.message import TelemetryMessage
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.schemas import SchemaRegistry
from tests.live_broker import Subscribing

_KINDS = ("schemas", "telemetry", "gaps")


@dataclass
class Ingester:
    """What has arrived; `confirms` may be switched off for a while."""

    messages: dict[tuple[str, int], list[TelemetryMessage]] = field(default_factory=dict)  # by asset and epoch
    arrivals: int = 0  # with duplicates
    jumps: list[tuple[str, int, int]] = field(default_factory=list)  # what arrived before what precedes it
    notices: list[StreamGap] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    confirms: bool = True
    client: Any = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    _schemas: SchemaRegistry = field(default_factory=SchemaRegistry)

    def start(self, broker: BrokerSettings) -> None:
        """Connect and subscribe, as a listener does: at each connection anew, in a session that lasts."""
        subscribing = Subscribing([(f"forewarn/{kind}/#", 1) for kind in _KINDS])
        self.client = connect(
            broker,
            "ingester",
            on_message=lambda _, message: self._take(message.topic, bytes(message.payload)),
            on_connect=subscribing,
            session_s=3600,
        )
        subscribing.wait()
        self.client.reconnect_delay_set(1, 1)

    def stop(self) -> None:
        """Disconnect."""
        disconnect(self.client)

    def sequences(self, asset: str, epoch: int) -> list[int]:
        """Return what was kept of a session, in the order of arrival."""
        with self.lock:
            return [message.sequence for message in self.messages.get((asset, epoch), [])]

    def confirm_no_more(self) -> None:
        """Confirm nothing from now on; what has arrived is confirmed."""
        with self.lock:
            self.confirms = False

    def confirm_all(self) -> None:
        """Confirm what has arrived, from now on as well."""
        with self.lock:
            self.confirms = True
            newest = dict(sorted(self.messages))
            for asset, epoch in newest.items():
                self._confirm(asset, epoch)

    def _take(self, topic: str, payload: bytes) -> None:
        _, kind, *rest = topic.split("/")
        with self.lock:
            if kind == "schemas":
                self._schemas.learn(rest[0], payload)
            elif kind == "gaps":
                self.notices.append(decode_gap(payload, rest[1]))
            else:
                self._take_message(rest[1], payload)

    def _take_message(self, asset: str, payload: bytes) -> None:
        self.arrivals += 1
        try:
            message = decode_arrow(payload, asset, self._schemas)
        except PayloadError as error:
            self.unreadable.append(error.reason)
            return
        kept = self.messages.setdefault((asset, message.epoch), [])
        expected = kept[-1].sequence + 1 if kept else 0
        if message.sequence > expected:
            # Not kept: the edge sends it again behind what is missing.
            self.jumps.append((asset, expected, message.sequence))
        elif message.sequence == expected:
            kept.append(message)
        if self.confirms:
            self._confirm(asset, message.epoch)

    def _confirm(self, asset: str, epoch: int) -> None:
        kept = self.messages[asset, epoch]
        if kept:
            confirmation = encode_confirmation(Confirmation(epoch, kept[-1].sequence))
            self.client.publish(f"forewarn/confirmed/{asset}", confirmation, qos=1, retain=True)


def wait_for(condition: Callable[[], bool], patience_s: float = 120.0) -> None:
    """Wait until something holds; AssertionError if it does not in time."""
    ends = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.02)
