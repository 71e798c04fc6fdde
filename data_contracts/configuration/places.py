"""Where configuration comes from: TOML files, overrides and environment variables, named in error messages."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data_contracts.errors import UsageError


@dataclass(frozen=True)
class Source:
    """Where a table came from."""

    name: str  # the file's path, or what else was read; empty for values given in code
    text: str = ""  # the file's text, to find the line of a key in
    places: Mapping[str, str] = field(default_factory=dict)  # dotted keys that came from elsewhere, and from where
    renamed: Mapping[str, str] = field(default_factory=dict)  # dotted keys of earlier versions, and today's

    def overridden_by(self, overrides: Sequence[str]) -> "Source":
        """Note which keys the command line gave instead."""
        keys = (text.partition("=")[0].strip() for text in overrides)
        return replace(self, places={**self.places, **{key: f"--set {key}" for key in keys}})

    def at(self, key: str) -> str:
        """Name the place of a dotted key, with its line where it is found."""
        if key in self.places:
            return self.places[key]
        if not self.name:
            return key
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


UNNAMED = Source("")
"""Values given in code."""


def read_toml(path: Path) -> tuple[dict[str, Any], Source]:
    """Read a TOML file; `UsageError` if it is missing or is not TOML."""
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text), Source(str(path), text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})", "a TOML file", "Name another") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", "a valid TOML file", "Fix that line") from error


def override(content: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Copy a file's content with some keys changed: ``"section.key=value"``, the value in TOML or bare text.

    Examples
    --------
    >>> override({"seed": 1}, ["seed=2", "label.horizon=24h"])
    {'seed': 2, 'label': {'horizon': '24h'}}
    """
    changed: dict[str, Any] = {key: _copy(value) for key, value in content.items()}
    for text in overrides:
        key, equals, value = text.partition("=")
        parts = [part.strip() for part in key.split(".")]
        if not equals or not all(parts):
            raise UsageError(f"--set {text}", "key=value, such as estimator.kind=logistic", "Fix it")
        table = changed
        for part in parts[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise UsageError(f"--set {text}: {part} is a value", "a section", "Remove what follows it")
        table[parts[-1]] = toml_value(value.strip())
    return changed


def toml_value(text: str) -> Any:
    """Read a TOML value; anything else is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _copy(value: Any) -> Any:
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, Mapping) else value
