"""Contracts: what a batch of data must look like, read from an Open Data Contract Standard (ODCS) file.

Standard: https://bitol-io.github.io/open-data-contract-standard/ (3.x). Supported: `schema` with one object, its
`properties` (`logicalType`, `required`, `primaryKey`, `logicalTypeOptions`, `enum`, `quality`), its `quality`
(`rowCount`) and `slaProperties` (`latency`: freshness). What the standard has no word for is in `customProperties`: of
the contract `assetType`, `twinInterface` and `fileLayout` (see `file_layout`); of a property `unit` and
`maxRatePerSecond`.
"""

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import pandas as pd

from data_contracts.contract.file_layout import FileLayout, read_layout
from data_contracts.contract.twins import Channel, load_twin
from data_contracts.errors import NotFoundError, UsageError, did_you_mean

if TYPE_CHECKING:
    from open_data_contract_standard.model import DataQuality, OpenDataContractStandard, SchemaObject, SchemaProperty

CONTRACTS = Path(__file__).parents[1] / "contracts"
ColumnType = Literal["string", "number", "integer", "timestamp", "boolean"]
DTYPES: dict[str, str] = {
    "string": "str",
    "number": "float64",
    "integer": "Int64",
    "timestamp": "datetime64[us, UTC]",
    "boolean": "boolean",
}
"""The pandas dtype of each column type of a contract."""
_KEY_COLUMNS = ("asset", "event_time", "known_time", "source")
_TELEMETRY = "telemetry"
_BELOW_ONE = 1 - 1e-9  # a null share that only a column without any value exceeds
_DAYS = {"d": "D", "day": "D", "days": "D"}


@dataclass(frozen=True)
class Column:
    """The rules for one column.

    Parameters
    ----------
    name
        The column's name.
    type
        The type of its values.
    unit
        The symbol of their unit; None if they have none, or it is unknown.
    required
        Whether every row must have a value.
    minimum, maximum
        The limits of the values, inclusive, in `unit`; None for no limit.
    allowed
        The allowed values; None for any.
    max_null_share
        The largest share of a batch's rows without a value, 0 to 1. Below 1 the column must be present.
    max_rate_per_second
        The largest change between consecutive rows of an asset, in `unit` a second; None for any.
    description
        What the values mean.
    """

    name: str
    type: ColumnType
    unit: str | None = None
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | None = None
    max_null_share: float = 1.0
    max_rate_per_second: float | None = None
    description: str = ""

    @property
    def needed(self) -> bool:
        """Return whether the column must be present."""
        return self.required or self.max_null_share < 1


@dataclass(frozen=True)
class Contract:
    """The rules for batches of one kind of data.

    Parameters
    ----------
    name
        The contract's name.
    version
        Its version, as its authors count.
    kind
        What the rows are: ``"telemetry"``, ``"assets"``, ``"failures"``, ``"work_orders"``, ``"events"`` or
        ``"predictions"``.
    columns
        The columns, in order.
    key
        The columns that identify a row within a batch.
    min_rows
        The fewest rows of a batch; at least 1.
    max_age
        The largest age of a batch's latest event; None for any.
    asset_type
        The asset type of telemetry; None for other kinds.
    file_layout
        How the files of such batches are laid out; None if the contract does not say.
    """

    name: str
    version: str
    kind: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    min_rows: int = 1
    max_age: pd.Timedelta | None = None
    asset_type: str | None = None
    file_layout: FileLayout | None = field(default=None, hash=False)  # its mappings cannot be hashed

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the names of the telemetry channels, in order; empty for other kinds."""
        if self.kind != _TELEMETRY:
            return ()
        return tuple(column.name for column in self.columns if column.name not in _KEY_COLUMNS)

    @property
    def table(self) -> str:
        """Return the name of the table that stores accepted rows."""
        return f"{_TELEMETRY}/{self.asset_type}" if self.kind == _TELEMETRY else self.kind

    @property
    def digest(self) -> str:
        """Return a digest of all rules and descriptions; models record it, so renaming a field would change it."""
        rules = asdict(self)
        # How a file is written says nothing about the data in it.
        del rules["file_layout"]
        content = json.dumps(rules, sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def column(self, name: str) -> Column | None:
        """Return the column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def empty(self) -> pd.DataFrame:
        """Return a frame with the contract's columns and dtypes, and no rows."""
        return pd.DataFrame({column.name: pd.Series(dtype=DTYPES[column.type]) for column in self.columns})


