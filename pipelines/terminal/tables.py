"""Tables for a terminal: names and values, or a row for each record."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table


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
