"""Notices of the edge about what is missing, as JSON: messages that it dropped, or readings that it never got."""

from data_contracts.streams.sessions import GapKind, StreamGap
from pipelines.live.payloads.json_values import count_of, json_bytes, json_object, refused, shown, text_of, time_of

_NUMBERED: tuple[GapKind, ...] = ("edge_dropped",)
_NEVER_NUMBERED: tuple[GapKind, ...] = ("agent_buffer", "gap", "restart")
_NUMBERS = ("from_sequence", "to_sequence", "first_event_time", "last_event_time")


def encode_gap(gap: StreamGap) -> bytes:
    """Return a notice as bytes; its asset is in the topic."""
    numbers = {name: getattr(gap, name) for name in _NUMBERS}
    return json_bytes({"epoch": gap.epoch, **numbers, "kind": gap.kind, "detail": gap.detail})


def decode_gap(payload: bytes, asset: str) -> StreamGap:
    """Read a notice; PayloadError if it is none."""
    fields = json_object(payload)
    numbers = {name: None if fields.get(name) is None else count_of(fields, name) for name in _NUMBERS[:2]}
    numbers |= {name: None if fields.get(name) is None else time_of(fields, name) for name in _NUMBERS[2:]}
    for first, last in (_NUMBERS[:2], _NUMBERS[2:]):
        if numbers[first] is not None and numbers[last] is not None and numbers[first] > numbers[last]:
            raise refused("invalid value", last, f"{numbers[last]}, before {first} {numbers[first]}", "the later one")
    if (numbers["from_sequence"] is None) != (numbers["to_sequence"] is None):
        raise refused("invalid value", "to_sequence", "one of from_sequence and to_sequence", "both or none")
    kind = text_of(fields, "kind")
    kinds = _NEVER_NUMBERED if numbers["from_sequence"] is None else _NUMBERED
    known = next((word for word in kinds if word == kind), None)
    if known is None:
        numbered = "without" if numbers["from_sequence"] is None else "with"
        raise refused("invalid value", "kind", shown(kind), f"{', '.join(kinds)}, {numbered} sequences")
    detail = text_of(fields, "detail") if "detail" in fields else ""
    return StreamGap(asset, count_of(fields, "epoch"), known, detail=detail, **numbers)
