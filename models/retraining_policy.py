"""Whether to retrain: evidence in, a decision with its reasons out. It reads no clock, store or registry."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from models.drift import Drift

RETRAIN = "retrain"
HOLD = "hold"


@dataclass(frozen=True)
class Gates:
    """What must hold before drift leads to a retraining.

    Parameters
    ----------
    cooldown : pd.Timedelta
        The shortest time between two retrainings.
    min_failures : int
        Matured failures (caught, prevented or missed) that the evidence must rest on.
    """

    cooldown: pd.Timedelta
    min_failures: int


@dataclass(frozen=True)
class Evidence:
    """What the decision rests on.

    Parameters
    ----------
    drift : Drift
        The verdict on the rates.
    failures : int
        Matured failures it was counted from.
    start, end : pd.Timestamp
        The period (start, end] it was counted over.
    used_until : pd.Timestamp or None
        End of the evidence that led to the last retraining, if there was one.
    last_retraining : pd.Timestamp or None
        When that was.
    """

    drift: Drift
    failures: int
    start: pd.Timestamp
    end: pd.Timestamp
    used_until: pd.Timestamp | None = None
    last_retraining: pd.Timestamp | None = None


@dataclass(frozen=True)
class Verdict:
    """What the policy says.

    Parameters
    ----------
    decision : str
        "retrain" or "hold".
    reasons : tuple of str
        Plain sentences: what was seen, and each gate that held it back.
    """

    decision: str
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the decision as plain values."""
        return asdict(self) | {"reasons": list(self.reasons)}


def decide(evidence: Evidence, gates: Gates, *, now: pd.Timestamp) -> Verdict:
    """Decide whether the champion is to be retrained.

    Parameters
    ----------
    evidence : Evidence
        The rates' verdict and what it rests on.
    gates : Gates
        What must hold besides drift.
    now : pd.Timestamp
        The moment of deciding, for the cooldown.

    Returns
    -------
    Verdict
        "retrain" iff the rates have drifted and every gate is open.
    """
    if not evidence.drift.drifted:
        return Verdict(HOLD, evidence.drift.reasons)
    held = _held_back(evidence, gates, now)
    return Verdict(HOLD if held else RETRAIN, (*evidence.drift.reasons, *held))


def _held_back(evidence: Evidence, gates: Gates, now: pd.Timestamp) -> tuple[str, ...]:
    reasons = []
    if evidence.failures < gates.min_failures:
        reasons.append(
            f"Held back: {evidence.failures} failures have matured in the period; {gates.min_failures} are needed to "
            "train and to compare."
        )
    if evidence.last_retraining is not None and now < evidence.last_retraining + gates.cooldown:
        until = evidence.last_retraining + gates.cooldown
        reasons.append(
            f"Held back: the last retraining was on {evidence.last_retraining:%Y-%m-%d %H:%M}; the cooldown lasts "
            f"until {until:%Y-%m-%d %H:%M}."
        )
    if evidence.used_until is not None and evidence.start < evidence.used_until:
        reasons.append(
            f"Held back: evidence up to {evidence.used_until:%Y-%m-%d %H:%M} has led to a retraining already and may "
            "not lead to another."
        )
    return tuple(reasons)
