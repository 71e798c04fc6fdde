"""The part of the Open Data Contract Standard that forewarn reads, as a JSON Schema for editors.

`contract.py` reads with the standard's own models, which ignore a misspelt key; here every key is known. What the
standard has and forewarn does not read is allowed, and says so.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from data_contracts.configuration.schemas import json_schema
from data_contracts.contract.contract import ColumnType
from data_contracts.contract.file_layout import FileLayout, layout_fields

_UNREAD = "Part of the standard; forewarn does not read it."
_Value = str | int | float | bool


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class CustomProperty(_Part):
    """What the standard has no word for."""

    property: str
    """Of the contract `assetType` (required for telemetry), `twinInterface` (names, types and units of the channels
    come from it) or `fileLayout` (how its files are laid out: separator, times, names of columns ...); of a column
    `unit` or `maxRatePerSecond` (the largest change, in the column's unit a second)."""
    value: _Value
    """The value; of `fileLayout` a mapping."""


class EnumValue(_Part):
    """An allowed value."""

    value: _Value
    """The value."""


class ColumnRule(_Part):
    """How many values of a column may be missing."""

    metric: Literal["nullValues"]
    """Missing values."""
    unit: Literal["percent"]
    """Of all rows of a batch."""
    must_be_less_or_equal_to: Annotated[float, Field(ge=0, le=100)]
    """The largest share of a batch's rows without a value, in per cent."""


class TableRule(_Part):
    """How many rows a batch must have."""

    metric: Literal["rowCount"]
    """Rows of a batch."""
    must_be_greater_or_equal_to: Annotated[int, Field(ge=0)]
    """The fewest rows of a batch; at least 1 in any case."""


class TypeOptions(_Part):
    """The limits of a column."""

    minimum: float | None = None
    """The smallest value allowed, in the column's unit."""
    maximum: float | None = None
    """The largest value allowed, in the column's unit."""
    timezone: bool | None = None
    """Accepted and not checked; times without a zone are UTC."""
    default_timezone: str | None = None
    """Accepted and not checked."""
    format: str | None = None
    """Accepted and not checked."""


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
    logical_type_options: TypeOptions | None = None
    quality: list[ColumnRule] | None = None
    custom_properties: list[CustomProperty] | None = None


class SchemaObject(_Part):
    """The table."""

    name: str
    """What the rows are: "telemetry", "assets", "failures", "work_orders", "events" or "predictions"."""
    logical_type: Literal["object"] | None = None
    """A table is an object."""
    properties: list[SchemaProperty]
    """The columns, in order; at least one is a primaryKey."""
    quality: list[TableRule] | None = None


class ServiceLevel(_Part):
    """A promise about the data."""

    property: str
    """Only "latency" is read: how long ago the latest event of a batch may lie."""
    value: _Value
    """A number."""
    unit: str | None = None
    """Of the latency: d, h, m or s."""


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
    custom_properties: list[CustomProperty] | None = None


def contract_schema() -> dict[str, Any]:
    """Return the JSON Schema of a contract file."""
    from open_data_contract_standard import model as standard

    whole = json_schema(ContractDocument)
    parts: dict[str, Any] = {
        "SchemaObject": standard.SchemaObject,
        "SchemaProperty": standard.SchemaProperty,
        "ServiceLevel": standard.ServiceLevelAgreementProperty,
        "CustomProperty": standard.CustomProperty,
        "ColumnRule": standard.DataQuality,
        "TableRule": standard.DataQuality,
    }
    definitions = {
        name: _with_unread(part, parts[name]) if name in parts else part for name, part in whole["$defs"].items()
    }
    custom = definitions["CustomProperty"]
    value = custom["properties"]["value"]
    value = value | {"anyOf": [*value["anyOf"], {"$ref": "#/$defs/FileLayout"}]}
    definitions["CustomProperty"] = custom | {"properties": custom["properties"] | {"value": value}}
    definitions["FileLayout"] = layout_schema()
    return _with_unread(whole, standard.OpenDataContractStandard) | {"$defs": definitions}


def layout_schema() -> dict[str, Any]:
    """Return the JSON Schema of a contract's ``fileLayout``, its keys as a contract writes them."""
    schema = json_schema(FileLayout)
    return schema | {"properties": {key: schema["properties"][name] for key, name in layout_fields().items()}}


def _with_unread(schema: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    names = (field.alias or name for name, field in model.model_fields.items())
    unread = {name: {"description": _UNREAD} for name in names if name not in schema["properties"]}
    return schema | {"properties": {**schema["properties"], **unread}}
