"""The run of a bridge: from a source over rows to the edge, until it is stopped."""

import asyncio
import contextlib
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

import pyarrow as pa

from pipelines.live.bridging.assembly import Assembler, Hole

_TICK_S = 0.1
_LINE_EVERY_S = 10.0


class Source(Protocol):
    """What reads machines."""

    counts: Counter[str]
    problem: str

    async def run(self, *, once: bool = False) -> None:
        """Read until cancelled."""

    def finish(self) -> None:
        """Hear that everything that was read is at the sink."""


class Sink(Protocol):
    """What takes rows and holes."""

    def put(self, asset: str, rows: pa.RecordBatch) -> None:
        """Take the rows of an asset."""

    def report(self, hole: Hole) -> None:
        """Take a hole."""

    def line(self) -> str:
        """Describe the state in a few words."""


@dataclass
class RunResult:
    """What was read."""

    seconds: float = 0.0
    readings: int = 0
    rows: int = 0
    messages: int = 0
    late_readings: int = 0
    clock_jumps: int = 0
    gaps: list[Hole] = field(default_factory=list)
    source: dict[str, int] = field(default_factory=dict)
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the counts by name."""
        return {
            "seconds": round(self.seconds, 1),
            "readings": self.readings,
            "rows": self.rows,
            "messages": self.messages,
            "late_readings": self.late_readings,
            "clock_jumps": self.clock_jumps,
            "gaps": len(self.gaps),
            "source": self.source,
            "source_problem": self.problem,
        }


async def carry(
    source: Source, assembler: Assembler, sink: Sink, result: RunResult, *, for_s: float | None, once: bool = False
) -> None:
    """Carry what a source reads to a sink until the time is over, a signal to end comes, or the source fails."""
    stop = asyncio.Event()
    began = time.monotonic()
    with _signals(stop), _status_line(lambda: _line(source, assembler, sink)) as write_line:
        reading = asyncio.create_task(source.run(once=once))
        try:
            while not (stop.is_set() or reading.done() or (for_s is not None and time.monotonic() - began >= for_s)):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _TICK_S)
                _hand_over(assembler, sink, result)
                write_line()
        finally:
            if not reading.done():
                reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
            _hand_over(assembler, sink, result, everything=True)
            source.finish()
            result.seconds = time.monotonic() - began
            result.readings, result.late_readings = assembler.readings, assembler.late
            result.clock_jumps = assembler.clock_jumps
            result.source, result.problem = dict(source.counts), source.problem


def _hand_over(assembler: Assembler, sink: Sink, result: RunResult, *, everything: bool = False) -> None:
    for asset, rows in assembler.take(everything=everything):
        sink.put(asset, rows)
        result.messages += 1
        result.rows += rows.num_rows


def _line(source: Source, assembler: Assembler, sink: Sink) -> str:
    problem = f"  {source.problem}" if source.problem else ""
    return f"{assembler.readings:,} readings  {sink.line()}{problem}"


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the run in order."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    try:
        for number in numbers:
            loop.add_signal_handler(number, stop.set)
    except (ValueError, RuntimeError):  # not the main thread, which alone gets signals
        yield
        return
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _status_line(text: Callable[[], str], stream: TextIO | None = None) -> Iterator[Callable[[], None]]:
    """Yield what writes the state: one line in a terminal, elsewhere a line in ten seconds."""
    out = sys.stderr if stream is None else stream
    terminal = out.isatty()
    every, last = (1.0 if terminal else _LINE_EVERY_S), time.monotonic()

    def write() -> None:
        nonlocal last
        if time.monotonic() - last < every:
            return
        last = time.monotonic()
        out.write(f"\r\x1b[2K{text()}" if terminal else f"{text()}\n")
        out.flush()

    try:
        yield write
    finally:
        if terminal:
            out.write("\n")


def totals(counts: Mapping[str, int]) -> str:
    """Return counts in words."""
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in sorted(counts.items()) if count)
