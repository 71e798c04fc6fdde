"""Showing a command's result or error: a table for people, one JSON document for programs."""

import dataclasses
import datetime as dt
import json
import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.cli.options import Options

if TYPE_CHECKING:
    from rich.console import RenderableType

    from data_contracts.errors import ForewarnError


def show(result: Any, options: Options) -> int:
    """Write a result (None, or an object with ``to_dict()``) to stdout; return its ``exit_status``, 0 by default."""
    if result is None:
        return 0
    if options.json:
        sys.stdout.write(json.dumps(_plain(result.to_dict()), indent=2) + "\n")
    else:
        from rich.console import Console

        from pipelines.cli.renderers import render

        Console().print(render(result))
    return int(getattr(result, "exit_status", 0))


def complain(error: "ForewarnError", options: Options) -> int:
    """Write an error to stderr for people, to stdout as JSON for programs; return its exit status."""
    if options.json:
        fields = {
            "error": type(error).__name__,
            "found": error.found,
            "expected": error.expected,
            "remedy": error.remedy,
        }
        sys.stdout.write(json.dumps(fields, indent=2) + "\n")
    elif sys.stderr.isatty():
        from rich.console import Console

        Console(stderr=True, highlight=False).print(_grid(error))
    else:
        # In a log each part stays on one line, where a search finds it.
        sys.stderr.writelines(f"{label:<9} {part}\n" for label, _, part in _parts(error))
    return error.exit_status


def _parts(error: "ForewarnError") -> tuple[tuple[str, str, str], ...]:
    return ("error", "bold red", error.found), ("expected", "dim", error.expected), ("to do", "dim", error.remedy)


def _grid(error: "ForewarnError") -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for label, style, part in _parts(error):
        grid.add_row(Text(label, style=style), Text(part, overflow="fold"))
    return grid


def _plain(value: Any) -> Any:
    """Return what JSON can hold: NaN and infinity become null."""
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
