"""Reads the machines of a mapping from an MTConnect agent: what is new since the last answer, and what is missing."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from data_contracts.errors import ForewarnError, UsageError, did_you_mean
from data_contracts.streams.sessions import GapKind
from pipelines.live.bridging.assembly import Assembler, Hole, OnHole
from pipelines.live.bridging.channel import BAD, GOOD
from pipelines.live.mtconnect.agent_client import current, make_http_client, probe, sample
from pipelines.live.mtconnect.documents import (
    OUT_OF_RANGE,
    UNAVAILABLE,
    DataItem,
    Device,
    DocumentError,
    Observation,
    StreamHeader,
)
from pipelines.live.mtconnect.mtconnect_settings import MtconnectMapping
from pipelines.live.mtconnect.position import Position, PositionFile

if TYPE_CHECKING:
    import httpx

_FIRST_PAUSE_S = 0.5
_LONG_AGO = -(2**62)


@dataclass(frozen=True)
class MappedItem:
    """A data item, and whose channel it is."""

    asset: str
    channel: str
    item: DataItem


@dataclass(eq=False)
class MtconnectSource:
    """Runs until it is cancelled."""

    mapping: MtconnectMapping
    assembler: Assembler
    position: PositionFile
    on_hole: OnHole
    last_times: Mapping[str, int] = field(default_factory=dict)  # by asset, of the last row that was kept before
    counts: Counter[str] = field(default_factory=Counter)
    problem: str = "not connected yet"
    _items: Mapping[str, MappedItem] = field(default_factory=dict)
    _at: Position | None = None
    _last_times: dict[str, int] = field(default_factory=dict)  # by asset
    _missing: tuple[GapKind, str] | None = None  # what is to be reported with the next observations

    async def run(self, *, once: bool = False) -> None:
        """Read; with `once` the first failure to reach the agent ends it, otherwise only a mapping that is wrong."""
        pause = _FIRST_PAUSE_S
        self._at = self.position.load()
        async with make_http_client(self.mapping.agent) as client:
            while True:
                try:
                    if not self._items:
                        self._items = find_items(await probe(client), self.mapping)
                    self.counts["connections"] += 1
                    while True:
                        more = await self._read(client)
                        self.problem, pause = "", _FIRST_PAUSE_S
                        await asyncio.sleep(0 if more else self.mapping.agent.poll.total_seconds())
                except UsageError:
                    raise
                except (ForewarnError, DocumentError) as error:
                    if once and not self.counts["answers"]:
                        raise error if isinstance(error, ForewarnError) else _no_agent(self.mapping, error) from error
                    self.problem = error.found if isinstance(error, ForewarnError) else f"the agent sent {error}"
                    self.counts["failures"] += 1
                await asyncio.sleep(pause)
                pause = min(2 * pause, self.mapping.agent.reconnect_within.total_seconds())

    def finish(self) -> None:
        """Keep the place: all that was read is in the spool."""
        self.position.finish()

    async def _read(self, client: "httpx.AsyncClient") -> bool:
        """Ask for what is new, and take it; return whether there is more."""
        if self._at is None:
            header, _ = await current(client)
            self._at = Position(header.instance, header.next)
            self.position.begin(self._at)
        again = self.position.again(self._at)
        count = min(again or self.mapping.agent.count, self.mapping.agent.count)
        try:
            header, observations = await sample(client, self._at.next, count)
        except DocumentError as error:
            if error.code != OUT_OF_RANGE:
                raise
            await self._skip(client, str(error))
            return True
        self.counts["answers"] += 1
        if header.instance != self._at.instance:
            self._restarted(header)
            return True
        if header.first > self._at.next:
            # Some agents begin with what they still have instead of refusing.
            self._lost(self._at.next, header.first - 1)
        self._take(observations, self.last_times if again else {})
        before = self._at.next
        self._at = Position(header.instance, header.next)
        self.position.note(self._at, time.monotonic())
        return header.next - before >= count

    async def _skip(self, client: "httpx.AsyncClient", reason: str) -> None:
        """Go on with the oldest observation that the agent still has; what lies before is gone."""
        header, _ = await current(client)
        at = self._at
        if at is None or header.instance != at.instance:
            self._restarted(header)
        elif header.first > at.next:
            self._lost(at.next, header.first - 1)
            self._at = Position(header.instance, header.first)
        elif at.next > header.next:
            self._restarted(header)
        else:
            # `count` may be more than the agent's buffer has.
            raise DocumentError(f"{OUT_OF_RANGE}: {reason}")

    def _restarted(self, header: StreamHeader) -> None:
        before = self._at.instance if self._at else 0
        self.counts["agent_restarts"] += 1
        self._missing = ("restart", f"the MTConnect agent started again: instance {before}, now {header.instance}")
        self._at = Position(header.instance, header.first)

    def _lost(self, first: int, last: int) -> None:
        self.counts["lost_observations"] += last - first + 1
        detail = f"observations {first} to {last} were no longer in the MTConnect agent's buffer"
        self._missing = ("agent_buffer", detail)

    def _take(self, observations: Iterable[Observation], again: Mapping[str, int]) -> None:
        """Take observations; of an asset in `again` only readings that come after a time."""
        own = [(mapped, each) for each in observations if (mapped := self._items.get(each.item)) is not None]
        if self._missing is not None and own:
            self._report(*self._missing, own)
            self._missing = None
        for mapped, observation in own:
            self._take_one(mapped, observation, self._row_after(again.get(mapped.asset)))
            last = self._last_times.get(mapped.asset, observation.time)
            self._last_times[mapped.asset] = max(last, observation.time)

    def _report(self, kind: GapKind, detail: str, following: Iterable[tuple[MappedItem, Observation]]) -> None:
        """Report what is missing of every asset, with the times of the readings around it."""
        first_after: dict[str, int] = {}
        for mapped, observation in following:
            first_after[mapped.asset] = min(first_after.get(mapped.asset, observation.time), observation.time)
        for asset in sorted({mapped.asset for mapped in self._items.values()}):
            before, after = self._last_times.get(asset), first_after.get(asset)
            if before is not None and after is not None and after < before:
                before, after = after, before
            self.on_hole(Hole(asset, detail, before, after, kind))
        for mapped in self._items.values():
            # It is reported here; the times themselves need not be far apart.
            self.assembler.silence(mapped.asset, mapped.channel)

    def _row_after(self, time: int | None) -> int:
        """Return the earliest time of a reading that would be in a later row."""
        align = self.mapping.rows.align
        return _LONG_AGO if time is None else time + (1 if align is None else round(align.total_seconds() * 1e6))

    def _take_one(self, mapped: MappedItem, observation: Observation, since: int) -> None:
        asset, channel, text = mapped.asset, mapped.channel, observation.text
        if observation.time < since:
            return
        if text == UNAVAILABLE or not text:
            self.assembler.add(asset, channel, observation.time, None, BAD)
            self.assembler.silence(asset, channel)
            return
        try:
            values = np.array(text.split() if mapped.item.series else [text], np.float64)
        except ValueError:
            self.counts["no_numbers"] += 1
            self.assembler.add(asset, channel, observation.time, None, BAD)
            return
        if not mapped.item.series:
            value = float(values[0])
            finite = bool(np.isfinite(value))
            self.assembler.add(asset, channel, observation.time, value if finite else None, GOOD)
        elif observation.rate:
            interval = round(1_000_000 / observation.rate)
            # The time of a series is that of its last value.
            times = observation.time - interval * np.arange(len(values) - 1, -1, -1, dtype=np.int64)
            new = times >= since
            self.assembler.add_series(asset, channel, times[new], values[new], GOOD, interval=interval)
        else:
            self.counts["series_without_rate"] += 1


def find_items(devices: Iterable[Device], mapping: MtconnectMapping) -> dict[str, MappedItem]:
    """Return the data items of the mapping by id; `UsageError` names what the agent does not have."""
    known = list(devices)
    found: dict[str, MappedItem] = {}
    for group in mapping.machines:
        for asset in group.assets:
            device = _device(known, group.device.replace("{asset}", asset))
            for channel, template in group.data_items.items():
                written = template.replace("{asset}", asset).replace("{device}", device.name)
                item = _find_item(device, written)
                expected = group.units.get(channel)
                if expected is not None and item.units is not None and item.units != expected:
                    raise UsageError(
                        f"data item {written!r} of {device.name} is in {item.units}, not in {expected}",
                        "the unit that the mapping says",
                        "Fix units, or read another data item; forewarn converts none",
                    )
                found[item.id] = MappedItem(asset, channel, item)
    return found


def _device(devices: Iterable[Device], written: str) -> Device:
    names = []
    for device in devices:
        if written in (device.name, device.uuid, device.id):
            return device
        names.append(device.name)
    raise UsageError(
        f"the agent has no device {written!r}",
        f"one of {', '.join(names[:10])}",
        did_you_mean(written, names) or "Fix device; `forewarn bridge mtconnect --probe URL` lists them",
    )


def _find_item(device: Device, written: str) -> DataItem:
    item = next((each for each in device.items if written in (each.id, each.name)), None)
    if item is None:
        names = [each.label for each in device.items]
        raise UsageError(
            f"device {device.name} has no data item {written!r}",
            f"one of {', '.join(names[:10])}",
            did_you_mean(written, names) or "Fix data_items; `forewarn bridge mtconnect --probe URL` lists them",
        )
    return item


def _no_agent(mapping: MtconnectMapping, error: DocumentError) -> UsageError:
    return UsageError(
        f"{mapping.agent.url} sent {error}", "the documents of an MTConnect agent", "Fix url in the section [agent]"
    )
