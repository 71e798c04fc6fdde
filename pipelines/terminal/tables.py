"""Tables of plain values: names and values, or a row for each record."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text


def key_value_table(values: Mapping[str, Any]) -> Table:
    """Return names and values in two columns; nested mappings become dotted names."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _flatten(values):
        table.add_row(name, Text(_text(value)))
    return table


def records_table(records: Sequence[Mapping[Any, Any]], *, title: str | None = None) -> Table:
    """Return records with the same keys as a table, a column for each key."""
    table = Table(box=None, title=title, title_justify="left", header_style="bold", pad_edge=False)
    for name in records[0] if records else ():
        table.add_column(name.replace("_", " "), overflow="fold")
    for record in records:
        table.add_row(*(Text(_text(value)) for value in record.values()))
    return table


def column_table(*columns: str) -> Table:
    """Return a table without rows that folds what is too wide."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def yes_or_no(good: bool, yes: str, no: str) -> Text:
    """Return one of two words, coloured by which it is."""
    return Text(yes, style="green") if good else Text(no, style="bold red")


def format_minute(time: pd.Timestamp) -> str:
    """Write a time to the minute."""
    return f"{time:%Y-%m-%d %H:%M}"


def _flatten(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flat += _flatten(value, f"{prefix}{name}.")
        else:
            flat.append((prefix + name, value))
    return flat


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_text(item) for item in value) or "-"
    return str(value)
