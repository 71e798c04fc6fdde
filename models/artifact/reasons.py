"""Reasons for no prediction, or for one from old telemetry: a code for programs, a sentence for people.

Programs and metrics go by the codes, which stay; the words may change.
"""

from dataclasses import dataclass
from typing import Literal, cast, get_args

ReasonCode = Literal[
    "stale",
    "failed",
    "retired",
    "no_telemetry",
    "gaps",
    "operating_regime",
    "not_finite",
    "contract",
    "no_features",
    "unknown_asset",
    "asset_type",
    "no_model",
    "first_window",
    "other",
]


@dataclass(frozen=True)
class Reason:
    """Why an asset has no prediction, or one that is not to be relied on."""

    code: ReasonCode
    words: str

    def __str__(self) -> str:
        return self.words


def stored_reason(words: str | None, code: str | None) -> Reason | None:
    """Read a reason as it was stored; None without words, code "other" if it was stored without a known code."""
    if words is None:
        return None
    return Reason(cast("ReasonCode", code) if code in get_args(ReasonCode) else "other", words)
