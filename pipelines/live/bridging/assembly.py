"""Readings of single channels put together to rows, and to one batch for each asset and second."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import time_ns

import numpy as np
import pyarrow as pa

from data_contracts.contract.contract_types import QUALITY_SUFFIX
from data_contracts.streams.sessions import GapKind
from pipelines.live.bridging.channel import BAD, GOOD, UNCERTAIN, Channel, Qualities, Times, Values, placed, repeated
from pipelines.live.payloads.message import EVENT_TIME, TIME_TYPE

_WORDS = np.array(["good", "uncertain", "bad"], object)
_SECOND = 1_000_000
_CLOCK_SLACK = 2 * _SECOND


@dataclass(frozen=True)
class Hole:
    """A time of which readings are missing, in microseconds since 1970."""

    asset: str
    detail: str
    first_time: int | None
    last_time: int | None
    kind: GapKind = "gap"


OnHole = Callable[[Hole], None]


@dataclass(frozen=True)
class AssemblyRules:
    """How readings become rows; times in microseconds, patience in seconds."""

    align: int = 1
    repeat: bool = False
    qualities: bool = False
    patience: float = 2.0
    tolerance: int = 2 * _SECOND  # a longer time without a reading, around an interruption, is a hole


@dataclass(eq=False)
class _Asset:
    """The channels of an asset, and up to where its rows are out."""

    channels: dict[str, Channel]
    emitted_until: int = -(2**62)
    waiting_since: float | None = None  # since when something is here that is not in a row
    holes: set[tuple[int, int]] = field(default_factory=set)


class Assembler:
    """Takes readings and gives rows: a second once all channels are past it, or after the patience."""

    def __init__(
        self,
        channels: Mapping[str, Sequence[str]],
        rules: AssemblyRules,
        *,
        on_hole: OnHole,
        clock: Callable[[], float],
        now: Callable[[], int] = time_ns,
    ) -> None:
        self._assets = {asset: _Asset({name: Channel() for name in names}) for asset, names in channels.items()}
        self._rules, self._on_hole, self._clock, self._now = rules, on_hole, clock, now
        self.readings = 0
        self.late = 0  # readings that came after their second was out
        self.clock_jumps = 0  # times that a machine's clock went back
        self._ready: list[tuple[str, pa.RecordBatch]] = []

    def add(self, asset: str, channel: str, time: int, value: float | None, quality: int) -> None:
        """Take one reading."""
        held = self._assets[asset]
        own = held.channels[channel]
        self.readings += 1
        if own.last_time is not None and time < own.last_time - _SECOND:
            self._clock_set_back(asset, held, time, own.last_time)
        clock_jumped = self._clock_jumped(own, time)
        if own.interrupted:
            self._look_for_hole(asset, held, own, time, self._rules.tolerance, clock_jumped=clock_jumped)
        own.times.append(time)
        own.values.append(np.nan if value is None else value)
        own.qualities.append(BAD if value is None else quality)
        own.last_time = time
        own.newest = max(own.newest, time)
        if time > own.complete_until:
            own.complete_until = time
        if held.waiting_since is None:
            held.waiting_since = self._clock()

    def add_series(
        self, asset: str, channel: str, times: Times, values: Values, quality: int, *, interval: int
    ) -> None:
        """Take the readings of a span of time; what lies between it and the one before is a hole."""
        held = self._assets[asset]
        own = held.channels[channel]
        if not len(times):
            return
        self.readings += len(times)
        if own.last_time is not None and int(times[0]) < own.last_time - _SECOND:
            self._clock_set_back(asset, held, int(times[0]), own.last_time)
        # Clocks of machines are not exact: what is missing is a good part of a series, or more.
        tolerance = max(interval + interval // 2, interval * len(times) // 2)
        clock_jumped = self._clock_jumped(own, int(times[-1]))
        if own.last_time is not None and int(times[0]) - own.last_time > tolerance:
            own.interrupted = own.interrupted or "a series that does not follow the one before"
            self._look_for_hole(asset, held, own, int(times[0]), tolerance, clock_jumped=clock_jumped)
        own.interrupted = ""
        qualities = np.where(np.isfinite(values), quality, max(quality, BAD)).astype(np.int8)
        own.blocks.append((times, values, qualities))
        own.last_time = int(times[-1])
        own.newest = max(own.newest, own.last_time)
        own.complete_until = max(own.complete_until, own.last_time + interval)
        if held.waiting_since is None:
            held.waiting_since = self._clock()

    def interrupt(self, assets: Iterable[str], detail: str, *, channel: str | None = None) -> None:
        """Note that readings may be missing before the next: it is a hole if those are apart by more than usual."""
        for asset in assets:
            for name, own in self._assets[asset].channels.items():
                if channel in (None, name):
                    own.interrupted = detail

    def silence(self, asset: str, channel: str) -> None:
        """Note that the machine has said that there are no readings: their absence is no hole."""
        own = self._assets[asset].channels[channel]
        if not own.interrupted:  # else what it had said before is not known
            own.last_time = None

    def take(self, *, everything: bool = False) -> list[tuple[str, pa.RecordBatch]]:
        """Return the batches that are complete, or all; each is of one asset and second."""
        batches, self._ready = self._ready, []
        now = self._clock()
        for asset, held in self._assets.items():
            if held.waiting_since is None:
                continue
            complete = [own.complete_until for own in held.channels.values()]
            until = min(complete) // _SECOND * _SECOND
            if everything or now - held.waiting_since >= 2 * self._rules.patience:
                # Nothing has been complete for long: the machine may have stopped.
                until = max(own.newest for own in held.channels.values()) + 1
            elif now - held.waiting_since >= self._rules.patience:
                until = max(until, max(complete) // _SECOND * _SECOND)
            if until > held.emitted_until:
                batches += [(asset, rows) for rows in self._rows(held, until)]
        return batches

    def _rows(self, held: _Asset, until: int) -> list[pa.RecordBatch]:
        parts: dict[str, tuple[Times, Values, Qualities]] = {}
        left = False
        for name, own in held.channels.items():
            times, values, qualities = own.gather()
            ready = times < until
            if not ready.all():
                own.blocks.append((times[~ready], values[~ready], qualities[~ready]))
                left = True
            fresh = ready & (times >= held.emitted_until)
            self.late += int(ready.sum() - fresh.sum())
            parts[name] = times[fresh] // self._rules.align * self._rules.align, values[fresh], qualities[fresh]
        held.emitted_until = until
        held.waiting_since = self._clock() if left else None
        return self._by_second(held, parts)

    def _by_second(self, held: _Asset, parts: Mapping[str, tuple[Times, Values, Qualities]]) -> list[pa.RecordBatch]:
        times = np.unique(np.concatenate([part[0] for part in parts.values()]))
        if not len(times):
            return []
        batch = self._batch(held, times, parts)
        seconds = times // _SECOND
        starts = np.flatnonzero(np.diff(seconds, prepend=seconds[0] - 1))
        ends = np.append(starts[1:], len(times))
        return [batch.slice(int(start), int(end - start)) for start, end in zip(starts, ends, strict=True)]

    def _batch(
        self, held: _Asset, times: Times, parts: Mapping[str, tuple[Times, Values, Qualities]]
    ) -> pa.RecordBatch:
        columns: dict[str, pa.Array] = {EVENT_TIME: pa.array(times, TIME_TYPE)}
        for name, own in held.channels.items():
            values, qualities = placed(times, *parts[name])
            if self._rules.repeat:
                values, qualities = repeated(values, qualities, own)
            missing = qualities < 0
            allowed = UNCERTAIN if self._rules.qualities else GOOD
            null = missing | (qualities > allowed) | ~np.isfinite(values)
            columns[name] = pa.array(values, pa.float64(), mask=null)
            if self._rules.qualities:
                words = _WORDS[np.where(missing, BAD, qualities)]
                columns[f"{name}{QUALITY_SUFFIX}"] = pa.array(words, pa.string(), mask=missing)
        return pa.record_batch(columns)

    def _clock_set_back(self, asset: str, held: _Asset, time: int, before: int) -> None:
        """Go on at an earlier time: what a clock that was ahead has dated is out of the way, as rows of its own."""
        self.clock_jumps += 1
        cut = (time + before) // 2
        ahead: dict[str, tuple[Times, Values, Qualities]] = {}
        for name, own in held.channels.items():
            times, values, qualities = own.gather()
            late = times >= cut
            own.blocks.append((times[~late], values[~late], qualities[~late]))
            ahead[name] = times[late], values[late], qualities[late]
            own.newest, own.complete_until = min(own.newest, time), min(own.complete_until, time)
            own.lead = max(0, time - self._now() // 1000)
            if own.last_time is not None and own.last_time >= cut:
                own.last_time = None
        self._ready += [(asset, rows) for rows in self._by_second(held, ahead)]
        held.emitted_until = min(held.emitted_until, time // _SECOND * _SECOND)

    def _clock_jumped(self, own: Channel, time: int) -> bool:
        """Return whether a reading comes from further in the future than any before: the clock went on, not time."""
        lead = time - self._now() // 1000
        jumped = lead > own.lead + _CLOCK_SLACK
        own.lead = max(own.lead, lead)
        return jumped

    def _look_for_hole(
        self, asset: str, held: _Asset, own: Channel, time: int, tolerance: int, *, clock_jumped: bool
    ) -> None:
        detail, own.interrupted = own.interrupted, ""
        before = own.last_time
        if before is None or time - before <= tolerance or clock_jumped:
            return
        # All channels of a machine have the same hole; it is reported once.
        span = (before // _SECOND, time // _SECOND)
        if span not in held.holes:
            held.holes = {span}
            self._on_hole(Hole(asset, detail, before, time))
