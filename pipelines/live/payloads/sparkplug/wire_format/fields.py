"""The wire format of protocol buffers, for the few short parts that are no metrics of data.

Source: protobuf.dev/programming-guides/encoding. Groups, which it no longer has, are refused.
"""

import struct
from collections.abc import Iterator

from pipelines.live.payloads.payload_error import PayloadError

VARINT, EIGHT_BYTES, DELIMITED, FOUR_BYTES = 0, 1, 2, 5
_WIDTHS = {EIGHT_BYTES: struct.Struct("<Q"), FOUR_BYTES: struct.Struct("<I")}
_64_BITS = 2**64 - 1


def fields_of(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Go through the fields of a message: number, and value as bits or bytes."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        wire = key & 7
        if key < 8:
            raise malformed("field number 0")
        value: int | bytes
        if wire == VARINT:
            value, at = _read_varint(message, at)
        elif wire == DELIMITED:
            length, at = _read_varint(message, at)
            value, at = message[at : at + length], at + length
        elif wire in _WIDTHS:
            at += _WIDTHS[wire].size
            value = _WIDTHS[wire].unpack_from(message, at - _WIDTHS[wire].size)[0] if at <= len(message) else 0
        else:
            raise malformed(f"wire type {wire}")
        if at > len(message):
            raise PayloadError("cut short", "a field that ends after its message", "whole fields", _READ_AS)
        yield key >> 3, value


def varint(value: int) -> bytes:
    """Return a whole number as protocol buffers write it; negative ones as those of 64 bits."""
    value &= _64_BITS
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes((*written, value))


def varint_field(number: int, value: int) -> bytes:
    """Return a field with a whole number."""
    return varint(number << 3 | VARINT) + varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """Return a field with bytes: a text, or another message."""
    return varint(number << 3 | DELIMITED) + varint(len(value)) + value


def malformed(found: str) -> PayloadError:
    """Return the error for what is no protocol buffer."""
    return PayloadError("wrong format", found, "a Sparkplug B payload", _READ_AS)


_READ_AS = "Map the topic to the kind of payload that it carries"


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise PayloadError("cut short", "a number without its end", "whole fields", _READ_AS)
        value |= (message[at] & 127) << shift
        at += 1
        if message[at - 1] < 128:
            return value & _64_BITS, at
    raise malformed("a number of more than 64 bits")
