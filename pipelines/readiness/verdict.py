"""The monitor's last verdict on a champion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipelines.readiness.workspace_facts import RECENT, WorkspaceFacts


@dataclass(frozen=True)
class Share:
    """A share of failures with its interval."""

    count: int
    of: float
    low: float
    high: float

    def overlaps(self, other: "Share") -> bool:
        """Tell whether their intervals do."""
        return self.low <= other.high and other.low <= self.high

    def __str__(self) -> str:
        return f"{self.count} of {self.of:.0f} ({self.low:.0%} to {self.high:.0%})"


@dataclass(frozen=True)
class Verdict:
    """What the monitor found when it last looked."""

    at: pd.Timestamp
    drifted: bool
    missed: Share  # of the failures that matured in service
    promised: Share  # of those of the evaluation
    recent: bool  # whether that was within the last 30 days

    @property
    def words(self) -> str:
        """Say what it was and when."""
        return f"the promise was {'refuted' if self.drifted else 'kept'} on {self.at:%Y-%m-%d}"


def verdict(facts: WorkspaceFacts) -> Verdict | None:
    """Read it from the last decision; None where nobody has monitored the champion."""
    if facts.last_look is None:
        return None
    evidence, at = facts.last_look["evidence"], facts.last_look["at"]
    recent = facts.now - at <= RECENT
    shares = _share(evidence["rates"]["missed"]), _share(evidence["promise"]["missed"])
    return Verdict(at, bool(evidence["drift"]["drifted"]), *shares, recent)


def _share(rate: Mapping[str, Any]) -> Share:
    return Share(int(rate["count"]), float(rate["of"]), float(rate["low"]), float(rate["high"]))
