"""How a command's result is shown: a table for people, one JSON document for programs."""

import dataclasses
import datetime as dt
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from data_contracts.errors import ForewarnError
from pipelines.drawings import drawing
from pipelines.options import Options


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
        Console().print(drawing(result) or facts(result.to_dict()))
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


def facts(values: Mapping[str, Any]) -> Table:
    """Draw names and values in two columns.

    Parameters
    ----------
    values : Mapping[str, Any]
        What to draw; nested mappings become dotted names.

    Returns
    -------
    Table
        The drawing.
    """
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _flat(values):
        table.add_row(name, _word(value))
    return table


def rows(records: Sequence[Mapping[Any, Any]], *, title: str | None = None) -> Table:
    """Draw records as a table, a column for each key.

    Parameters
    ----------
    records : Sequence[Mapping[str, Any]]
        Records with the same keys.
    title : str, optional
        A line above the table.

    Returns
    -------
    Table
        The drawing.
    """
    table = Table(box=None, title=title, title_justify="left", header_style="bold", pad_edge=False)
    for name in records[0] if records else ():
        table.add_column(name.replace("_", " "), overflow="fold")
    for record in records:
        table.add_row(*(_word(value) for value in record.values()))
    return table


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flat += _flat(value, f"{prefix}{name}.")
        else:
            flat.append((prefix + name, value))
    return flat


def _word(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_word(item) for item in value) or "-"
    return str(value)


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
