"""Progress where it is asked for: a line that changes in a notebook, bars or lines on stderr elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from data_contracts.progress import ProgressCallback, silent
from pipelines.terminal.progress import bars

_EVERY_S = 0.2
_KERNEL = "ZMQInteractiveShell"  # of Jupyter; IPython in a terminal has another


@contextmanager
def shown(progress: bool) -> Iterator[ProgressCallback]:
    """Yield a progress callback that shows how far it is, or nothing."""
    if not progress:
        yield silent
    elif _in_notebook():
        with _changing_line() as report_line:
            yield report_line
    else:
        with bars() as report_bar:
            yield report_bar


def _in_notebook() -> bool:
    shell: Any = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return type(shell).__name__ == _KERNEL


@contextmanager
def _changing_line() -> Iterator[ProgressCallback]:
    """Yield a progress callback whose last report stands in one output of the cell, which is emptied at the end."""
    from IPython import display

    line: Any = display  # its classes have no types
    handle = line.display(line.Markdown("starting"), display_id=True)
    shown_at, of = 0.0, ""

    def report(what: str, done: int, total: int) -> None:
        nonlocal shown_at, of
        # Each change is a message to the browser: a quarter of a million of them would hold up the work.
        if what == of and time.monotonic() - shown_at < _EVERY_S:
            return
        shown_at, of = time.monotonic(), what
        handle.update(line.Markdown(f"{what}: {done:,} of {total:,}" if total else what))

    try:
        yield report
    finally:
        handle.update(line.Markdown(""))
