"""The part of the Open Data Contract Standard that forewarn reads, as a JSON Schema for editors.

What the standard has for people alone is allowed, and says so; what nothing would enforce is not.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from data_contracts.configuration.schemas import json_schema
from data_contracts.contract.contract_types import ColumnType
from data_contracts.contract.file_layout import FileLayout, layout_fields
from data_contracts.contract.odcs.standard_keys import DOCUMENTATION

_UNREAD = "Part of the standard; forewarn does not read it."
_Value = str | int | float | bool


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class _CustomProperty(_Part):
    value: Any = None
    """The value."""
    vendor: str | None = None
    """Whose tools read it; with a vendor forewarn does not."""


class ContractProperty(_CustomProperty):
    """What the standard has no word for, of a contract."""

    property: str
    """`assetType` (required for telemetry), `twinInterface` (names, types and units of the channels come from it),
    `extraColumns` (`refuse`, the default, a batch with columns that the contract does not have, or `ignore` them),
    `earliestTime` (rows with an earlier event time are refused; 1990 by default, for assets 1900) `clock` (`time`, or
    `cycle` where event times count cycles) or `fileLayout` (how its files are laid out, a mapping)."""


class ColumnProperty(_CustomProperty):
    """What the standard has no word for, of a column."""

    property: str
    """`unit`, `maxRatePerSecond` (the largest change, in the column's unit a second), `counter` (true if only
    increments count, false if the level of what only grows does), `rollover` (where a counter starts again from 0) or
    `qualityOf` (the channel that the column says the quality of, or `*` for all: bad readings become null), and beside
    it `uncertain` (`keep`, the default, or `drop`) and `goodValues`, `uncertainValues` and `badValues` (lists of words
    beyond the usual ones)."""


class EnumValue(_Part):
    """An allowed value."""

    value: _Value
    """The value, of the column's type."""


_Limit = Annotated[float, Field(ge=0)]


class _Limits(_Part):
    type: Literal["library", "text"] | None = None
    """What is enforced is `library`, the default; `text` is prose for people. `sql` and `custom` are refused."""
    unit: Literal["rows", "percent"] | None = None
    """Of the limits: rows, the default, or per cent of a batch's rows."""
    must_be: _Limit | None = None
    """The number that the metric must be. If it is 0, the rows that count are refused one by one; so they are with the
    other limits that admit none."""
    must_not_be: _Limit | None = None
    """The number that it must not be."""
    must_be_greater_than: _Limit | None = None
    """The number that it must exceed."""
    must_be_greater_or_equal_to: _Limit | None = None
    """The smallest number that it may be."""
    must_be_less_than: _Limit | None = None
    """The number that it must stay below."""
    must_be_less_or_equal_to: _Limit | None = None
    """The largest number that it may be."""
    must_be_between: Annotated[list[_Limit], Field(min_length=2, max_length=2)] | None = None
    """The smallest and the largest number that it may be."""
    must_not_be_between: Annotated[list[_Limit], Field(min_length=2, max_length=2)] | None = None
    """The ends of a range that it must be outside of."""


class ColumnRule(_Limits):
    """How many values of a column may be missing, invalid or repeated."""

    metric: Literal["nullValues", "missingValues", "invalidValues", "duplicateValues"] | None = None
    """What is counted: rows without a value; rows whose value is one of the argument `missingValues`, or none; rows
    whose value is none of the argument `validValues`, or does not match the argument `pattern`; rows whose value
    occurred before."""
    arguments: dict[str, Any] | None = None
    """`missingValues`, `validValues` or `pattern`, as the metric needs."""


class TableRule(_Limits):
    """How many rows a batch may have, or repeat."""

    metric: Literal["rowCount", "duplicateValues"] | None = None
    """What is counted: the rows of a batch, at least 1 in any case; or the rows whose values in the columns of the
    argument `properties` occurred before."""
    arguments: dict[str, Any] | None = None
    """`properties`, a list of columns, for duplicateValues."""


_Bound = float | str


class TypeOptions(_Part):
    """The limits of a column's values."""

    minimum: _Bound | None = None
    """The smallest value allowed, in the column's unit; of a timestamp the earliest."""
    maximum: _Bound | None = None
    """The largest value allowed, in the column's unit; of a timestamp the latest."""
    exclusive_minimum: _Bound | None = None
    """The value that all others must exceed."""
    exclusive_maximum: _Bound | None = None
    """The value that all others must stay below."""
    multiple_of: Annotated[float, Field(gt=0)] | None = None
    """What every number is a multiple of."""
    min_length: Annotated[int, Field(ge=0)] | None = None
    """The fewest characters of a text."""
    max_length: Annotated[int, Field(ge=0)] | None = None
    """The most characters of a text."""
    pattern: str | None = None
    """A regular expression that is found in every text; begin it with ^ and end it with $ for the whole text."""
    format: str | None = None
    """Of a string uuid, email, uri, hostname, ipv4 or ipv6; of an integer i8 to i64 or u8 to u64; of a number f32 or
    f64."""
    timezone: bool | None = None
    """Whether every time names its zone."""
    default_timezone: str | None = None
    """The zone of times that name none, such as Europe/Berlin."""


