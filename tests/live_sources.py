"""Sources of bridges for tests: one runs in a thread, and what came of it is there to be looked at."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from pipelines.live.bridging.assembly import Assembler, Hole
from pipelines.live.bridging.bridge_run import Source


@dataclass
class Reading:
    """A source that runs in a thread, and what came of it."""

    source: Source
    assembler: Assembler
    holes: list[Hole]
    batches: list[tuple[str, pa.RecordBatch]] = field(default_factory=list)

    def take(self) -> list[tuple[str, pa.RecordBatch]]:
        """Return what is there by now."""
        self.batches += self.assembler.take()
        return self.batches

    def column(self, asset: str, channel: str) -> list[float | None]:
        """Return the values of a channel so far."""
        return [value for name, rows in self.take() if name == asset for value in rows.column(channel).to_pylist()]


@contextmanager
def running(reading: Reading) -> Iterator[None]:
    """Run the source during the block."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        task = asyncio.create_task(reading.source.run())
        await stop.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
