"""What the standard has no word for: the custom properties of a column and of a contract."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.contract.contract_types import ALL_CHANNELS
from data_contracts.contract.odcs.contract_yaml import invalid
from data_contracts.contract.odcs.standard_keys import COLUMN_PROPERTIES, CONTRACT_PROPERTIES
from data_contracts.errors import did_you_mean

if TYPE_CHECKING:
    from open_data_contract_standard.model import CustomProperty, SchemaProperty

QUALITIES = ("good", "uncertain", "bad")
_NUMBERS = ("number", "integer")
_OF_QUALITY = ("uncertain", *(f"{quality}Values" for quality in QUALITIES))


def custom_rules(path: Path, item: "SchemaProperty", kind: str) -> dict[str, Any]:
    """Read the custom properties of a column as fields of `Column`."""
    name = str(item.name)
    custom = read_properties(path, f"the column {name}", item.customProperties, COLUMN_PROPERTIES)
    for word in ("maxRatePerSecond", "counter", "rollover"):
        if word in custom and kind not in _NUMBERS:
            raise invalid(path, f"gives {word} to {name}, which is a {kind}", "a column of numbers")
    rate, rollover = (_positive(path, name, word, custom.get(word)) for word in ("maxRatePerSecond", "rollover"))
    counter = _truth(path, name, custom["counter"]) if "counter" in custom else None
    if rollover is not None and not counter:
        raise invalid(path, f"gives {name} a rollover", "counter: true beside it", "Say that it is a counter")
    unit = custom.get("unit")
    if unit is not None and not isinstance(unit, str):
        raise invalid(path, f"gives {name} the unit {unit!r}", "a text", "Write it in quotes")
    return {
        "unit": unit,
        "max_rate_per_second": rate,
        "counter": counter,
        "rollover": rollover,
        **_quality(path, name, kind, custom),
    }


def contract_properties(path: Path, entries: "Iterable[CustomProperty] | None") -> dict[str, Any]:
    """Read the custom properties of a contract by name; `earliestTime` as a time in UTC."""
    custom = read_properties(path, "the contract", entries, CONTRACT_PROPERTIES)
    for name, words in (("extraColumns", ("refuse", "ignore")), ("clock", ("time", "cycle"))):
        if custom.get(name, words[0]) not in words:
            hint = did_you_mean(str(custom[name]), words) or "Use one of these"
            raise invalid(path, f"has {name}: {custom[name]!r}", f"one of {', '.join(words)}", hint)
    if "earliestTime" in custom:
        custom["earliestTime"] = _instant(path, custom["earliestTime"])
    for name in ("assetType", "twinInterface"):
        if name in custom and (not isinstance(custom[name], str) or not custom[name].strip()):
            raise invalid(path, f"has {name}: {custom[name]!r}", "a name", "Write it in quotes")
    return custom


def read_properties(
    path: Path, where: str, entries: "Iterable[CustomProperty] | None", known: tuple[str, ...]
) -> dict[str, Any]:
    """Return the values of custom properties by name, each known and once; those of other vendors are left out."""
    values: dict[str, Any] = {}
    for entry in entries or ():
        if entry.vendor is not None:
            continue
        name = str(entry.property)
        if name not in known:
            hint = did_you_mean(name, known) or "Remove it; with a vendor it is left to the tools of that vendor"
            found = f"has the unknown custom property {name!r} of {where}"
            raise invalid(path, found, f"one of {', '.join(known)}", hint)
        if name in values:
            raise invalid(path, f"has the custom property {name!r} of {where} twice", "each once")
        values[name] = entry.value
    return values


def _quality(path: Path, name: str, kind: str, custom: Mapping[str, Any]) -> dict[str, Any]:
    if "qualityOf" not in custom:
        alone = [word for word in _OF_QUALITY if word in custom]
        if alone:
            remedy = "Name the channel that it is the quality of, or * for all"
            raise invalid(path, f"gives {name} {alone[0]} without qualityOf", "qualityOf beside it", remedy)
        return {}
    if kind != "string":
        raise invalid(path, f"makes {name}, which is a {kind}, a quality", "logicalType: string; 192 is a text too")
    target = custom["qualityOf"]
    uncertain = custom.get("uncertain", "keep")
    if uncertain not in ("keep", "drop"):
        raise invalid(path, f"has uncertain: {uncertain!r} of {name}", "keep or drop")
    words: list[tuple[str, str]] = []
    for quality in QUALITIES:
        listed = custom.get(f"{quality}Values", [])
        listed = listed if isinstance(listed, list) else [listed]
        if any(isinstance(word, bool) or not isinstance(word, str | int) for word in listed):
            raise invalid(path, f"has {quality}Values {listed!r} of {name}", "texts", "Write them in quotes")
        words += [(str(word).strip().casefold(), quality) for word in listed]
    if len({word for word, _ in words}) < len(words):
        raise invalid(path, f"lists a value of {name} under two qualities", "each under one")
    return {
        "quality_of": ALL_CHANNELS if target in (None, "", ALL_CHANNELS) else str(target),
        "uncertain": uncertain,
        "quality_words": tuple(words),
    }


def _positive(path: Path, name: str, word: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (ValueError, TypeError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise invalid(path, f"has {word} {value!r} of {name}", "a number above 0")
    return number


def _truth(path: Path, name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise invalid(path, f"has counter: {value!r} of {name}", "true or false")
    return value


def _instant(path: Path, value: Any) -> pd.Timestamp:
    try:
        if isinstance(value, int | float):
            raise ValueError
        time = pd.Timestamp(value)
        return (time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")).as_unit("us")
    except (ValueError, TypeError):
        raise invalid(path, f"has earliestTime: {value!r}", "a time such as 2015-01-01T00:00:00Z") from None
