"""Notices of the edge about what it no longer has, as JSON."""

from typing import get_args

from data_contracts.streams.sessions import GapKind, StreamGap
from pipelines.live.payloads.json_values import integer_of, json_bytes, json_object, refused, text_of

_KINDS: tuple[GapKind, ...] = get_args(GapKind)
_NUMBERS = ("from_sequence", "to_sequence", "first_event_time", "last_event_time")


def encode_gap(gap: StreamGap) -> bytes:
    """Return a notice as bytes; its asset is in the topic."""
    numbers = {name: getattr(gap, name) for name in _NUMBERS}
    return json_bytes({"epoch": gap.epoch, **numbers, "kind": gap.kind, "detail": gap.detail})


def decode_gap(payload: bytes, asset: str) -> StreamGap:
    """Read a notice; PayloadError if it is none."""
    fields = json_object(payload)
    numbers = {name: None if fields.get(name) is None else integer_of(fields, name) for name in _NUMBERS}
    for first, last in (_NUMBERS[:2], _NUMBERS[2:]):
        if numbers[first] is not None and numbers[last] is not None and numbers[first] > numbers[last]:
            raise refused("invalid value", last, f"{numbers[last]}, before {first} {numbers[first]}", "the later one")
    if (numbers["from_sequence"] is None) != (numbers["to_sequence"] is None):
        raise refused("invalid value", "to_sequence", "one of from_sequence and to_sequence", "both or none")
    kind = text_of(fields, "kind")
    known = next((word for word in _KINDS if word == kind), None)
    if known is None:
        raise refused("invalid value", "kind", repr(kind[:40]), ", ".join(_KINDS))
    detail = text_of(fields, "detail") if "detail" in fields else ""
    return StreamGap(asset, integer_of(fields, "epoch"), known, detail=detail, **numbers)
