"""Reading a strict TOML file into frozen dataclasses: every unknown key and wrong type is refused, and says where.

The dataclasses' own annotations are the schema. Durations and times are read here, at the edge, and only here.
"""

import dataclasses
import datetime as dt
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.errors import UsageError, did_you_mean
from features.names import format_duration, parse_duration


@dataclass(frozen=True)
class Source:
    """Where a value came from, to be named when it is wrong.

    Parameters
    ----------
    name
        The file, or what else the reader wrote.
    text
        The file's text, to find the line of a key in.
    overridden
        The dotted keys that the command line gave.
    """

    name: str
    text: str = ""
    overridden: frozenset[str] = frozenset()

    def overridden_by(self, overrides: Sequence[str]) -> "Source":
        """Note which keys came from the command line instead."""
        keys = frozenset(text.partition("=")[0].strip() for text in overrides)
        return dataclasses.replace(self, overridden=keys)

    def at(self, key: str) -> str:
        """Name the place of a dotted key, with its line where it is found."""
        if key in self.overridden:
            return f"--set {key}"
        section, _, last = key.rpartition(".")
        current = ""
        for number, line in enumerate(self.text.splitlines(), start=1):
            if header := re.match(r"\s*\[([^\[\]]+)\]", line):
                current = header[1].strip()
                if current == key:
                    return f"{self.name}:{number}: {key}"
            if current == section and re.match(rf"\s*[\"']?{re.escape(last)}[\"']?\s*=", line):
                return f"{self.name}:{number}: {key}"
        return f"{self.name}: {key}"


def read(path: Path) -> tuple[dict[str, Any], Source]:
    """Read a TOML file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    tuple of dict and Source
        Its content, and where it came from.

    Raises
    ------
    UsageError
        If it is missing or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text), Source(str(path), text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})", "an experiment file", "Name another") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", "a valid TOML file", "Mend that line") from error


def override(content: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Change some keys of a file's content.

    Parameters
    ----------
    content
        The content; not changed itself.
    overrides
        ``"section.key=value"``, the value in TOML; text may go without quotes.

    Returns
    -------
    dict
        The changed content.

    Raises
    ------
    UsageError
        If one is not of that shape.

    Examples
    --------
    >>> override({"seed": 1}, ["seed=2", "label.horizon=24h"])
    {'seed': 2, 'label': {'horizon': '24h'}}
    """
    changed: dict[str, Any] = {k: _copy(v) for k, v in content.items()}
    for text in overrides:
        key, equals, value = text.partition("=")
        parts = [part.strip() for part in key.split(".")]
        if not equals or not all(parts):
            raise UsageError(f"--set {text}", "key=value, such as estimator.kind=logistic", "Mend it")
        table = changed
        for part in parts[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise UsageError(f"--set {text}: {part} is a value", "a section", "Drop what follows it")
        table[parts[-1]] = _toml_value(value.strip())
    return changed


def build(shape: type, content: Mapping[str, Any], source: Source, prefix: str = "") -> Any:
    """Build a frozen dataclass from a table.

    Parameters
    ----------
    shape
        The dataclass; its annotations say what is allowed, its defaults what may be left out.
    content
        The table.
    source
        Where it came from.
    prefix
        The dotted key of the table, with a closing dot.

    Returns
    -------
    object
        An instance of `shape`.

    Raises
    ------
    UsageError
        For an unknown key, a missing one, or a value of another type.
    """
    fields = {f.name: f for f in dataclasses.fields(shape)}
    hints = typing.get_type_hints(shape)
    for key in content:
        if key not in fields:
            hint = did_you_mean(key, fields) or "Remove it"
            raise UsageError(f"{source.at(prefix + key)} is not known", f"one of {', '.join(fields)}", hint)
    for name, described in fields.items():
        needed = described.default is dataclasses.MISSING and described.default_factory is dataclasses.MISSING
        if needed and name not in content:
            raise UsageError(f"{source.name}: {prefix}{name} is missing", _describe(hints[name]), f"Add {prefix}{name}")
    values = {key: _parse(hints[key], value, prefix + key, source) for key, value in content.items()}
    with blamed_on(prefix.removesuffix("."), source):
        return shape(**values)


@contextmanager
def blamed_on(key: str, source: Source) -> Iterator[None]:
    """Say of an error which key of a file is at fault.

    Parameters
    ----------
    key
        The dotted key.
    source
        Where it came from.

    Raises
    ------
    UsageError
        The one that arose, with its place.
    """
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{source.at(key)}: {error.found}", error.expected, error.remedy) from error


def plain(value: Any) -> Any:
    """Turn a value that `build` made back into what its file held; None is left out.

    Parameters
    ----------
    value
        A dataclass or one of its values.

    Returns
    -------
    object
        dict, list, str, int, float or bool.
    """
    if dataclasses.is_dataclass(value):
        items = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {name: plain(item) for name, item in items if item is not None}
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, pd.Timedelta):
        return format_duration(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def _parse(hint: Any, value: Any, key: str, source: Source) -> Any:
    """Read a value as one of the types that an annotation names."""
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    if type(None) in options and value == "all" and not any(map(dataclasses.is_dataclass, options)):
        return None
    for option in options:
        try:
            return _parse_one(option, value, key, source)
        except _WrongTypeError:
            continue
    raise UsageError(f"{source.at(key)} is {_show(value)}", _describe(hint), f"Write another value for {key}")


class _WrongTypeError(Exception):
    """The value is of another type than this option."""


def _parse_one(option: Any, value: Any, key: str, source: Source) -> Any:
    origin = typing.get_origin(option)
    if dataclasses.is_dataclass(option):
        if isinstance(value, Mapping):
            return build(typing.cast("type", option), value, source, f"{key}.")
    elif origin is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_parse_one(typing.get_args(option)[0], item, key, source) for item in items)
    elif origin is typing.Literal:
        if value in typing.get_args(option):
            return value
        hint = did_you_mean(str(value), typing.get_args(option)) or "Choose one of these"
        raise UsageError(f"{source.at(key)} is {_show(value)}", _describe(option), hint)
    elif option is pd.Timedelta:
        return _duration(value, key, source)
    elif option is pd.Timestamp:
        return _instant(value, key, source)
    elif origin is not None and isinstance(value, Mapping):
        return dict(value)
    elif option is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif isinstance(option, type) and isinstance(value, option) and isinstance(value, bool) == (option is bool):
        return value
    raise _WrongTypeError


