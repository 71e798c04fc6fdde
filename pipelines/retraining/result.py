"""What a retraining came to."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from models.refitting.agreement import RefitAgreement
from models.registry.promise_status import PromiseStatus
from models.retraining.comparison import Comparison

PROMOTED = "promoted"
REJECTED = "rejected"
POSTPONED = "postponed"


@dataclass(frozen=True)
class RefitResult:
    """What the refit of a promoted version came to."""

    of: int  # the version that was judged
    version: int | None  # its refit; None where none could be registered
    champion: bool  # whether the refit is the champion now
    reasons: tuple[str, ...]  # plain sentences
    known_until: pd.Timestamp  # it has learned from what was known then
    agreement: RefitAgreement | None = None  # with the version that was judged

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "of": self.of,
            "version": self.version,
            "champion": self.champion,
            "reasons": list(self.reasons),
            "known_until": self.known_until.isoformat(),
            "agreement": None if self.agreement is None else self.agreement.to_dict(),
        }


@dataclass(frozen=True)
class RetrainResult:
    """What a retraining came to."""

    model_name: str
    champion_version: int  # before the retraining
    challenger_version: int | None  # None when nothing was trained
    decision: str  # "promoted" or "rejected"; "postponed" when the holdout has too few events to compare on
    reasons: tuple[str, ...]  # plain sentences
    comparison: Comparison
    promise: PromiseStatus | None = None  # what a promoted challenger is held to
    refit: RefitResult | None = None  # None without a promotion, and where no refit is asked for

    @property
    def exit_status(self) -> int:
        """0 if the challenger was promoted."""
        return 0 if self.decision == PROMOTED else 1

    @property
    def new_champion(self) -> int | None:
        """Return the version that is the champion by it; None if it changed nothing."""
        if self.decision != PROMOTED:
            return None
        return self.refit.version if self.refit is not None and self.refit.champion else self.challenger_version

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "model_name": self.model_name,
            "champion_version": self.champion_version,
            "challenger_version": self.challenger_version,
            "decision": self.decision,
            "reasons": list(self.reasons),
            "comparison": self.comparison.to_dict(),
            "promise": None if self.promise is None else self.promise.to_dict(),
            **({} if self.refit is None else {"refit": self.refit.to_dict()}),
        }
