"""The sequence of an edge node, 0 to 255 and again from 0, as numbers that go on rising; pure."""

from dataclasses import dataclass, replace

from data_contracts.streams.intervals import Intervals, contains, difference, union

_WRAP = 256


@dataclass(frozen=True)
class NodeSequence:
    """How many messages of a node session there were, and which of them are missing."""

    last: int  # number of the latest message; its seq is this modulo 256
    missing: Intervals = ()


@dataclass(frozen=True)
class NodeArrival:
    """The number of a message in its node's session, and what was skipped before it."""

    sequence: NodeSequence
    number: int
    duplicate: bool = False
    skipped: tuple[int, int] | None = None
    fills: bool = False


def accept_seq(sequence: NodeSequence, seq: int) -> NodeArrival:
    """Fold in the seq of a message: up to 127 ahead messages were lost; behind, it is late or a duplicate.

    As serial numbers are compared, half of their range each way (RFC 1982, section 3.2): of a longer loss the rest
    cannot be seen, as in any sequence that wraps.
    """
    ahead = (seq - sequence.last - 1) % _WRAP
    if ahead < _WRAP // 2:
        number = sequence.last + 1 + ahead
        skipped = (sequence.last + 1, number - 1) if ahead else None
        missing = union([*sequence.missing, skipped]) if skipped else sequence.missing
        return NodeArrival(NodeSequence(number, missing), number, skipped=skipped)
    number = sequence.last + 1 + ahead - _WRAP
    if contains(sequence.missing, number):
        missing = difference(sequence.missing, ((number, number),))
        return NodeArrival(replace(sequence, missing=missing), number, fills=True)
    return NodeArrival(sequence, number, duplicate=True)
