"""What the methods of a workspace make of their arguments: times, paths, and keys of an experiment."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.configuration.places import toml_value
from data_contracts.errors import UsageError, did_you_mean
from features.names import format_duration
from pipelines.cli.file_options import FileOptions
from pipelines.settings.timestamps import parse_timestamp

Time = str | dt.datetime
"""A time: ISO 8601, or a `pandas.Timestamp` or other datetime; UTC where it names no zone."""
PathLike = str | Path


def time(given: Time | None) -> pd.Timestamp | None:
    """Return a time in UTC; None stays None."""
    return None if given is None else parse_timestamp(given if isinstance(given, str) else given.isoformat())


def paths(given: PathLike | Sequence[PathLike]) -> tuple[Path, ...]:
    """Return one path or several as a tuple."""
    return (Path(given),) if isinstance(given, str | Path) else tuple(map(Path, given))


def optional_path(given: PathLike | None) -> Path | None:
    """Return a path; None stays None."""
    return None if given is None else Path(given)


def file_options(given: Mapping[str, Any]) -> FileOptions:
    """Return the options that say how files are laid out; `UsageError` if one is unknown."""
    known = tuple(vars(FileOptions()))
    for name in given:
        if name not in known:
            found, hint = f"the option {name}", did_you_mean(name, known) or "Remove it"
            raise UsageError(found, f"one of {', '.join(known)}", hint)
    several = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return FileOptions(**{**given, **several})


def overrides(given: Mapping[str, Any] | None) -> list[str]:
    """Return changed keys of an experiment as the command line takes them.

    >>> overrides({"label.horizon": "72h", "estimator": {"kind": "logistic"}, "features.events": False})
    ['label.horizon=72h', 'estimator.kind=logistic', 'features.events=false']
    >>> overrides({"estimator": {"kind": "logistic", "params": {}}})
    ['estimator.kind=logistic', 'estimator.params={}']
    """
    return [f"{key}={_toml(value)}" for key, value in _flat(given or {})]


def _flat(given: Mapping[str, Any], section: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in given.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{section}{key}.")
        else:
            yield f"{section}{key}", value


def _toml(value: Any) -> str:
    """Write a value as TOML, or as bare text where that is read as the same."""
    if isinstance(value, str):
        return value if toml_value(value) == value else json.dumps(value, ensure_ascii=False)
    if isinstance(value, dt.timedelta):
        return format_duration(pd.Timedelta(value))
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(json.dumps(each, ensure_ascii=False) for each in value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
