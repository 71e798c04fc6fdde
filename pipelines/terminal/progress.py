"""Progress on stderr: bars in a terminal, a line every ten seconds elsewhere."""

import datetime as dt
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from data_contracts.progress import ProgressCallback

LINE_EVERY_S = 10.0
"""Seconds between two lines where stderr is no terminal."""


@contextmanager
def bars() -> Iterator[ProgressCallback]:
    """Yield a progress callback: a bar for each ``what`` in a terminal, elsewhere `lines`."""
    console = Console(stderr=True)
    if not console.is_terminal:
        with lines(sys.stderr) as report_line:
            yield report_line
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield report


@contextmanager
def lines(stream: TextIO, every_s: float = LINE_EVERY_S) -> Iterator[ProgressCallback]:
    """Yield a progress callback whose last report is written as a line again and again, with the time (UTC).

    A thread writes, so that a step that takes minutes is reported on as well; what is done sooner writes nothing, and
    what is done is written once.
    """
    latest: list[tuple[str, int, int]] = []
    written: list[tuple[str, int, int]] = []
    finished = threading.Event()

    def write() -> None:
        while not finished.wait(every_s):
            what, done, total = now = latest[-1] if latest else ("starting", 0, 0)
            if total and done >= total and written == [now]:
                continue
            written[:] = [now]
            share = f"  {done:,} of {total:,}" if total else ""
            stream.write(f"{dt.datetime.now(dt.UTC):%H:%M:%S}  {what}{share}\n")
            stream.flush()

    def report(what: str, done: int, total: int) -> None:
        latest[:] = [(what, done, total)]

    thread = threading.Thread(target=write, daemon=True, name="progress")
    thread.start()
    try:
        yield report
    finally:
        finished.set()
        thread.join()
