"""An experiment as the TOML file that it would be read from."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from models.experiment.experiment import Experiment

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def experiment_toml(experiment: Experiment, comments: tuple[str, ...] = ()) -> str:
    """Write an experiment as TOML, with comments above it: reading it gives the same experiment."""
    lines = [f"# {comment}" for comment in comments]
    return "\n".join([*lines, "", *_table(experiment.to_dict(), ())]).lstrip("\n") + "\n"


def _table(content: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a section: its values first, then the sections below."""
    values = {key: value for key, value in content.items() if not isinstance(value, Mapping)}
    if path and (values or not content):
        yield f"[{'.'.join(map(_key, path))}]"
    yield from (f"{_key(key)} = {_value(value)}" for key, value in values.items())
    if values:
        yield ""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _table(value, (*path, key))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(own)}" for key, own in value.items()) + "}"
    # Texts, numbers and truth values are written as in JSON, but that JSON has no infinity.
    return str(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
