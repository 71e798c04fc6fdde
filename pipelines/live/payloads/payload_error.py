"""The one error of every decoder: what of a payload cannot be read, and why."""

from typing import Literal

from data_contracts.errors import ForewarnError

PayloadReason = Literal[
    "cut short",
    "wrong format",
    "unknown version",
    "wrong checksum",
    "unknown schema id",
    "unequal lengths",
    "invalid value",
    "absurd time",
    "no birth certificate",
    "unmapped topic",
]
"""Why a payload cannot be read; few and fixed, so that they can label a metric."""


class PayloadError(ForewarnError):
    """A payload cannot be read; its bytes can be kept and read later.

    Parameters
    ----------
    reason
        Why, in one of a few fixed words.
    found
        What was found.
    expected
        What was expected instead.
    remedy
        What the reader can do about it.
    """

    def __init__(self, reason: PayloadReason, found: str, expected: str, remedy: str) -> None:
        super().__init__(found, expected, remedy)
        self.reason: PayloadReason = reason
