"""Lists of values in a statement, of few lengths."""

from collections.abc import Sequence
from typing import TypeVar

Value = TypeVar("Value")


def of_few_lengths(values: Sequence[Value]) -> Sequence[Value]:
    """Repeat the last of some values up to a power of two, for an ``IN``, which it does not change.

    Each length is a statement of its own, and each connection keeps the last hundred statements, prepared: of a list of
    500 values some 90 kB. A page that names ever more of them, as the records grow, would fill that with one use each.
    """
    missing = (1 << (len(values) - 1).bit_length()) - len(values) if values else 0
    return [*values, *[values[-1]] * missing] if missing else values
