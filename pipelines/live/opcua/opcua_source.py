"""Reads the machines of a mapping from an OPC-UA server, again and again when the connection is lost."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from data_contracts.errors import ForewarnError, UsageError
from pipelines.live.bridging.assembly import Assembler
from pipelines.live.bridging.channel import BAD, GOOD, UNCERTAIN
from pipelines.live.opcua.nodes import MappedNode, find_nodes
from pipelines.live.opcua.opcua_client import connected, explain
from pipelines.live.opcua.opcua_settings import OpcuaMapping

if TYPE_CHECKING:
    from asyncua import ua
    from asyncua.client.client import Client

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_PAUSE_S = 0.5
_SEVERITY = 30  # the two top bits of a status: good, uncertain, bad (OPC 10000-4, 7.39.1)


@dataclass(eq=False)
class OpcuaSource:
    """Runs until it is cancelled."""

    mapping: OpcuaMapping
    assembler: Assembler
    counts: Counter[str] = field(default_factory=Counter)
    problem: str = "not connected yet"
    _nodes: dict[int, MappedNode] = field(default_factory=dict)  # by handle
    _dropped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, *, once: bool = False) -> None:
        """Connect, subscribe and read; with `once` the first failure to connect ends it, otherwise only a refusal."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                async with connected(self.mapping.server) as client:
                    await self._subscribe(client)
                    self.counts["connections"] += 1
                    self.problem, pause = "", _FIRST_PAUSE_S
                    await self._watch(client)
            except UsageError as error:
                # What was right when the bridge began may be a server that is being changed.
                if not self.counts["connections"]:
                    raise
                self.problem = error.found
            except ForewarnError as error:
                if once and not self.counts["connections"]:
                    raise
                self.problem = error.found
            except Exception as error:  # asyncua raises what its layers have
                self.problem = explain(self.mapping.server, error).found
            await asyncio.sleep(pause)
            pause = min(2 * pause, self.mapping.server.reconnect_within.total_seconds())

    def finish(self) -> None:
        """Keep nothing: where a subscription stood is the server's to know."""

    async def _subscribe(self, client: "Client") -> None:
        from pipelines.live.opcua.subscription import ReadingSubscription, monitoring_request, subscription_parameters

        nodes = await find_nodes(client, self.mapping)
        self._nodes = dict(enumerate(nodes, start=1))
        self._dropped.clear()
        server = self.mapping.server
        subscription = ReadingSubscription(
            client.uaclient.session,
            subscription_parameters(server.publishing_interval.total_seconds() * 1000, server.keep_for.total_seconds()),
            take=self._take,
            on_missing=self._missing,
            on_restored=self._restored,
            on_dropped=self._drop,
        )
        await subscription.init()
        client._subscriptions.append(subscription)  # noqa: SLF001 - asyncua restores what it made itself
        requests = [
            monitoring_request(
                each.node.nodeid,
                handle,
                interval_ms=0.0
                if each.machines.read == "arrays"
                else each.machines.sampling_interval.total_seconds() * 1000,
                queue=each.machines.queue_size,
            )
            for handle, each in self._nodes.items()
        ]
        refused = await subscription.monitor(requests)
        if refused:
            raise UsageError(
                f"the server refuses to monitor {len(refused):,} of {len(requests):,} nodes ({refused[0].name})",
                "variables whose values may be read",
                "Give the bridge's user the right to read them",
            )

    async def _watch(self, client: "Client") -> None:
        """Wait until the subscription is gone; asyncua connects again by itself meanwhile."""
        from asyncua.client.ua_client import UaClientState

        while not self._dropped.is_set():
            state = client.state
            self.problem = "" if state is UaClientState.CONNECTED else f"connection {state.value}"
            try:
                await asyncio.wait_for(self._dropped.wait(), 0.5)
            except TimeoutError:
                continue

    def _missing(self, detail: str) -> None:
        self.counts["interruptions"] += 1
        self.assembler.interrupt({node.asset for node in self._nodes.values()}, detail)

    def _restored(self, outage_s: float) -> None:
        """Look for holes where the server's queues cannot have held all of an outage."""
        self.counts["restored"] += 1
        for group in self.mapping.machines:
            if outage_s > group.queue_size * group.sampling_interval.total_seconds():
                for channel in group.nodes:
                    self.assembler.interrupt(
                        group.assets,
                        f"an outage of {outage_s:,.0f} s, longer than the OPC-UA server's queue",
                        channel=channel,
                    )

    def _drop(self, detail: str) -> None:
        self._missing(detail)
        self._dropped.set()

    def _take(self, handle: int, value: "ua.DataValue") -> None:
        from pipelines.live.opcua.subscription import has_overflowed

        node = self._nodes.get(handle)
        if node is None:
            return
        status = value.StatusCode
        code = 0 if status is None else status.value
        quality = (GOOD, UNCERTAIN, BAD, BAD)[code >> _SEVERITY]
        if has_overflowed(code):
            self.counts["overflows"] += 1
            self.assembler.interrupt([node.asset], "the OPC-UA server's queue overflowed", channel=node.channel)
        time: datetime | None = value.SourceTimestamp or value.ServerTimestamp
        if time is None:
            self.counts["without_time"] += 1
            time = datetime.now(UTC)
        microseconds = _microseconds(time)
        reading = None if value.Value is None else value.Value.Value
        if node.machines.read == "arrays":
            self._take_array(node, microseconds, reading, quality)
            return
        number = _number(reading)
        if number is None and reading is not None:
            self.counts["no_numbers"] += 1
        self.assembler.add(node.asset, node.channel, microseconds, number, quality)

    def _take_array(self, node: MappedNode, time: int, reading: Any, quality: int) -> None:
        interval = int(node.machines.sampling_interval.total_seconds() * 1_000_000)
        try:
            values = np.asarray([] if reading is None else reading, np.float64)
        except (ValueError, TypeError):
            values = np.empty(0)
        if values.ndim != 1 or not len(values):
            if quality == BAD:
                # The machine is off, or says that it does not know: nothing is missing until it goes on.
                self.assembler.silence(node.asset, node.channel)
            self.counts["empty_arrays"] += 1
            return
        first = time if node.machines.times == "first" else time - interval * (len(values) - 1)
        times = first + interval * np.arange(len(values), dtype=np.int64)
        self.assembler.add_series(node.asset, node.channel, times, values, quality, interval=interval)


def _microseconds(time: datetime) -> int:
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    since = aware - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _number(reading: Any) -> float | None:
    """Return a reading as a number; None for what is none."""
    if isinstance(reading, bool | int | float):
        return float(reading)
    return float(reading) if isinstance(reading, np.number) else None
