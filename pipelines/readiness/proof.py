"""What a check found in a workspace."""

from dataclasses import dataclass

FULL, HALF, NONE = 1.0, 0.5, 0.0


@dataclass(frozen=True)
class Proof:
    """How far an item holds in a workspace."""

    points: float  # 1, a half where a person has to do it, or 0
    found: str
    remedy: str = ""  # what to do for the rest of the point


def holds(found: str) -> Proof:
    """Return the proof of an item that holds by itself."""
    return Proof(FULL, found)


def by_hand(found: str, remedy: str) -> Proof:
    """Return the proof of an item that holds because a person did something."""
    return Proof(HALF, found, remedy)


def missing(found: str, remedy: str) -> Proof:
    """Return that an item does not hold."""
    return Proof(NONE, found, remedy)
