"""Whether to retrain: evidence in, a decision with its reasons out. It reads no clock, store or registry."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from models.drift import Drift

RETRAIN = "retrain"
HOLD = "hold"
ASK = "ask"

Occasion = Literal["drift", "calendar"]


@dataclass(frozen=True)
class Gates:
    """What must hold besides the occasion before a champion is retrained.

    Parameters
    ----------
    cooldown : pd.Timedelta
        The shortest time between two retrainings; never shorter than outcomes take to mature.
    min_failures : int
        Failures (caught, prevented or missed) that must have matured since the last training.
    min_assets : int
        Assets that these failures must come from.
    yearly_budget : int
        Retrainings in a year at most.
    most_untold : float
        The largest share of matured alarm episodes that may have ended in work whose finding nobody reported.
    rejections : int
        After so many challengers rejected in a row a person is asked.
    """

    cooldown: pd.Timedelta
    min_failures: int
    min_assets: int = 3
    yearly_budget: int = 12
    most_untold: float = 0.15
    rejections: int = 2


@dataclass(frozen=True)
class Evidence:
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
    untold : float
        Share of matured alarm episodes that ended in work whose finding nobody reported.
    doubts : tuple of str
        What is wrong with the data, a sentence each; while there is any, no model is blamed.
    used_until : pd.Timestamp or None
        End of the evidence that led to the last retraining, if there was one.
    last_retraining : pd.Timestamp or None
        When that was.
    this_year : int
        Retrainings in the year up to now.
    rejected_in_a_row : int
        Challengers rejected since the last promotion.
    under_way : bool
        Whether a retraining is going on.
    """

    drift: Drift
    failures: int
    assets: int
    start: pd.Timestamp
    end: pd.Timestamp
    maturity: pd.Timedelta
    untold: float = 0.0
    doubts: tuple[str, ...] = ()
    used_until: pd.Timestamp | None = None
    last_retraining: pd.Timestamp | None = None
    this_year: int = 0
    rejected_in_a_row: int = 0
    under_way: bool = False


@dataclass(frozen=True)
class Held:
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
class Verdict:
    """What the policy says.

    Parameters
    ----------
    decision : str
        "retrain", "hold", or "ask" for a person.
    reasons : tuple of str
        Plain sentences: what was seen, and each gate that held it back.
    held : tuple of Held
        The gates that are shut, were there drift or not.
    """

    decision: str
    reasons: tuple[str, ...]
    held: tuple[Held, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the decision as plain values."""
        return {
            "decision": self.decision,
            "reasons": list(self.reasons),
            "held": [asdict(gate) for gate in self.held],
        }


def decide(evidence: Evidence, gates: Gates, *, now: pd.Timestamp, occasion: Occasion = "drift") -> Verdict:
    """Decide whether the champion is to be retrained.

    Parameters
    ----------
    evidence : Evidence
        The rates' verdict and what it rests on.
    gates : Gates
        What must hold besides.
    now : pd.Timestamp
        The moment of deciding, for the cooldown.
    occasion : {"drift", "calendar"}
        Whether the rates are to give the occasion, or the calendar has given it.

    Returns
    -------
    Verdict
        "retrain" iff there is an occasion and every gate is open; "ask" if the only gate that is shut is that
        challengers were rejected.
    """
    held = tuple(_held_back(evidence, gates, now))
    if occasion == "drift" and not evidence.drift.drifted:
        return Verdict(HOLD, evidence.drift.reasons, held)
    said = evidence.drift.reasons if occasion == "drift" else ("The calendar asks for a retraining.",)
    reasons = (*said, *(f"Held back: {gate.reason}" for gate in held))
    if not held:
        return Verdict(RETRAIN, reasons)
    return Verdict(ASK if [gate.gate for gate in held] == ["rejections"] else HOLD, reasons, held)


def _held_back(evidence: Evidence, gates: Gates, now: pd.Timestamp) -> Iterator[Held]:
    yield from (Held("data", doubt, "Mend the data, or wait until they are sound again.") for doubt in evidence.doubts)
    yield from _told(evidence, gates)
    yield from _enough(evidence, gates)
    yield from _in_time(evidence, gates, now)
    if evidence.rejected_in_a_row >= gates.rejections:
        yield Held(
            "rejections",
            f"{evidence.rejected_in_a_row} challengers in a row were not better than the champion.",
            "A person should look at it, and retrain or promote by hand.",
        )


def _enough(evidence: Evidence, gates: Gates) -> Iterator[Held]:
    if evidence.failures < gates.min_failures:
        yield Held(
            "failures",
            f"{evidence.failures} failures have matured since the last training; {gates.min_failures} are needed to "
            "train and to compare.",
            f"{gates.min_failures - evidence.failures} more failures maturing.",
        )
    if evidence.assets < gates.min_assets:
        yield Held(
            "assets",
            f"the failures come from {evidence.assets} assets; {gates.min_assets} are needed, lest one machine decide.",
            f"Failures of {gates.min_assets - evidence.assets} more assets.",
        )


def _told(evidence: Evidence, gates: Gates) -> Iterator[Held]:
    # A failure that was prevented and never reported is missing among those announced: misses look more frequent.
    if evidence.untold > gates.most_untold:
        yield Held(
            "findings",
            f"{evidence.untold:.0%} of the alarm episodes ended in work whose finding nobody reported, more than "
            f"{gates.most_untold:.0%}: what was prevented cannot be told.",
            "Findings reported for the work that alarms prompted.",
        )


def _in_time(evidence: Evidence, gates: Gates, now: pd.Timestamp) -> Iterator[Held]:
    if evidence.under_way:
        yield Held("lease", "a retraining is under way.", "Its end.")
    cooldown = max(gates.cooldown, evidence.maturity)
    if evidence.last_retraining is not None and now < evidence.last_retraining + cooldown:
        until = evidence.last_retraining + cooldown
        yield Held(
            "cooldown",
            f"the last retraining was on {evidence.last_retraining:%Y-%m-%d %H:%M}; the cooldown lasts until "
            f"{until:%Y-%m-%d %H:%M}.",
            f"{until:%Y-%m-%d %H:%M}.",
        )
    if evidence.used_until is not None and evidence.start < evidence.used_until:
        yield Held(
            "used",
            f"evidence up to {evidence.used_until:%Y-%m-%d %H:%M} has led to a retraining already and may not lead to "
            "another.",
            "Evidence after that.",
        )
    if evidence.this_year >= gates.yearly_budget:
        yield Held(
            "budget",
            f"there were {evidence.this_year} retrainings within a year; {gates.yearly_budget} are allowed.",
            "A larger budget, or time.",
        )
