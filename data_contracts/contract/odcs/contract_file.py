"""A contract, read from a file of the standard."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.contract.contract_types import (
    ALL_CHANNELS,
    EARLIEST,
    KEY_COLUMNS,
    PARTS,
    QUALITY_SUFFIX,
    STORED_VERSION,
    TELEMETRY,
    Column,
    Contract,
    QualityRule,
    is_quality_column,
)
from data_contracts.contract.file_layout import read_layout
from data_contracts.contract.odcs.column_properties import contract_properties
from data_contracts.contract.odcs.column_rules import read_column, require_some_values
from data_contracts.contract.odcs.contract_yaml import invalid, parse
from data_contracts.contract.odcs.quality_rules import read_quality_rules
from data_contracts.contract.twins import Channel, Twin, load_twin
from data_contracts.errors import did_you_mean

if TYPE_CHECKING:
    from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject

KINDS = (TELEMETRY, "assets", "failures", "work_orders", "events", "predictions", "asset_graph", *PARTS)
_DAYS = {"d": "D", "day": "D", "days": "D"}
# What the service promises; no batch can break it.
_PROMISES = (
    *("availability", "throughput", "generalAvailability", "endOfSupport", "endOfLife"),
    *("timeToDetect", "timeToNotify", "timeToRepair"),
)
_PROMISES_INSTEAD = {
    "frequency": "Leave it out; how old the latest event may be is the latency",
    "retention": "Leave it out; how long data is kept is a setting of the workspace",
    "timeOfAvailability": "Leave it out; how old the latest event may be is the latency",
    "errorRate": "Leave it out, or limit nullValues or invalidValues of a column in percent",
}


def read_contract(path: Path) -> Contract:
    """Read a contract; `UsageError` if it violates the standard, or has a rule that nothing enforces."""
    document = parse(path)
    if document.kind not in (None, "DataContract"):
        raise invalid(path, f"is of the kind {document.kind!r}", "kind: DataContract")
    if document.apiVersion is not None and not document.apiVersion.startswith(("v3.", "3.")):
        raise invalid(path, f"is of version {document.apiVersion} of the standard", "version 3")
    custom = contract_properties(path, document.customProperties)
    if not document.schema_ or len(document.schema_) != 1:
        raise invalid(path, f"has {len(document.schema_ or [])} schema objects", "exactly one")
    table = document.schema_[0]
    kind = str(table.name)
    _check_table(path, kind, table)
    columns = _columns(path, kind, table, custom)
    min_rows, rules = _row_rules(path, table, columns)
    max_age = _max_age(path, document, table)
    if max_age is not None and not any(column.name == "event_time" for column in columns):
        raise invalid(path, "limits the latency of rows without an event_time", "a column event_time")
    return Contract(
        name=str(document.name or path.name.split(".")[0]),
        version=str(document.version),
        kind=kind,
        columns=columns,
        key=_key(path, table),
        min_rows=min_rows,
        max_age=max_age,
        asset_type=custom.get("assetType"),
        rules=rules,
        extra_columns=custom.get("extraColumns", "refuse"),
        earliest_time=custom.get("earliestTime", EARLIEST.get(kind)),
        clock=custom.get("clock", "time"),
        file_layout=read_layout(path, custom["fileLayout"]) if "fileLayout" in custom else None,
        settable=_settable(_twin(path, custom["twinInterface"])) if "twinInterface" in custom else (),
    )


def _check_table(path: Path, kind: str, table: "SchemaObject") -> None:
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS) or "Name what the rows are"
        raise invalid(path, f"is about {kind}", f"one of {', '.join(KINDS)}", hint)
    if table.logicalType not in (None, "object"):
        raise invalid(path, f"has the logicalType {table.logicalType!r} of {kind}", "object")
    table_custom = [entry for entry in table.customProperties or [] if entry.vendor is None]
    if table_custom:
        found = f"has the custom property {table_custom[0].property!r} of {kind}"
        raise invalid(path, found, "custom properties of the contract or of a column", "Move it to the contract")
    names = Counter(str(item.name) for item in table.properties or [])
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise invalid(path, f"has the column {twice[0]} twice", "each column once")


def _columns(path: Path, kind: str, table: "SchemaObject", custom: dict[str, Any]) -> tuple[Column, ...]:
    twin = custom.get("twinInterface")
    columns = tuple(read_column(path, item, "number" if twin else None) for item in table.properties or [])
    if twin:
        columns = _with_twin(path, columns, twin)
    if any(column.name == STORED_VERSION for column in columns):
        raise invalid(path, f"has a column {STORED_VERSION}", "another name: tables add a column of that name")
    if any(column.max_rate_per_second is not None for column in columns):
        missing = [name for name in KEY_COLUMNS[:3] if name not in {column.name for column in columns}]
        if missing:
            raise invalid(path, f"limits a rate of change without {', '.join(missing)}", "the columns it is taken over")
    if kind == TELEMETRY:
        if "assetType" not in custom:
            raise invalid(path, "is for telemetry but has no asset type", "a custom property assetType")
        _check_telemetry(path, columns)
        return require_some_values(columns)
    if kind in PARTS:
        _check_types(path, columns, (PARTS[kind], "event_time", "known_time"), f"all {kind.replace('_', ' ')} have it")
    for column in columns:
        if column.counter or column.quality_of is not None:
            raise invalid(path, f"makes {column.name} of {kind} a counter or a quality", "such columns of telemetry")
    return columns


def _check_telemetry(path: Path, columns: tuple[Column, ...]) -> None:
    """Check the key columns, and that every other one is a number, or the quality of one."""
    _check_types(path, columns, KEY_COLUMNS, "all telemetry has it")
    channels = [column.name for column in columns if column.name not in KEY_COLUMNS and column.quality_of is None]
    for column in columns:
        if column.name in channels and is_quality_column(column.name):
            found = f"has the channel {column.name}, and what ends in {QUALITY_SUFFIX} says the quality of a channel"
            remedy = "Give it the custom property qualityOf, or another name"
            raise invalid(path, found, "another name, or qualityOf beside it", remedy)
        if column.name in channels and column.type not in ("number", "integer", "boolean"):
            raise invalid(
                path,
                f"has the channel {column.name} of the type {column.type}, and predictors compute with numbers",
                "a number, an integer or a boolean",
                f"Give each of its values a column of 0 and 1, leave {column.name} out of the contract with the custom "
                "property extraColumns: ignore, or give it the custom property qualityOf if it says how good a "
                "reading is",
            )
        if column.quality_of not in (None, ALL_CHANNELS, *channels):
            hint = did_you_mean(str(column.quality_of), channels) or "Name a channel, or * for all"
            found = f"makes {column.name} the quality of {column.quality_of!r}, which is no channel"
            raise invalid(path, found, f"one of {', '.join(channels)}", hint)


def _check_types(path: Path, columns: tuple[Column, ...], names: tuple[str, ...], reason: str) -> None:
    """Check that the columns are there that all rows of a kind are read by."""
    types = {column.name: column.type for column in columns}
    for name in names:
        expected = "timestamp" if name.endswith("_time") else "string"
        if types.get(name) != expected:
            found = f"has no column {name}" if name not in types else f"gives {name} the type {types[name]!r}"
            raise invalid(path, found, f"{name} with logicalType: {expected}, as {reason}")


def _key(path: Path, table: "SchemaObject") -> tuple[str, ...]:
    keys = sorted((item.primaryKeyPosition or 0, str(item.name)) for item in table.properties or [] if item.primaryKey)
    if not keys:
        raise invalid(path, "has no key", "primaryKey: true on the properties that identify a row")
    return tuple(name for _, name in keys)


def _row_rules(path: Path, table: "SchemaObject", columns: tuple[Column, ...]) -> tuple[int, tuple[QualityRule, ...]]:
    """Return the fewest rows of a batch, and the other rules for the table."""
    rules = read_quality_rules(path, str(table.name), table.quality, of_table=True)
    names = [column.name for column in columns]
    for rule in rules:
        for name in rule.columns:
            if name not in names:
                hint = did_you_mean(name, names) or "Name columns of the contract"
                raise invalid(path, f"counts duplicates of the unknown column {name!r}", f"one of {names}", hint)
    plain = [rule for rule in rules if _is_fewest_rows(rule)]
    fewest = [int(-(-rule.limits[0][1][0] // 1)) for rule in plain]
    return max([1, *fewest]), tuple(rule for rule in rules if rule not in plain)


def _is_fewest_rows(rule: QualityRule) -> bool:
    return rule.metric == "rowCount" and [name for name, _ in rule.limits] == ["mustBeGreaterOrEqualTo"]


def _max_age(path: Path, document: "OpenDataContractStandard", table: "SchemaObject") -> pd.Timedelta | None:
    ages = []
    for sla in document.slaProperties or []:
        name = str(sla.property)
        if name in _PROMISES:
            continue
        if name != "latency":
            hint = _PROMISES_INSTEAD.get(name) or did_you_mean(name, ("latency", *_PROMISES)) or "Leave it out"
            raise invalid(path, f"has the service level {name!r}, which nothing enforces", "latency", hint)
        element = sla.element or document.slaDefaultElement
        if element not in (None, "event_time", f"{table.name}.event_time"):
            raise invalid(path, f"limits the latency of {element!r}", f"that of {table.name}.event_time")
        ages.append(_latency(path, sla.value, sla.unit))
    return min(ages, default=None)


def _latency(path: Path, value: Any, unit: str | None) -> pd.Timedelta:
    try:
        if isinstance(value, bool):
            raise ValueError
        age = pd.Timedelta(f"{value}{_DAYS.get(str(unit), unit)}")
        if not age > pd.Timedelta(0):
            raise ValueError
    except (ValueError, TypeError):
        found = f"has the latency {value!r} {unit!r}"
        raise invalid(path, found, "a number above 0 with unit: d, h, m or s") from None
    return age


def _with_twin(path: Path, columns: tuple[Column, ...], interface: str) -> tuple[Column, ...]:
    """Take the name, type and unit of every channel from the twin, and only the limits from the contract."""
    twin = _twin(path, interface)
    names = [channel.name for channel in twin.channels]
    own = {c.name: c for c in columns if c.name not in KEY_COLUMNS and c.quality_of is None}
    for name, column in own.items():
        if name not in names:
            hint = did_you_mean(name, names)
            found = f"limits the channel {name!r}, which its twin {twin.name} does not have. {hint}".rstrip()
            raise invalid(path, found, f"one of {', '.join(names)}")
        if column.unit is not None:
            raise invalid(path, f"gives a unit to {name!r}", f"units only in its twin {twin.name}")
        if column.type != "number":
            raise invalid(path, f"gives {name!r} the type {column.type}", f"types only in its twin {twin.name}")
    keys = tuple(column for column in columns if column.name in KEY_COLUMNS)
    qualities = tuple(column for column in columns if column.quality_of is not None)
    return (*keys, *(_channel_column(channel, own.get(channel.name)) for channel in twin.channels), *qualities)


def _twin(path: Path, interface: str) -> Twin:
    return load_twin(path.parent / interface if interface.endswith(".json") else interface)


def _settable(twin: Twin) -> tuple[Column, ...]:
    return tuple(
        Column(
            name=own.name,
            type=own.type,
            unit=own.unit,
            minimum=own.minimum,
            maximum=own.maximum,
            description=own.description,
        )
        for own in twin.writable
    )


def _channel_column(channel: Channel, limit: Column | None) -> Column:
    column = limit or Column(channel.name, "number")
    return replace(column, type="number", unit=channel.unit, description=column.description or channel.description)