def contract_names() -> tuple[str, ...]:
    """List the shipped contracts.

    Returns
    -------
    tuple of str
        Their names, sorted.
    """
    return tuple(sorted(path.name.removesuffix(".odcs.yaml") for path in CONTRACTS.glob("*.odcs.yaml")))


def telemetry_contract(asset_type: str) -> Contract:
    """Load the shipped contract for the telemetry of an asset type.

    Parameters
    ----------
    asset_type
        The asset type, such as ``"cnc_machine"``.

    Returns
    -------
    Contract
        The contract.

    Raises
    ------
    NotFoundError
        If no contract for that asset type is shipped.
    """
    return load_contract(f"telemetry_{asset_type}")


def load_contract(name_or_path: str | Path) -> Contract:
    """Load a contract.

    Parameters
    ----------
    name_or_path
        The name of a shipped contract, such as ``"failures"``, or the path of an ODCS file (``.yaml``).

    Returns
    -------
    Contract
        The contract.

    Raises
    ------
    NotFoundError
        If there is no such contract.
    UsageError
        If the file violates the standard, or has a rule that is not supported.

    Examples
    --------
    >>> load_contract("failures").key
    ('failure_id', 'known_time')
    """
    text = str(name_or_path)
    path = Path(text) if text.endswith((".yaml", ".yml")) else CONTRACTS / f"{text}.odcs.yaml"
    if not path.is_file():
        hint = did_you_mean(text, contract_names()) or "Name a shipped contract, or give the path of an ODCS file"
        expected = f"an Open Data Contract Standard file (.yaml), or one of {', '.join(contract_names())}"
        raise NotFoundError(f"no contract {text!r}", expected, hint)
    return _read(path, path.stat().st_mtime_ns)


def empty_table(table: str) -> pd.DataFrame:
    """Return an empty frame with a table's columns and dtypes.

    A table without a shipped contract gets the columns that every table has.
    """
    name = table.replace("/", "_")
    if name in contract_names():
        return load_contract(name).empty()
    names = _KEY_COLUMNS if table.startswith(f"{_TELEMETRY}/") else _KEY_COLUMNS[:3]
    types = {"event_time": "timestamp", "known_time": "timestamp"}
    return pd.DataFrame({name: pd.Series(dtype=DTYPES[types.get(name, "string")]) for name in names})


@functools.lru_cache(maxsize=64)
def _read(path: Path, _modified_ns: int) -> Contract:
    document = _parse(path)
    custom = _custom(document)
    if not document.schema_ or len(document.schema_) != 1:
        raise _invalid(path, f"has {len(document.schema_ or [])} schema objects", "exactly one")
    table = document.schema_[0]
    kind = str(table.name)
    twin = custom.get("twinInterface")
    columns = tuple(_column(path, item, "number" if twin else None) for item in table.properties or [])
    if twin:
        columns = _with_twin(path, columns, twin)
    if kind == _TELEMETRY:
        columns = tuple(_require_some_values(column) for column in columns)
        if "assetType" not in custom:
            raise _invalid(path, "is for telemetry but has no asset type", "a custom property assetType")
    keys = sorted((item.primaryKeyPosition or 0, str(item.name)) for item in table.properties or [] if item.primaryKey)
    if not keys:
        raise _invalid(path, "has no key", "primaryKey: true on the properties that identify a row")
    return Contract(
        name=str(document.name or path.name.split(".")[0]),
        version=str(document.version),
        kind=kind,
        columns=columns,
        key=tuple(name for _, name in keys),
        min_rows=_min_rows(path, table),
        max_age=_max_age(path, document),
        asset_type=custom.get("assetType"),
        file_layout=read_layout(path, custom["fileLayout"]) if "fileLayout" in custom else None,
    )


def _parse(path: Path) -> "OpenDataContractStandard":
    # Its models take half a second to import, which only commands that read a contract should pay for.
    import pydantic
    import yaml
    from open_data_contract_standard.model import OpenDataContractStandard

    try:
        return OpenDataContractStandard.from_file(str(path))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _invalid(path, f"is not YAML ({' '.join(str(error).split())})", "a valid YAML file") from error
    except (pydantic.ValidationError, TypeError) as error:
        problem = "; ".join(_problems(error)) if isinstance(error, pydantic.ValidationError) else str(error)
        expected = "an Open Data Contract Standard 3 document"
        raise _invalid(path, f"violates the standard ({problem})", expected) from error


