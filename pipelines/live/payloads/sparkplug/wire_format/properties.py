"""The one property of a metric that says something about its reading: the quality."""

from pipelines.live.payloads.sparkplug.wire_format.definitions import (
    INT32,
    KEYS,
    PROPERTIES,
    PROPERTY_INT,
    PROPERTY_TYPE,
    QUALITY,
    QUALITY_CODES,
    QUALITY_WORDS,
    VALUES,
)
from pipelines.live.payloads.sparkplug.wire_format.fields import bytes_field, fields_of, varint_field
from pipelines.live.payloads.sparkplug.wire_format.payload import text, unlike_specification


def quality_of(properties: bytes) -> str | None:
    """Return the quality that properties say: a word, or its number if it is no standard one; None if they say none."""
    keys: list[str] = []
    values: list[bytes] = []
    for number, value in fields_of(properties):
        if number == KEYS and isinstance(value, bytes):
            keys.append(text(value, "a property's name"))
        elif number == VALUES and isinstance(value, bytes):
            values.append(value)
    if len(keys) != len(values):
        raise unlike_specification(f"{len(keys)} names of properties and {len(values)} values", "as many of each")
    for key, encoded in zip(keys, values, strict=True):
        if key == QUALITY:
            code = dict(fields_of(encoded)).get(PROPERTY_INT)
            return None if not isinstance(code, int) else QUALITY_WORDS.get(code, str(code))
    return None


def quality_properties(word: str) -> bytes:
    """Return the field of a metric that says its quality; PayloadError for a word that Sparkplug has no code for."""
    if word not in QUALITY_CODES:
        raise unlike_specification(f"quality {word[:40]!r}", f"one of {', '.join(QUALITY_CODES)}")
    value = varint_field(PROPERTY_TYPE, INT32) + varint_field(PROPERTY_INT, QUALITY_CODES[word])
    return bytes_field(PROPERTIES, bytes_field(KEYS, QUALITY.encode()) + bytes_field(VALUES, value))
