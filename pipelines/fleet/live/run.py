"""Lets the plant run: second after second goes to every output, in real time or faster, until it is ended."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

import pandas as pd

from pipelines.fleet.live.faults import FaultPlan
from pipelines.fleet.live.machines.bearing_lives import failures_between
from pipelines.fleet.live.machines.live_plant import LivePlant
from pipelines.fleet.live.machines.plant_second import PlantSecond, plant_second, plant_seconds


class Output(Protocol):
    """Where the plant's seconds go."""

    over: str
    sent: int

    async def send(self, second: PlantSecond) -> None:
        """Take a second that is over."""

    async def close(self) -> None:
        """Give up what it holds, everything taken having arrived."""


@dataclass(frozen=True)
class Pace:
    """Which seconds of the plant's clock, and how many of them in a second of ours."""

    since: int
    until: int | None = None  # endless if None
    speed: float = 1.0  # 0 for as fast as possible


@dataclass(frozen=True)
class LiveResult:
    """What a plant has done."""

    machines: int
    since: pd.Timestamp
    until: pd.Timestamp
    ended: str  # "time is up" or "interrupted"
    sent: dict[str, int]  # messages, seconds or documents, by output
    faults: dict[str, dict[str, int]]  # by output and kind
    failures: list[dict[str, str]] = field(default_factory=list)
    behind: float = 0.0  # seconds that the plant was behind its clock, at most

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        times = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        return {**vars(self), **times, "behind": round(self.behind, 3)}


async def run_live(
    plant: LivePlant,
    pace: Pace,
    opened: AbstractAsyncContextManager[Sequence[Output]],
    faults: FaultPlan,
    stop: asyncio.Event,
) -> LiveResult:
    """Open the outputs, run the plant until its time is up or `stop` is set, and close them."""
    async with opened as outputs:
        until, behind = await _run(plant, pace, outputs, stop)
    failed = [
        {"asset": plant.assets[machine], "event_time": _time(fails).isoformat()}
        for machine, fails, _ in failures_between(plant.lives, pace.since, until)
    ]
    by_kind: dict[str, dict[str, int]] = {}
    for (over, kind), number in sorted(faults.counts.items()):
        by_kind.setdefault(over, {})[kind] = number
    sent = {output.over: output.sent for output in outputs}
    ended = "time is up" if until == pace.until else "interrupted"
    return LiveResult(len(plant), _time(pace.since), _time(until), ended, sent, by_kind, failed, behind)


async def _run(plant: LivePlant, pace: Pace, outputs: Sequence[Output], stop: asyncio.Event) -> tuple[int, float]:
    """Return the second after the last that every output took, and how late the latest was."""
    loop = asyncio.get_running_loop()
    began, behind = loop.time(), 0.0
    for second in _seconds(plant, pace):
        due = began + (second.second + 1 - pace.since) / pace.speed if pace.speed else loop.time()
        await _wait(stop, due - loop.time())
        behind = max(behind, loop.time() - due)
        if stop.is_set() or not await _unless(stop, _send_all(outputs, second)):
            return second.second, behind
    return second.second + 1, behind


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[asyncio.Event]:
    """Return an event that Ctrl-C and SIGTERM set during the block; to be entered in a running loop."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _seconds(plant: LivePlant, pace: Pace) -> Iterator[PlantSecond]:
    if pace.until is not None and not pace.speed:
        return plant_seconds(plant, pace.since, pace.until)
    numbers = count(pace.since) if pace.until is None else range(pace.since, pace.until)
    return (plant_second(plant, number) for number in numbers)


async def _send_all(outputs: Sequence[Output], second: PlantSecond) -> None:
    for output in outputs:
        await output.send(second)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work, or leave it where it is once `stop` is set, such as while a broker is gone; return which."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
        return True
    return False


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, at least until everybody else had a turn, or until `stop`."""
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def _time(second: int) -> pd.Timestamp:
    return pd.Timestamp(second, unit="s", tz="UTC")
