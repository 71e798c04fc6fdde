"""What differs between two versions of a contract, in words."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from data_contracts.contract.contract import Column, Contract
from data_contracts.contract.file_layout import PLAIN, FileLayout

_OF_COLUMNS = ("columns", "name", "key", "settable")


def contract_changes(before: Contract, after: Contract) -> tuple[str, ...]:
    """Describe each change: columns added, removed or reordered, and every rule that has another value."""
    return tuple(_changes(before, after))


def _changes(before: Contract, after: Contract) -> Iterator[str]:
    for field in dataclasses.fields(Contract):
        if field.name == "file_layout":
            yield from _layout_changes(before.file_layout or PLAIN, after.file_layout or PLAIN)
        elif field.name not in _OF_COLUMNS:
            words = field.name.replace("_", " ")
            yield from _difference(words, getattr(before, field.name), getattr(after, field.name))
    yield from _difference("key", ", ".join(before.key), ", ".join(after.key))
    old = {column.name: column for column in before.columns}
    new = {column.name: column for column in after.columns}
    yield from (f"column {name} removed" for name in old if name not in new)
    yield from (f"column {name} added" for name in new if name not in old)
    yield from _difference("may be commanded:", _names(before.settable), _names(after.settable))
    kept = [name for name in new if name in old]
    if kept != [name for name in old if name in new]:
        yield "columns in another order"
    for name in kept:
        yield from _column_changes(old[name], new[name])


def _names(columns: tuple[Column, ...]) -> str:
    return ", ".join(column.name for column in columns) or "nothing"


def _layout_changes(before: FileLayout, after: FileLayout) -> Iterator[str]:
    for field in dataclasses.fields(FileLayout):
        words = f"files: {field.name.replace('_', ' ')}"
        yield from _difference(words, getattr(before, field.name), getattr(after, field.name))


def _column_changes(before: Column, after: Column) -> Iterator[str]:
    for field in dataclasses.fields(Column):
        values = getattr(before, field.name), getattr(after, field.name)
        if field.name == "description":
            yield from (f"{before.name}: another description",) if values[0] != values[1] else ()
        else:
            yield from _difference(f"{before.name}: {field.name.replace('_', ' ')}", *values)


def _difference(name: str, before: Any, after: Any) -> Iterator[str]:
    if before != after:
        yield f"{name} {_text(before)}, now {_text(after)}"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        value = tuple(f"{name}={other}" for name, other in value.items())
    return (", ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)