class SchemaProperty(_Part):
    """A column."""

    name: str
    """The column's name."""
    logical_type: ColumnType | None = None
    """What its values are; with a twinInterface a number by default."""
    description: str | None = None
    """What a person should know about it."""
    required: bool | None = None
    """Whether every row must have a value."""
    primary_key: bool | None = None
    """Whether the column is part of the key, by which a batch's rows differ."""
    primary_key_position: int | None = None
    """Its place in the key."""
    enum: list[EnumValue] | None = None
    """The only values allowed; quote on, off, yes and no, which YAML takes for truth values."""
    unique: bool | None = None
    """Whether no value may occur twice in a batch."""
    examples: list[Any] | None = None
    """Values of the column's type, for people."""
    logical_type_options: TypeOptions | None = None
    quality: list[ColumnRule] | None = None
    custom_properties: list[ColumnProperty] | None = None


class SchemaObject(_Part):
    """The table."""

    name: str
    """What the rows are: "telemetry", "assets", "failures", "work_orders", "events", "predictions",
    "asset_graph", "spare_parts" or "spare_stock"."""
    logical_type: Literal["object"] | None = None
    """A table is an object."""
    properties: list[SchemaProperty]
    """The columns, in order; at least one is a primaryKey."""
    quality: list[TableRule] | None = None


class ServiceLevel(_Part):
    """A promise about the data."""

    property: str
    """Only "latency" is read: how old the latest reading may be, when it becomes known and in a prediction. Promises of
    the service, such as availability, are for people; frequency, retention, timeOfAvailability and errorRate are
    refused."""
    value: _Value
    """A number."""
    unit: str | None = None
    """Of the latency: d, h, m or s."""
    element: str | None = None
    """Only the table's event_time."""


class ContractDocument(_Part):
    """A contract: an Open Data Contract Standard file with one table."""

    version: str
    """The contract's version, as its authors count."""
    kind: Literal["DataContract"]
    """The standard's word."""
    api_version: Annotated[str, Field(pattern=r"^v3\.", examples=["v3.1.0"])]
    """The standard's version."""
    id: str
    """The contract's identifier."""
    status: str
    """Such as "active"."""
    name: str | None = None
    """The contract's name; the file's by default."""
    schema_: Annotated[list[SchemaObject], Field(alias="schema", min_length=1, max_length=1)]
    sla_properties: list[ServiceLevel] | None = None
    sla_default_element: str | None = None
    """Only the table's event_time."""
    custom_properties: list[ContractProperty] | None = None


def contract_schema() -> dict[str, Any]:
    """Return the JSON Schema of a contract file."""
    whole = json_schema(ContractDocument)
    parts = {
        "SchemaObject": "SchemaObject",
        "SchemaProperty": "SchemaProperty",
        "ServiceLevel": "ServiceLevelAgreementProperty",
        "ContractProperty": "CustomProperty",
        "ColumnProperty": "CustomProperty",
        "EnumValue": "EnumValue",
        "ColumnRule": "DataQuality",
        "TableRule": "DataQuality",
    }
    definitions = {
        name: _with_unread(part, parts[name]) if name in parts else part for name, part in whole["$defs"].items()
    }
    definitions["FileLayout"] = layout_schema()
    definitions["ContractProperty"] |= {
        "if": {"properties": {"property": {"const": "fileLayout"}}},
        "then": {"properties": {"value": {"$ref": "#/$defs/FileLayout"}}},
    }
    return _with_unread(whole, "OpenDataContractStandard") | {"$defs": definitions}


def layout_schema() -> dict[str, Any]:
    """Return the JSON Schema of a contract's ``fileLayout``, its keys as a contract writes them."""
    schema = json_schema(FileLayout)
    return schema | {"properties": {key: schema["properties"][name] for key, name in layout_fields().items()}}


def _with_unread(schema: dict[str, Any], part: str) -> dict[str, Any]:
    names = sorted(DOCUMENTATION[part] - set(schema["properties"]))
    return schema | {"properties": {**schema["properties"], **{name: {"description": _UNREAD} for name in names}}}
