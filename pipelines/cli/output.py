"""How a command's result is shown: a table for people, one JSON document for programs."""

import dataclasses
import datetime as dt
import json
import math
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from data_contracts.errors import ForewarnError
from pipelines.cli.options import Options
from pipelines.cli.renderers import render
from pipelines.terminal.tables import facts


def show(result: Any, options: Options) -> int:
    """Write a result to stdout.

    Parameters
    ----------
    result : Any
        None, or an object with ``to_dict()``; ``__rich__()`` draws it for people, ``exit_status`` makes a "no" of it.
    options : Options
        Says whether a person or a program reads.

    Returns
    -------
    int
        The process's exit status.
    """
    if result is None:
        return 0
    if options.json:
        sys.stdout.write(json.dumps(_plain(result.to_dict()), indent=2) + "\n")
    else:
        Console().print(render(result) or facts(result.to_dict()))
    return int(getattr(result, "exit_status", 0))


def complain(error: ForewarnError, options: Options) -> int:
    """Write an error of ours: to stderr for people, to stdout as JSON for programs.

    Parameters
    ----------
    error : ForewarnError
        What was found, what was expected and what to do.
    options : Options
        Says whether a person or a program reads.

    Returns
    -------
    int
        The error's exit status.
    """
    if options.json:
        fields = {
            "error": type(error).__name__,
            "found": error.found,
            "expected": error.expected,
            "remedy": error.remedy,
        }
        sys.stdout.write(json.dumps(fields, indent=2) + "\n")
    else:
        console = Console(stderr=True, highlight=False)
        # On a terminal each part is a block of its own; in a log each stays on one line, where a search finds it.
        console.print(_parts(error), soft_wrap=not console.is_terminal)
    return error.exit_status


def _parts(error: ForewarnError) -> RenderableType:
    parts = (("error", "bold red", error.found), ("expected", "dim", error.expected), ("to do", "dim", error.remedy))
    if not Console(stderr=True).is_terminal:
        return Text("\n".join(f"{label:<9} {part}" for label, _, part in parts))
    grid = Table.grid(padding=(0, 2))
    for label, style, part in parts:
        grid.add_row(Text(label, style=style), Text(part, overflow="fold"))
    return grid


def _plain(value: Any) -> Any:
    """Return what JSON can hold: NaN and infinity, which JSON has no word for, become null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, (dt.date, dt.datetime)):
        instant = value.isoformat()
        return None if instant == "NaT" else instant
    if hasattr(value, "item") and callable(value.item):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
