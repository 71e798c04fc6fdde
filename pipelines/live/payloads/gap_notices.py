"""Notices of the edge about what is missing, as JSON: messages that it dropped, or readings that it never got."""

from data_contracts.streams.sessions import GapKind, StreamGap
from pipelines.live.payloads.json_values import count_of, json_bytes, json_object, refused, shown, text_of, time_of

_NUMBERED: tuple[GapKind, ...] = ("edge_dropped",)
_NEVER_NUMBERED: tuple[GapKind, ...] = ("agent_buffer", "gap", "restart")
_SEQUENCES = ("from_sequence", "to_sequence")
_TIMES = ("first_event_time", "last_event_time")


def encode_gap(gap: StreamGap) -> bytes:
    """Return a notice as bytes; its asset is in the topic."""
    numbers = {name: getattr(gap, name) for name in (*_SEQUENCES, *_TIMES)}
    return json_bytes({"epoch": gap.epoch, **numbers, "kind": gap.kind, "detail": gap.detail})


def decode_gap(payload: bytes, asset: str) -> StreamGap:
    """Read a notice; PayloadError if it is none."""
    fields = json_object(payload)
    first, last = (count_of(fields, name) if fields.get(name) is not None else None for name in _SEQUENCES)
    begin, end = (time_of(fields, name) if fields.get(name) is not None else None for name in _TIMES)
    if (first is None) != (last is None):
        raise refused("invalid value", "to_sequence", "one of from_sequence and to_sequence", "both or none")
    _check_order(_SEQUENCES, first, last)
    _check_order(_TIMES, begin, end)
    kind = _kind(text_of(fields, "kind"), first is not None)
    detail = text_of(fields, "detail") if "detail" in fields else ""
    return StreamGap(asset, count_of(fields, "epoch"), kind, first, last, begin, end, detail)


def _check_order(names: tuple[str, str], first: int | None, last: int | None) -> None:
    if first is not None and last is not None and first > last:
        raise refused("invalid value", names[1], f"{last}, before {names[0]} {first}", "the later one")


def _kind(word: str, numbered: bool) -> GapKind:
    kinds = _NUMBERED if numbered else _NEVER_NUMBERED
    known = next((kind for kind in kinds if kind == word), None)
    if known is None:
        expected = f"{', '.join(kinds)}, {'with' if numbered else 'without'} sequences"
        raise refused("invalid value", "kind", shown(word), expected)
    return known
