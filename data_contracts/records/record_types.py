"""What the records hold: one frozen value a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Prediction:
    """What a model said of one asset at one cut-off.

    Parameters
    ----------
    prediction_id
        Tells this prediction from every other.
    asset
        The asset.
    as_of
        The cut-off.
    made_at
        When it was made.
    horizon_s, lead_s
        How far ahead it looks and the shortest warning that is of use, in seconds.
    probability
        The probability of a failure within the horizon; None if the model foretells remaining life.
    remaining_life_h
        Hours until the next failure; None if the model foretells failures.
    threshold
        From where on it is an alert; None if the model has no threshold.
    alert
        Whether it is an alert.
    model_name, model_version
        The registered model.
    origin
        ``"endpoint"`` or ``"batch"``.
    """

    prediction_id: str
    asset: str
    as_of: pd.Timestamp
    made_at: pd.Timestamp
    horizon_s: float
    lead_s: float
    probability: float | None
    remaining_life_h: float | None
    threshold: float | None
    alert: bool
    model_name: str
    model_version: int
    origin: str


@dataclass(frozen=True)
class Promotion:
    """A row of the ledger: which version took over from which, and why.

    Parameters
    ----------
    at
        When it happened.
    model_name
        The registered model.
    from_version, to_version
        The versions; from None if there was no champion.
    actor
        Who did it: a person or a flow.
    reason
        Why, in words.
    evidence
        The figures behind it, as JSON values.
    data_versions
        The tables' versions it was judged on.
    """

    at: pd.Timestamp
    model_name: str
    from_version: int | None
    to_version: int
    actor: str
    reason: str
    evidence: Mapping[str, Any]
    data_versions: Mapping[str, int]


@dataclass(frozen=True)
class Decision:
    """What was decided about retraining, and why.

    Parameters
    ----------
    at
        When it was decided.
    model_name, model_version
        The model in question; no version if there is no champion.
    decision
        The decision, such as ``"retrain"`` or ``"hold"``.
    reasons
        Why, in words.
    evidence
        The figures behind it, as JSON values.
    """

    at: pd.Timestamp
    model_name: str
    model_version: int | None
    decision: str
    reasons: Sequence[str]
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class MonitorRun:
    """The error rates that one run of the monitor found.

    Parameters
    ----------
    at
        The time it looked at them from.
    model_name, model_version
        The model it judged.
    rates
        The rates with their counts and intervals, as JSON values.
    """

    at: pd.Timestamp
    model_name: str
    model_version: int
    rates: Mapping[str, Any]


@dataclass(frozen=True)
class OutcomeRow:
    """What was believed of one alarm episode or failure from a moment on.

    Parameters
    ----------
    unit
        ``"episode"`` or ``"failure"``.
    asset
        The asset.
    at
        When the episode was opened, or the failure happened.
    state
        What it is, such as ``"tp"`` or ``"missed"``; ``"pending"`` until it has matured, ``"withdrawn"`` once a
        correction says that there was no such thing.
    matured_at
        From when on it counts.
    evidence
        What decided it, such as ``"failure:f1"`` or ``"work_order:w1"``.
    """

    unit: str
    asset: str
    at: pd.Timestamp
    state: str
    matured_at: pd.Timestamp
    evidence: Sequence[str]


@dataclass(frozen=True)
class Audit:
    """A silent asset that was drawn for inspection.

    Parameters
    ----------
    model_name, model_version
        The model that said nothing of it.
    asset
        The asset.
    drawn_at
        When it was drawn.
    stratum
        The part of the fleet it was drawn from.
    silent
        Silent assets in that part.
    probability
        Of an asset of that part to be drawn.
    """

    model_name: str
    model_version: int
    asset: str
    drawn_at: pd.Timestamp
    stratum: str
    silent: int
    probability: float
