"""Frozen configuration values: pydantic dataclasses whose errors are written for people."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast, dataclass_transform

import pydantic
from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

from data_contracts.configuration.places import UNNAMED, Source
from data_contracts.configuration.schemas import describe, json_schema, keys_at, property_at, words
from data_contracts.errors import UsageError, did_you_mean

T = TypeVar("T")

_CONFIG = ConfigDict(extra="forbid")
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_MISSING = ("missing", "missing_argument")


class WrongValueError(UsageError):
    """Raised by a value's own checks to name the key at fault, relative to the value."""

    def __init__(self, key: str, found: str, expected: str, remedy: str = "") -> None:
        super().__init__(found, expected, remedy or f"Fix {key}")
        self.key = key


class _CheckError(ValueError):
    """Carries a `UsageError` through pydantic, which adds the location."""

    def __init__(self, error: UsageError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass_transform(frozen_default=True, field_specifiers=(pydantic.Field,))
def configuration(cls: type[T]) -> type[T]:
    """Make a class a frozen pydantic dataclass; a docstring below a field describes it in the schema.

    ``__post_init__`` checks what no field can check alone, and raises `UsageError`. A wrong value is a `UsageError`,
    whether it was given in code or read with `build`.
    """
    if check := vars(cls).get("__post_init__"):
        cls.__post_init__ = _as_value_error(check)  # type: ignore[attr-defined]
    made = dataclass(frozen=True, config=_CONFIG)(cls)
    construct: Callable[..., None] = made.__init__
    names = tuple(inspect.signature(made).parameters)

    @functools.wraps(construct)
    def init(self: Any, *arguments: Any, **values: Any) -> None:
        # By name, because pydantic locates what is wrong with a positional argument by its number.
        by_position = dict(zip(names, arguments, strict=False))
        if twice := sorted(by_position.keys() & values):
            raise TypeError(f"{cls.__name__} got {', '.join(twice)} both by position and by name")
        values |= by_position
        try:
            construct(self, *arguments[len(names) :], **values)
        except ValidationError as error:
            raise explain(error, made, values, UNNAMED) from None

    made.__init__ = init  # type: ignore[method-assign]
    return cast("type[T]", made)


def build(kind: type[T], content: Mapping[str, Any], source: Source) -> T:
    """Build a configuration value from a table; `UsageError` names the place of the first mistake."""
    try:
        made: T = pydantic.TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise explain(error, kind, content, source) from None
    return made


def explain(error: ValidationError, kind: type, content: Mapping[str, Any], source: Source) -> UsageError:
    """Turn pydantic's first error into one that says what was found, what was expected and what to do.

    Unknown keys come first: a misspelt key is also a missing one.
    """
    mistakes = sorted(error.errors(include_url=False), key=lambda mistake: _urgency(mistake["type"]))
    mistake, schema = mistakes[0], json_schema(kind)
    location = tuple(part for part in mistake["loc"] if isinstance(part, str))
    if mistake["type"] in _UNKNOWN:
        return _unknown(location, schema, source)
    if mistake["type"] in _MISSING:
        key = ".".join(location)
        place = f"{source.name}: " if source.name else ""
        return UsageError(f"{place}{key} is missing", describe(property_at(schema, location)), f"Add {key}")
    failure = mistake.get("ctx", {}).get("error")
    if isinstance(failure, _CheckError):
        return _failed_check(failure.error, location, source)
    while location and property_at(schema, location) is None:
        # What is left of a location inside a union is pydantic's name of an alternative.
        location = location[:-1]
    key, expected = ".".join(location), property_at(schema, location) or {}
    value = _value_at(content, mistake["loc"], location)
    hint = did_you_mean(value, words(expected)) if isinstance(value, str) else ""
    return UsageError(
        f"{source.at(key)} is {_show(value, expected)}",
        describe(expected),
        hint or f"Fix {source.places.get(key, key)}",
    )


def _value_at(content: Any, path: Sequence[str | int], location: Sequence[str]) -> Any:
    """Return what stands at a location; the path to it also has the places in lists."""
    value, left = content, list(location)
    for part in path:
        if not left:
            break
        value = value[part] if isinstance(part, int) else value[left.pop(0)]
    return value


def _urgency(kind: str) -> int:
    return 0 if kind in _UNKNOWN else 1 if kind in _MISSING else 2


def _unknown(location: tuple[str, ...], schema: Mapping[str, Any], source: Source) -> UsageError:
    key, known = ".".join(location), keys_at(schema, location[:-1])
    renamed = source.renamed.get(key)
    hint = f"It is called {renamed} now" if renamed else did_you_mean(location[-1], known) or _elsewhere(key, schema)
    return UsageError(f"{source.at(key)} is not known", f"one of {', '.join(known)}", hint)


def _elsewhere(key: str, schema: Mapping[str, Any]) -> str:
    """Name the sections in which there is such a key."""
    name = key.rpartition(".")[2]
    meant = [f"{section}.{name}" for section in keys_at(schema, ()) if name in keys_at(schema, (section,))]
    return f"Did you mean {' or '.join(map(repr, meant))}?" if meant else "Remove it"


def _failed_check(error: UsageError, location: tuple[str, ...], source: Source) -> UsageError:
    if isinstance(error, WrongValueError):
        key = ".".join((*location, error.key))
        joint = ": " if error.found[0].isupper() else " "
        return UsageError(f"{source.at(key)}{joint}{error.found}", error.expected, error.remedy)
    if not location and source is UNNAMED:
        return error
    return UsageError(f"{source.at('.'.join(location))}: {error.found}", error.expected, error.remedy)


def _show(value: Any, expected: Mapping[str, Any]) -> str:
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, str) and any(each.get("type") == "string" for each in expected.get("anyOf", [expected])):
        return repr(value)
    kinds = {str: "the text", bool: "the truth value", int: "the number", float: "the number", list: "the list"}
    written = str(value).lower() if isinstance(value, bool) else repr(value)
    return f"{kinds.get(type(value), 'the value')} {written}"


def _as_value_error(check: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(check)
    def post_init(self: Any) -> None:
        try:
            check(self)
        except UsageError as error:
            raise _CheckError(error) from error

    return post_init
