"""Schemas of Arrow payloads: announced once, known by a digest from then on."""

import hashlib
import json
from dataclasses import dataclass

import pyarrow as pa

from data_contracts.contract.contract_types import is_quality_column
from pipelines.live.payloads.message import CHANNEL_TYPES, EVENT_TIME, QUALITY_TYPE, TIME_TYPE, column_problem
from pipelines.live.payloads.payload_error import PayloadError

ASSET_TYPE_KEY = b"asset_type"
_ANNOUNCE = "Publish the schema, retained, on its topic before the first message"


@dataclass(frozen=True)
class PayloadSchema:
    """The columns of an asset type's messages; made by `payload_schema`."""

    asset_type: str
    columns: pa.Schema
    id: str  # 16 hexadecimal digits


class SchemaRegistry:
    """The schemas that are known so far, by id."""

    def __init__(self) -> None:
        self._schemas: dict[str, PayloadSchema] = {}

    def add(self, schema: PayloadSchema) -> None:
        """Know a schema from now on."""
        self._schemas[schema.id] = schema

    def learn(self, schema_id: str, payload: bytes) -> PayloadSchema:
        """Know the schema that was announced under an id; PayloadError if it is none, or of another id."""
        schema = decode_schema(payload)
        if schema.id != schema_id:
            raise PayloadError(
                "invalid value", f"the schema announced as {schema_id[:40]!r} is {schema.id}", "its own id", _ANNOUNCE
            )
        self.add(schema)
        return schema

    def find(self, schema_id: str) -> PayloadSchema:
        """Return the schema of an id; PayloadError "unknown schema id" if it has not been announced."""
        schema = self._schemas.get(schema_id)
        if schema is None:
            known = ", ".join(sorted(self._schemas)[:5]) or "none yet"
            raise PayloadError("unknown schema id", f"schema id {schema_id}", f"an announced one ({known})", _ANNOUNCE)
        return schema


def payload_schema(asset_type: str, columns: pa.Schema) -> PayloadSchema:
    """Return the schema with its id; PayloadError if messages cannot have these columns."""
    problem = _problem(asset_type, columns)
    if problem is not None:
        raise PayloadError(
            "wrong format",
            problem,
            f"an asset type, first {EVENT_TIME} ({TIME_TYPE}), then channels (float or double) and qualities (string)",
            "Correct the schema that the edge announces",
        )
    described = json.dumps([asset_type, [[field.name, str(field.type)] for field in columns]])
    digest = hashlib.sha256(described.encode()).hexdigest()[:16]
    plain = pa.schema([pa.field(field.name, field.type) for field in columns])
    return PayloadSchema(asset_type, plain.with_metadata({ASSET_TYPE_KEY: asset_type.encode()}), digest)


def encode_schema(schema: PayloadSchema) -> bytes:
    """Return what is published, retained, on the schema's topic."""
    encoded: bytes = schema.columns.serialize().to_pybytes()
    return encoded


def decode_schema(payload: bytes) -> PayloadSchema:
    """Read an announced schema."""
    try:
        columns = pa.ipc.read_schema(pa.py_buffer(payload))
        asset_type = (columns.metadata or {}).get(ASSET_TYPE_KEY, b"").decode()
        # Names that are not UTF-8 fail only when they are read.
        columns = pa.schema([pa.field(name, kind) for name, kind in zip(columns.names, columns.types, strict=True)])
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise PayloadError(
            "wrong format", f"an announced schema: {_first_line(error)}", "an Arrow schema message", _ANNOUNCE
        ) from error
    return payload_schema(asset_type, columns)


def _problem(asset_type: str, columns: pa.Schema) -> str | None:
    names = columns.names
    if not asset_type:
        return "no asset type"
    if len(set(names)) != len(names):
        return f"a column twice in {', '.join(names)[:200]}"
    if names[:1] != [EVENT_TIME] or columns.field(0).type != TIME_TYPE:
        return f"{names[0][:100]}: {columns.types[0]} as the first column" if names else "no columns"
    for field in list(columns)[1:]:
        channel = not is_quality_column(field.name)
        if field.type not in CHANNEL_TYPES if channel else field.type != QUALITY_TYPE:
            return f"column {field.name[:100]!r} of type {field.type}"
        if channel and (problem := column_problem(field.name)):
            return problem
    return None


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0][:200] or type(error).__name__