def _duration(value: Any, key: str, source: Source) -> pd.Timedelta:
    if not isinstance(value, str):
        raise _WrongTypeError
    try:
        return parse_duration(value, zero=True)
    except UsageError as error:
        raise UsageError(f"{source.at(key)} is {value!r}", error.expected, error.remedy) from error


def _instant(value: Any, key: str, source: Source) -> pd.Timestamp:
    if not isinstance(value, str | dt.date):
        raise _WrongTypeError
    try:
        # Not pandas' own parser: to it "March" and "now" are times, and other ones tomorrow.
        instant = pd.Timestamp(dt.datetime.fromisoformat(value) if isinstance(value, str) else value)
    except ValueError as error:
        raise UsageError(f"{source.at(key)} is {value!r}", _describe(pd.Timestamp), "Write it so") from error
    utc = instant.tz_localize("UTC") if instant.tzinfo is None else instant.tz_convert("UTC")
    return utc.as_unit("us")


def _describe(hint: Any) -> str:
    if _is_union(hint):
        return " or ".join(_describe(option) for option in typing.get_args(hint) if option is not type(None))
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(map(repr, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        return f"a list, each {_describe(typing.get_args(hint)[0])}"
    known = {
        str: "a text",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        pd.Timedelta: 'a duration such as "72h"',
        pd.Timestamp: 'a time such as "2015-03-01" or "2015-03-01T06:00:00Z"',
    }
    return known.get(hint, "a section") if isinstance(hint, type) else "a section"


def _show(value: Any) -> str:
    kinds = {str: "the text", bool: "the truth value", int: "the number", float: "the number", list: "the list"}
    if isinstance(value, Mapping):
        return "a section"
    written = str(value).lower() if isinstance(value, bool) else repr(value)
    return f"{kinds.get(type(value), 'the value')} {written}"


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _copy(value: Any) -> Any:
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, Mapping) else value
