"""Contracts: what a batch of data has to be, read from an Open Data Contract Standard file into one frozen value.

Standard: https://bitol-io.github.io/open-data-contract-standard/ (3.x). Used of it: `schema` with one object, its
`properties` (`logicalType`, `required`, `primaryKey`, `logicalTypeOptions`, `enum`, `quality`), its `quality`
(`rowCount`) and `slaProperties` (`latency`: freshness). What the standard has no word for stands in `customProperties`:
of the contract `assetType` and `twinInterface`; of a property `unit` and `maxRatePerSecond`.
"""

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import pandas as pd

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
"""The column types of a contract with the pandas types that tables hold."""
_KEY_COLUMNS = ("asset", "event_time", "known_time", "source")
_TELEMETRY = "telemetry"
_NOT_ALL = 1 - 1e-9
_DAYS = {"d": "D", "day": "D", "days": "D"}


@dataclass(frozen=True)
class Column:
    """What one column has to be.

    Parameters
    ----------
    name
        The column's name.
    type
        What its values are.
    unit
        The symbol of their unit; None if they have none, or none is known.
    required
        Whether every row has to have a value.
    minimum, maximum
        The least and the greatest value, in `unit`; None where there is no limit.
    allowed
        The only values allowed; None where any is.
    max_null_share
        The largest share of a batch's rows without a value, 0 to 1. Below 1 the column has to be there.
    max_rate_per_second
        The largest change between one row of an asset and the next, in `unit` a second; None where any is.
    description
        What a person should know about it.
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
        """Return whether the column has to be there."""
        return self.required or self.max_null_share < 1


@dataclass(frozen=True)
class Contract:
    """What a batch of one kind of data has to be.

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
        The columns that tell one row of a batch from every other.
    min_rows
        The fewest rows a batch may have; at least 1.
    max_age
        How long ago the latest event of a batch may lie; None if any time.
    asset_type
        The asset type that telemetry is of; None for other kinds.
    """

    name: str
    version: str
    kind: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    min_rows: int = 1
    max_age: pd.Timedelta | None = None
    asset_type: str | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the names of the telemetry channels, in order; none for other kinds."""
        if self.kind != _TELEMETRY:
            return ()
        return tuple(column.name for column in self.columns if column.name not in _KEY_COLUMNS)

    @property
    def table(self) -> str:
        """Return the name of the table that accepted rows go to."""
        return f"{_TELEMETRY}/{self.asset_type}" if self.kind == _TELEMETRY else self.kind

    @property
    def digest(self) -> str:
        """Return a digest of all that the contract demands."""
        content = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def column(self, name: str) -> Column | None:
        """Find a column by its name.

        Parameters
        ----------
        name
            The column's name.

        Returns
        -------
        Column or None
            The column, if the contract has it.
        """
        return next((column for column in self.columns if column.name == name), None)

    def empty(self) -> pd.DataFrame:
        """Make a frame with the contract's columns and types and no rows.

        Returns
        -------
        pandas.DataFrame
            The empty frame.
        """
        return pd.DataFrame({column.name: pd.Series(dtype=DTYPES[column.type]) for column in self.columns})


def contract_names() -> tuple[str, ...]:
    """List the shipped contracts.

    Returns
    -------
    tuple of str
        Their names, ordered.
    """
    return tuple(sorted(path.name.removesuffix(".odcs.yaml") for path in CONTRACTS.glob("*.odcs.yaml")))


def telemetry_contract(asset_type: str) -> Contract:
    """Read the shipped contract for the telemetry of an asset type.

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
        If forewarn ships none for that asset type.
    """
    return load_contract(f"telemetry_{asset_type}")


