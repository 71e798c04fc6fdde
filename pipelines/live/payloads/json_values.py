"""Values of JSON payloads, each refused with the path of its field."""

from typing import Any

import orjson

from pipelines.live.payloads.header_values import EARLIEST, LATEST
from pipelines.live.payloads.payload_error import PayloadError, PayloadReason

_FIX = "Correct what the edge sends; docs/reference/payloads.md has every field"


def json_bytes(value: dict[str, Any]) -> bytes:
    """Return a document as bytes; numpy arrays as lists, NaN as null."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def json_object(payload: bytes) -> dict[str, Any]:
    """Read a document that is an object."""
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise PayloadError("wrong format", f"no JSON: {error}"[:200], "a JSON object in UTF-8", _FIX) from error
    if not isinstance(document, dict):
        raise PayloadError("wrong format", f"a JSON {type(document).__name__}", "a JSON object", _FIX)
    return document


def integer_of(fields: dict[str, Any], path: str) -> int:
    """Return a whole number of the document."""
    value = fields.get(path)
    if not isinstance(value, int) or isinstance(value, bool):
        raise refused("invalid value", path, shown(value) if path in fields else "nothing", "a whole number")
    return value


def count_of(fields: dict[str, Any], path: str) -> int:
    """Return a whole number that counts something, or an epoch."""
    value = integer_of(fields, path)
    if not 0 <= value < 2**63:
        raise refused("invalid value", path, shown(value), "a whole number from 0 to 2**63")
    return value


def time_of(fields: dict[str, Any], path: str) -> int:
    """Return a time in microseconds since 1970."""
    value = integer_of(fields, path)
    if not EARLIEST <= value < LATEST:
        raise refused("absurd time", path, shown(value), "microseconds in the years 1 to 9998")
    return value


def text_of(fields: dict[str, Any], path: str) -> str:
    """Return a text of the document."""
    value = fields.get(path)
    if not isinstance(value, str):
        raise refused("invalid value", path, shown(value) if path in fields else "nothing", "a text")
    return value


def list_of(fields: dict[str, Any], name: str, path: str) -> list[Any]:
    """Return a list of the document."""
    value = fields.get(name)
    if not isinstance(value, list):
        raise refused("invalid value", path, shown(value) if name in fields else "nothing", "a list")
    return value


def object_of(fields: dict[str, Any], path: str) -> dict[str, Any]:
    """Return an object of the document."""
    value = fields.get(path)
    if not isinstance(value, dict):
        raise refused("invalid value", path, shown(value) if path in fields else "nothing", "an object")
    return value


def refused(reason: PayloadReason, path: str, found: str, expected: str) -> PayloadError:
    """Return the error of a field."""
    return PayloadError(reason, f"{path}: {found}", expected, _FIX)


def shown(value: Any) -> str:
    """Return a value as an error shows it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def shown_name(name: str) -> str:
    """Return a field's name as a path shows it."""
    return name if len(name) <= 60 else f"{name[:57]}..."
