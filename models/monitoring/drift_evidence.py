"""Evidence of one test of a champion's error rates, look by look."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from models.monitoring.looks import Look
from models.sequential_tests.rate_tests import SINCE_PROMOTION

FN = "fn"
FP = "fp"
NO_SEASON = 1.0005
"""Up to this factor a season makes no difference that is worth a word."""


@dataclass(frozen=True)
class DriftEvidence:
    """The evidence of one test against one rate."""

    rate: str  # "fn" or "fp"
    test: str  # "since promotion" or "recent"
    promised: float  # the upper end of the null
    harmful: float  # the smallest rate that does harm
    threshold: float  # log e-value from which the test rejects
    log_e_values: tuple[float, ...]  # after each look
    rejected_at: pd.Timestamp | None  # the first look at which it rejected
    dependence: str = "independent"  # what was assumed of the events of a look: "auto", "independent" or "any"
    seasons: tuple[float, ...] = ()  # how many times `promised` kept the promise at each look; empty for once
    scatter: float | None = None  # allowed for by "auto": correlation of misses, or variation of false alarms
    mixes: tuple[float, ...] = ()  # how many times `promised` kept the promise at each look's mix; empty for once
    strata: str | None = None  # the column that the promise is divided by; None where it is not

    @property
    def rejected(self) -> bool:
        """Whether the promise is refuted."""
        return self.rejected_at is not None

    def followed_by(self, later: "DriftEvidence", looks: Sequence[Look]) -> "DriftEvidence":
        """Return both as one test of all the looks, of which the later was given those after its own.

        Evidence since the promotion goes on where the earlier ended; evidence of the recent past begins anew.
        """
        carried = self.log_e_values[-1] if self.test == SINCE_PROMOTION and self.log_e_values else 0.0
        values = (*self.log_e_values, *(value + carried for value in later.log_e_values))
        reached = (look.at for look, value in zip(looks, values, strict=True) if value >= self.threshold)
        new = replace(later, log_e_values=values, rejected_at=next(reached, None))
        return replace(new, seasons=self._joined(later, "seasons"), mixes=self._joined(later, "mixes"))

    def _joined(self, later: "DriftEvidence", name: str) -> tuple[float, ...]:
        parts = [getattr(each, name) or (1.0,) * len(each.log_e_values) for each in (self, later)]
        return (*parts[0], *parts[1]) if getattr(self, name) or getattr(later, name) else ()