def load_contract(name_or_path: str | Path) -> Contract:
    """Read a contract.

    Parameters
    ----------
    name_or_path
        The name of a shipped contract, such as ``"failures"``, or the path of an ODCS file.

    Returns
    -------
    Contract
        The contract.

    Raises
    ------
    NotFoundError
        If there is no such contract.
    UsageError
        If the file breaks the standard, or demands what cannot be checked.

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
    """Make an empty frame of what a table would hold.

    Parameters
    ----------
    table
        The table's name, such as ``"failures"`` or ``"telemetry/cnc_machine"``.

    Returns
    -------
    pandas.DataFrame
        The empty frame; only the columns every table has if no shipped contract describes the table.
    """
    name = table.replace("/", "_")
    if name in contract_names():
        return load_contract(name).empty()
    columns = _KEY_COLUMNS if table.startswith(f"{_TELEMETRY}/") else _KEY_COLUMNS[:3]
    kinds = {"event_time": "timestamp", "known_time": "timestamp"}
    return pd.DataFrame({column: pd.Series(dtype=DTYPES[kinds.get(column, "string")]) for column in columns})


@functools.lru_cache(maxsize=64)
def _read(path: Path, _modified_ns: int) -> Contract:
    document = _parse(path)
    custom = _custom(document)
    if not document.schema_ or len(document.schema_) != 1:
        raise _broken(path, f"has {len(document.schema_ or [])} schema objects", "exactly one")
    table = document.schema_[0]
    kind = str(table.name)
    twin = custom.get("twinInterface")
    columns = tuple(_column(path, item, "number" if twin else None) for item in table.properties or [])
    if twin:
        columns = _with_twin(path, columns, twin)
    if kind == _TELEMETRY:
        columns = tuple(_never_vacuous(column) for column in columns)
        if "assetType" not in custom:
            raise _broken(path, "is about telemetry but names no asset type", "a custom property assetType")
    keys = sorted((item.primaryKeyPosition or 0, str(item.name)) for item in table.properties or [] if item.primaryKey)
    if not keys:
        raise _broken(path, "has no key", "primaryKey: true at the properties that tell rows apart")
    return Contract(
        name=str(document.name or path.name.split(".")[0]),
        version=str(document.version),
        kind=kind,
        columns=columns,
        key=tuple(name for _, name in keys),
        min_rows=_min_rows(path, table),
        max_age=_max_age(path, document),
        asset_type=custom.get("assetType"),
    )


def _parse(path: Path) -> "OpenDataContractStandard":
    # Its models take half a second to import, which commands that read no contract need not pay.
    import pydantic
    import yaml
    from open_data_contract_standard.model import OpenDataContractStandard

    try:
        return OpenDataContractStandard.from_file(str(path))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _broken(path, f"is not YAML ({' '.join(str(error).split())})", "a valid YAML file") from error
    except (pydantic.ValidationError, TypeError) as error:
        problem = "; ".join(_problems(error)) if isinstance(error, pydantic.ValidationError) else str(error)
        raise _broken(path, f"breaks the standard ({problem})", "an Open Data Contract Standard 3 document") from error


def _problems(error: Any) -> Iterator[str]:
    for item in error.errors():
        yield f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"


def _broken(path: Path, found: str, expected: str) -> UsageError:
    return UsageError(f"contract {path} {found}", expected, "Mend the file; data_contracts/contracts has examples")


def _custom(item: Any) -> dict[str, Any]:
    return {entry.property: entry.value for entry in item.customProperties or []}


def _column(path: Path, item: "SchemaProperty", default_type: str | None) -> Column:
    kind = item.logicalType or default_type
    custom, options = _custom(item), item.logicalTypeOptions or {}
    if kind not in get_args(ColumnType):
        raise _broken(path, f"gives {item.name} the type {kind!r}", f"one of {', '.join(get_args(ColumnType))}")
    unknown = set(options) - {"minimum", "maximum", "timezone", "defaultTimezone", "format"}
    if unknown:
        raise _broken(path, f"asks of {item.name} what is not checked: {sorted(unknown)}", "minimum or maximum")
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
            raise _broken(
                path,
                f"has a rule on {item.name} that is not checked ({_metric(rule)})",
                "metric: nullValues with unit: percent and mustBeLessOrEqualTo",
            )
        share = float(limit) / 100
    return share


def _min_rows(path: Path, table: "SchemaObject") -> int:
    fewest = 1
    for rule in table.quality or []:
        if _metric(rule) != "rowCount" or rule.mustBeGreaterOrEqualTo is None:
            raise _broken(
                path,
                f"has a rule on {table.name} that is not checked ({_metric(rule)})",
                "metric: rowCount with mustBeGreaterOrEqualTo",
            )
        fewest = max(fewest, int(rule.mustBeGreaterOrEqualTo))
    return fewest


def _metric(rule: "DataQuality") -> str | None:
    return rule.metric or rule.rule


def _max_age(path: Path, document: "OpenDataContractStandard") -> pd.Timedelta | None:
    for promise in document.slaProperties or []:
        if promise.property == "latency":
            try:
                return pd.Timedelta(f"{promise.value}{_DAYS.get(str(promise.unit), promise.unit)}")
            except ValueError as error:
                found = f"has the latency {promise.value!r} {promise.unit!r}"
                raise _broken(path, found, "a number with unit: d, h, m or s") from error
    return None


def _with_twin(path: Path, columns: tuple[Column, ...], interface: str) -> tuple[Column, ...]:
    """Take name, type and unit of every channel from the twin, and only the limits from the contract."""
    beside = path.parent / interface
    twin = load_twin(beside if interface.endswith(".json") else interface)
    names = [channel.name for channel in twin.channels]
    limits = {column.name: column for column in columns if column.name not in _KEY_COLUMNS}
    for name, column in limits.items():
        if name not in names:
            hint = did_you_mean(name, names)
            found = f"limits the channel {name!r}, which its twin {twin.name} does not have. {hint}".rstrip()
            raise _broken(path, found, f"one of {', '.join(names)}")
        if column.unit is not None:
            raise _broken(path, f"gives a unit to {name!r}", f"the unit to come from its twin {twin.name} alone")
    keys = tuple(column for column in columns if column.name in _KEY_COLUMNS)
    return keys + tuple(_channel_column(channel, limits.get(channel.name)) for channel in twin.channels)


def _channel_column(channel: Channel, limit: Column | None) -> Column:
    column = limit or Column(channel.name, "number")
    return replace(column, type="number", unit=channel.unit, description=column.description or channel.description)


def _never_vacuous(column: Column) -> Column:
    """Demand of a channel without a limit of its own that at least some rows have a value."""
    return column if column.needed else replace(column, max_null_share=_NOT_ALL)
