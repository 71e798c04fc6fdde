"""Whether to retrain: evidence in, a decision with its reasons out. It reads no clock, store or registry."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

import pandas as pd

from data_contracts.configuration.values import configuration
from features.setting_types import Count, Duration, PositiveCount, Share
from models.monitoring.drift import Drift
from models.retraining.refresh import RefreshRule, SinceTraining, refresh_due

RETRAIN = "retrain"
HOLD = "hold"
ASK = "ask"

DRIFT: Final = "drift"
CALENDAR: Final = "calendar"
REFRESH: Final = "refresh"

RetrainingTrigger = Literal["drift", "calendar", "refresh"]


@configuration
class Gates(RefreshRule):
    """What must hold besides the trigger before a champion is retrained, and when one is refreshed."""

    cooldown: Duration = pd.Timedelta(days=14)
    """The shortest time between two retrainings; never shorter than outcomes take to mature."""
    min_failures: Count = 8
    """Failures (caught, prevented or missed) that must have matured since the last training."""
    min_assets: Count = 3
    """Assets that these failures must come from."""
    yearly_budget: Count = 12
    """Most retrainings in a year, without refreshes."""
    max_unreported_share: Share = 0.15
    """The largest share of matured alarm episodes that may have ended in work whose finding nobody reported."""
    rejections: PositiveCount = 2
    """After this many challengers rejected in a row a person is asked."""
    rejections_lapse: Duration = pd.Timedelta(days=90)
    """A rejection longer ago than this does not count: there is something else to learn from by now."""


@dataclass(frozen=True)
class RetrainingEvidence:
    """What the decision rests on.

    Parameters
    ----------
    drift : Drift
        The verdict on the rates.
    failures, assets : int
        Matured failures since the last training, and how many assets had one.
    start, end : pd.Timestamp
        The period (start, end] they were counted over.
    maturity : pd.Timedelta
        From a decision to its outcome.
    unreported_share : float
        Share of matured alarm episodes that ended in work whose finding nobody reported.
    doubts : tuple of str
        What is wrong with the data, a sentence each; while there is any, no model is blamed.
    used_until : pd.Timestamp or None
        End of the evidence that led to the last retraining, if there was one.
    last_retraining : pd.Timestamp or None
        When the last one was; a refresh that was rejected has changed nothing and is none.
    this_year : int
        Retrainings in the year up to now, without refreshes, which have a budget of their own.
    rejected_in_a_row : int
        Challengers rejected since the last promotion, without refreshes, and without those too long ago to count.
    under_way : bool
        Whether a retraining is going on.
    new : SinceTraining
        What has come since the last training, for a refresh.
    last_training : pd.Timestamp or None
        When a challenger was last trained, rejected refreshes included.
    """

    drift: Drift
    failures: int
    assets: int
    start: pd.Timestamp
    end: pd.Timestamp
    maturity: pd.Timedelta
    unreported_share: float = 0.0
    doubts: tuple[str, ...] = ()
    used_until: pd.Timestamp | None = None
    last_retraining: pd.Timestamp | None = None
    this_year: int = 0
    rejected_in_a_row: int = 0
    under_way: bool = False
    new: SinceTraining = field(default_factory=SinceTraining)
    last_training: pd.Timestamp | None = None


@dataclass(frozen=True)
class BlockedGate:
    """A gate that is shut.

    Parameters
    ----------
    gate : str
        Its name.
    reason : str
        Why it is shut, a sentence.
    change : str
        What would open it, a sentence.
    """

    gate: str
    reason: str
    change: str


@dataclass(frozen=True)
class RetrainingDecision:
    """What the policy says.

    Parameters
    ----------
    decision : str
        "retrain", "hold", or "ask" for a person.
    reasons : tuple of str
        Plain sentences: what was seen, and each gate that held it back.
    held : tuple of BlockedGate
        The gates that are shut, were there drift or not.
    occasion : {"drift", "calendar", "refresh"}
        What asks for the retraining, if anything does.
    urgent : bool
        Whether the champion has drifted: its challenger is to learn from what is newest, and is compared on a short
        period, for a great difference shows soon.
    """

    decision: str
    reasons: tuple[str, ...]
    held: tuple[BlockedGate, ...] = ()
    occasion: RetrainingTrigger = DRIFT
    urgent: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the decision as plain values."""
        return {
            "decision": self.decision,
            "reasons": list(self.reasons),
            "held": [asdict(gate) for gate in self.held],
            "occasion": self.occasion,
            "urgent": self.urgent,
        }