def _problems(error: Any) -> Iterator[str]:
    for item in error.errors():
        yield f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"


def _invalid(path: Path, found: str, expected: str) -> UsageError:
    return UsageError(f"contract {path} {found}", expected, "Fix the file; data_contracts/contracts has examples")


def _custom(item: Any) -> dict[str, Any]:
    return {entry.property: entry.value for entry in item.customProperties or []}


def _column(path: Path, item: "SchemaProperty", default_type: str | None) -> Column:
    kind = item.logicalType or default_type
    custom, options = _custom(item), item.logicalTypeOptions or {}
    if kind not in get_args(ColumnType):
        raise _invalid(path, f"gives {item.name} the type {kind!r}", f"one of {', '.join(get_args(ColumnType))}")
    unknown = set(options) - {"minimum", "maximum", "timezone", "defaultTimezone", "format"}
    if unknown:
        raise _invalid(path, f"has unsupported options of {item.name}: {sorted(unknown)}", "minimum or maximum")
    required = bool(item.required)
    return Column(
        name=str(item.name),
        type=cast("ColumnType", kind),
        unit=custom.get("unit"),
        required=required,
        minimum=_number(options.get("minimum")),
        maximum=_number(options.get("maximum")),
        allowed=tuple(str(entry.value) for entry in item.enum) if item.enum else None,
        max_null_share=0.0 if required else _max_null_share(path, item),
        max_rate_per_second=_number(custom.get("maxRatePerSecond")),
        description=item.description or "",
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _max_null_share(path: Path, item: "SchemaProperty") -> float:
    share = 1.0
    for rule in item.quality or []:
        limit = rule.mustBeLessOrEqualTo
        if _metric(rule) != "nullValues" or limit is None or rule.unit != "percent":
            raise _invalid(
                path,
                f"has a rule on {item.name} that is not supported ({_metric(rule)})",
                "metric: nullValues with unit: percent and mustBeLessOrEqualTo",
            )
        share = float(limit) / 100
    return share


def _min_rows(path: Path, table: "SchemaObject") -> int:
    min_rows = 1
    for rule in table.quality or []:
        if _metric(rule) != "rowCount" or rule.mustBeGreaterOrEqualTo is None:
            raise _invalid(
                path,
                f"has a rule on {table.name} that is not supported ({_metric(rule)})",
                "metric: rowCount with mustBeGreaterOrEqualTo",
            )
        min_rows = max(min_rows, int(rule.mustBeGreaterOrEqualTo))
    return min_rows


def _metric(rule: "DataQuality") -> str | None:
    return rule.metric or rule.rule


def _max_age(path: Path, document: "OpenDataContractStandard") -> pd.Timedelta | None:
    for sla in document.slaProperties or []:
        if sla.property == "latency":
            try:
                return pd.Timedelta(f"{sla.value}{_DAYS.get(str(sla.unit), sla.unit)}")
            except ValueError as error:
                found = f"has the latency {sla.value!r} {sla.unit!r}"
                raise _invalid(path, found, "a number with unit: d, h, m or s") from error
    return None


def _with_twin(path: Path, columns: tuple[Column, ...], interface: str) -> tuple[Column, ...]:
    """Take the name, type and unit of every channel from the twin, and only the limits from the contract."""
    twin = load_twin(path.parent / interface if interface.endswith(".json") else interface)
    names = [channel.name for channel in twin.channels]
    limits = {column.name: column for column in columns if column.name not in _KEY_COLUMNS}
    for name, column in limits.items():
        if name not in names:
            hint = did_you_mean(name, names)
            found = f"limits the channel {name!r}, which its twin {twin.name} does not have. {hint}".rstrip()
            raise _invalid(path, found, f"one of {', '.join(names)}")
        if column.unit is not None:
            raise _invalid(path, f"gives a unit to {name!r}", f"units only in its twin {twin.name}")
    keys = tuple(column for column in columns if column.name in _KEY_COLUMNS)
    return keys + tuple(_channel_column(channel, limits.get(channel.name)) for channel in twin.channels)


def _channel_column(channel: Channel, limit: Column | None) -> Column:
    column = limit or Column(channel.name, "number")
    return replace(column, type="number", unit=channel.unit, description=column.description or channel.description)


def _require_some_values(column: Column) -> Column:
    """Require at least one value of a channel whose contract sets no limit on nulls."""
    return column if column.needed else replace(column, max_null_share=_BELOW_ONE)
