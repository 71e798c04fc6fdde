"""A contract as JSON and back, with everything resolved: it needs neither its file nor its twin any more.

Fields that have their default are left out, so that a field added to `Contract` later changes no file written before.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from data_contracts.contract.contract import Contract

# How a time or duration is written, so that it is one again wherever it was: among allowed values, too.
_MARKS: dict[str, Callable[[str], Any]] = {"$time": pd.Timestamp, "$duration": pd.Timedelta}


def to_plain(contract: Contract) -> dict[str, Any]:
    """Return a contract as JSON values."""
    plain: dict[str, Any] = _plain(contract)
    return plain


def from_plain(content: Mapping[str, Any]) -> Contract:
    """Return the contract that `to_plain` wrote; TypeError, ValueError or KeyError if it is damaged."""
    contract: Contract = _typed(content, Contract)
    return contract


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        changed = {field.name: getattr(value, field.name) for field in fields if not _has_default(value, field)}
        return {name: _plain(item) for name, item in changed.items()}
    for mark, kind in _MARKS.items():
        if isinstance(value, kind):  # type: ignore[arg-type] # both are classes
            return {mark: value.isoformat()}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _has_default(value: Any, field: "dataclasses.Field[Any]") -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return bool(getattr(value, field.name) == field.default_factory())
    return field.default is not dataclasses.MISSING and getattr(value, field.name) == field.default


def _typed(value: Any, kind: Any) -> Any:
    """Convert JSON values to the type that a dataclass gives a field."""
    if value is None:
        return None
    if isinstance(value, Mapping) and len(value) == 1 and (mark := next(iter(value))) in _MARKS:
        return _MARKS[mark](value[mark])
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        (kind, *others) = (part for part in parts if part is not type(None))
        return value if others else _typed(value, kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _typed(item, hints[name]) for name, item in value.items()})
    if origin is tuple:
        of_items = [parts[0]] * len(value) if parts[1:] == (...,) else parts
        return tuple(_typed(item, part) for item, part in zip(value, of_items, strict=True))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {name: _typed(item, parts[1]) for name, item in value.items()}
    return float(value) if kind is float else value