def decide(
    evidence: RetrainingEvidence, gates: Gates, *, now: pd.Timestamp, occasion: RetrainingTrigger = DRIFT
) -> RetrainingDecision:
    """Decide whether the champion is to be retrained.

    Parameters
    ----------
    evidence : RetrainingEvidence
        The rates' verdict and what it rests on.
    gates : Gates
        What must hold besides.
    now : pd.Timestamp
        The moment of deciding, for the cooldown.
    occasion : {"drift", "calendar"}
        Whether the rates are to give the occasion, or the calendar has given it.

    Returns
    -------
    RetrainingDecision
        "retrain" iff there is an occasion and every gate is open; "ask" if the only gate that is shut is that
        challengers were rejected. Where the rates give no occasion, or a person is to be asked, a refresh that is due
        goes ahead, for it brings what the rejected ones did not have.
    """
    urgent = occasion == DRIFT and evidence.drift.drifted
    held = tuple(_held_back(evidence, gates, now))
    shut = [gate.gate for gate in held]
    if occasion == DRIFT and (not urgent or shut == ["rejections"]):
        refresh = _refreshed(evidence, gates, now, urgent=urgent)
        if refresh is not None:
            return refresh
    if occasion == DRIFT and not urgent:
        return RetrainingDecision(HOLD, evidence.drift.reasons, held)
    said = evidence.drift.reasons if urgent else ("The calendar asks for a retraining.",)
    reasons = (*said, *(f"Held back: {gate.reason}" for gate in held))
    if not held:
        return RetrainingDecision(RETRAIN, reasons, occasion=occasion, urgent=urgent)
    return RetrainingDecision(ASK if shut == ["rejections"] else HOLD, reasons, held, occasion, urgent)


def _refreshed(
    evidence: RetrainingEvidence, gates: Gates, now: pd.Timestamp, *, urgent: bool
) -> RetrainingDecision | None:
    """Answer whether a refresh goes ahead, or is held back; None while none is due."""
    wait = max(gates.cooldown, evidence.maturity)
    due = refresh_due(evidence.new, gates, wait=wait, now=now)
    if due is None:
        return None
    # No drift is claimed: that others were rejected is no reason against it, any training starts its cooldown,
    # and it has a budget of its own.
    tried = replace(evidence, rejected_in_a_row=0, this_year=0, last_retraining=evidence.last_training)
    held = tuple(_held_back(tried, gates, now))
    if held and urgent:
        return None
    reasons = (*evidence.drift.reasons, due, *(f"Held back: {gate.reason}" for gate in held))
    return RetrainingDecision(HOLD if held else RETRAIN, reasons, held, REFRESH, urgent)


def _held_back(evidence: RetrainingEvidence, gates: Gates, now: pd.Timestamp) -> Iterator[BlockedGate]:
    yield from (
        BlockedGate("data", doubt, "Mend the data, or wait until they are sound again.") for doubt in evidence.doubts
    )
    yield from _told(evidence, gates)
    yield from _enough(evidence, gates)
    yield from _in_time(evidence, gates, now)
    if evidence.rejected_in_a_row >= gates.rejections:
        yield BlockedGate(
            "rejections",
            f"{evidence.rejected_in_a_row} challengers in a row were not better than the champion.",
            "A person should look at it, and retrain or promote by hand.",
        )


def _enough(evidence: RetrainingEvidence, gates: Gates) -> Iterator[BlockedGate]:
    if evidence.failures < gates.min_failures:
        yield BlockedGate(
            "failures",
            f"{evidence.failures} failures have matured since the last training; {gates.min_failures} are needed to "
            "train and to compare.",
            f"{gates.min_failures - evidence.failures} more failures maturing.",
        )
    if evidence.assets < gates.min_assets:
        yield BlockedGate(
            "assets",
            f"the failures come from {evidence.assets} assets; {gates.min_assets} are needed, lest one machine decide.",
            f"Failures of {gates.min_assets - evidence.assets} more assets.",
        )


def _told(evidence: RetrainingEvidence, gates: Gates) -> Iterator[BlockedGate]:
    # A failure that was prevented and never reported is missing among those announced: misses look more frequent.
    if evidence.unreported_share > gates.max_unreported_share:
        yield BlockedGate(
            "findings",
            f"{evidence.unreported_share:.0%} of the alarm episodes ended in work whose finding nobody reported, more "
            f"than {gates.max_unreported_share:.0%}, so prevented failures cannot be counted.",
            "Findings reported for the work that alarms prompted.",
        )


def _in_time(evidence: RetrainingEvidence, gates: Gates, now: pd.Timestamp) -> Iterator[BlockedGate]:
    if evidence.under_way:
        yield BlockedGate("lease", "a retraining is under way.", "Its end.")
    cooldown = max(gates.cooldown, evidence.maturity)
    if evidence.last_retraining is not None and now < evidence.last_retraining + cooldown:
        until = evidence.last_retraining + cooldown
        yield BlockedGate(
            "cooldown",
            f"the last retraining was on {evidence.last_retraining:%Y-%m-%d %H:%M}; the cooldown lasts until "
            f"{until:%Y-%m-%d %H:%M}.",
            f"{until:%Y-%m-%d %H:%M}.",
        )
    if evidence.used_until is not None and evidence.start < evidence.used_until:
        yield BlockedGate(
            "used",
            f"evidence up to {evidence.used_until:%Y-%m-%d %H:%M} has led to a retraining already and may not lead to "
            "another.",
            "Evidence after that.",
        )
    if evidence.this_year >= gates.yearly_budget:
        yield BlockedGate(
            "budget",
            f"there were {evidence.this_year} retrainings within a year; {gates.yearly_budget} are allowed.",
            "A larger budget, or time.",
        )
