"""The retraining policy: evidence in, a decision with its reasons out. It reads no clock, store or registry."""

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


def gates_for(target: str, gates: Gates) -> Gates:
    """Return the gates for a model of a target: a detector of anomalies learns from no failures, and waits for none."""
    return replace(gates, min_failures=0, min_assets=0) if target == "anomaly" else gates


@dataclass(frozen=True)
class RetrainingEvidence:
    """What the decision rests on."""

    drift: Drift  # the drift test's verdict on the rates
    failures: int  # matured since the last training
    assets: int  # that had one of these failures
    start: pd.Timestamp  # the period (start, end] they were counted over
    end: pd.Timestamp
    maturity: pd.Timedelta  # from a decision to its outcome
    unreported_share: float = 0.0  # of matured alarm episodes, those that ended in work whose finding nobody reported
    doubts: tuple[str, ...] = ()  # what is wrong with the data, a sentence each; while there is any, no model is blamed
    used_until: pd.Timestamp | None = None  # end of the evidence that led to the last retraining
    last_retraining: pd.Timestamp | None = None  # a refresh that was rejected changed nothing and does not count
    this_year: int = 0  # retrainings in the year up to now, without refreshes, which have a budget of their own
    rejected_in_a_row: int = 0  # since the last promotion, without refreshes and rejections too long ago to count
    under_way: bool = False  # whether a retraining is running
    since_training: SinceTraining = field(default_factory=SinceTraining)
    last_training: pd.Timestamp | None = None  # when a challenger was last trained, rejected refreshes included
    postponed_until: pd.Timestamp | None = None  # a comparison waits until then for its power; answers to drift do not


@dataclass(frozen=True)
class BlockedGate:
    """A gate that holds a retraining back, with a sentence on why and one on what would open it."""

    gate: str
    reason: str
    change: str


@dataclass(frozen=True)
class RetrainingDecision:
    """What the policy decided."""

    decision: str  # "retrain", "hold", or "ask" for a person
    reasons: tuple[str, ...]  # sentences: the evidence, and each gate that holds the retraining back
    blocked_gates: tuple[BlockedGate, ...] = ()  # whether there is drift or not
    trigger: RetrainingTrigger = DRIFT  # of the retraining, if there is one
    # The champion has drifted: its challenger is to learn from the newest data, and is compared on a short period, on
    # which a large difference shows soon.
    urgent: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the decision as JSON values; its keys are stored with decisions."""
        return {
            "decision": self.decision,
            "reasons": list(self.reasons),
            "held": [asdict(gate) for gate in self.blocked_gates],
            "occasion": self.trigger,
            "urgent": self.urgent,
        }


def decide(
    evidence: RetrainingEvidence, gates: Gates, *, now: pd.Timestamp, trigger: RetrainingTrigger = DRIFT
) -> RetrainingDecision:
    """Decide whether to retrain the champion: on drift, or with trigger "calendar" because the schedule says so.

    The decision is "retrain" iff there is a trigger and every gate is open, and "ask" if the only blocked gate is that
    challengers were rejected. Without drift, or where a person is to be asked, a refresh that is due goes ahead, for it
    brings data that the rejected challengers did not have.
    """
    urgent = trigger == DRIFT and evidence.drift.drifted
    if urgent:
        evidence = replace(evidence, postponed_until=None)
    blocked = tuple(_blocked_gates(evidence, gates, now))
    names = [gate.gate for gate in blocked]
    if trigger == DRIFT and (not urgent or names == ["rejections"]):
        refresh = _decide_refresh(evidence, gates, now, urgent=urgent)
        if refresh is not None:
            return refresh
    if trigger == DRIFT and not urgent:
        return RetrainingDecision(HOLD, evidence.drift.reasons, blocked)
    cause = evidence.drift.reasons if urgent else ("A retraining is due by the calendar.",)
    reasons = (*cause, *(f"Held back: {gate.reason}" for gate in blocked))
    if not blocked:
        return RetrainingDecision(RETRAIN, reasons, trigger=trigger, urgent=urgent)
    return RetrainingDecision(ASK if names == ["rejections"] else HOLD, reasons, blocked, trigger, urgent)


def _decide_refresh(
    evidence: RetrainingEvidence, gates: Gates, now: pd.Timestamp, *, urgent: bool
) -> RetrainingDecision | None:
    """Decide on a refresh that is due; None if none is due, or if it is blocked and the champion has drifted."""
    cooldown = max(gates.cooldown, evidence.maturity)
    due = refresh_due(evidence.since_training, gates, cooldown=cooldown, now=now)
    if due is None:
        return None
    # A refresh claims no drift: rejections do not count against it, its cooldown runs from any training, and it has a
    # budget of its own.
    own = replace(evidence, rejected_in_a_row=0, this_year=0, last_retraining=evidence.last_training)
    blocked = tuple(_blocked_gates(own, gates, now))
    if blocked and urgent:
        return None
    reasons = (*evidence.drift.reasons, due, *(f"Held back: {gate.reason}" for gate in blocked))
    return RetrainingDecision(HOLD if blocked else RETRAIN, reasons, blocked, REFRESH, urgent)


def _blocked_gates(evidence: RetrainingEvidence, gates: Gates, now: pd.Timestamp) -> Iterator[BlockedGate]:
    yield from (
        BlockedGate("data", doubt, "Fix the data, or wait until they are sound again.") for doubt in evidence.doubts
    )
    yield from _check_unreported_share(evidence, gates)
    yield from _check_failures(evidence, gates)
    yield from _check_timing(evidence, gates, now)
    if evidence.rejected_in_a_row >= gates.rejections:
        yield BlockedGate(
            "rejections",
            f"{evidence.rejected_in_a_row} challengers in a row were not better than the champion.",
            "A person looking into it, who retrains or promotes by hand.",
        )


def _check_failures(evidence: RetrainingEvidence, gates: Gates) -> Iterator[BlockedGate]:
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
            f"the failures come from {evidence.assets} assets; {gates.min_assets} are needed, so "
            "that no single machine decides.",
            f"Failures of {gates.min_assets - evidence.assets} more assets.",
        )


def _check_unreported_share(evidence: RetrainingEvidence, gates: Gates) -> Iterator[BlockedGate]:
    # Prevented failures that nobody reported are missing from the count, so that misses look more frequent.
    if evidence.unreported_share > gates.max_unreported_share:
        yield BlockedGate(
            "findings",
            f"{evidence.unreported_share:.0%} of the alarm episodes ended in work whose finding nobody reported, more "
            f"than {gates.max_unreported_share:.0%}, so prevented failures cannot be counted.",
            "Findings reported for the work that alarms prompted.",
        )


def _check_timing(evidence: RetrainingEvidence, gates: Gates, now: pd.Timestamp) -> Iterator[BlockedGate]:
    if evidence.under_way:
        yield BlockedGate("lease", "a retraining is under way.", "The end of that retraining.")
    cooldown = max(gates.cooldown, evidence.maturity)
    if evidence.last_retraining is not None and now < evidence.last_retraining + cooldown:
        until = evidence.last_retraining + cooldown
        yield BlockedGate(
            "cooldown",
            f"the last retraining was on {evidence.last_retraining:%Y-%m-%d %H:%M}; the cooldown lasts until "
            f"{until:%Y-%m-%d %H:%M}.",
            f"{until:%Y-%m-%d %H:%M}.",
        )
    if evidence.postponed_until is not None and now < evidence.postponed_until:
        until = evidence.postponed_until
        yield BlockedGate(
            "power",
            f"a comparison would hardly find a challenger that is better: until {until:%Y-%m-%d} its power grows.",
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
