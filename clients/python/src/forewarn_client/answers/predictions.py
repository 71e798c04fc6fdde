"""Predictions, and why they were made.

Generated from the OpenAPI document by `make reference`.
"""

from typing import Literal, NotRequired, TypeAlias, TypedDict

Status: TypeAlias = Literal["ok", "stale", "abstained", "failed", "retired"]


ReasonCode: TypeAlias = Literal[
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


class HorizonAnswer(TypedDict):
    """The probability of a failure within one horizon."""

    hours: float
    """Length of the horizon, counted from the end of the lead time."""
    probability: float


class ModeAnswer(TypedDict):
    """The probability of a failure by one mode."""

    mode: str
    """As failures name it; other for all that too few are known of."""
    probability: float


class IntervalAnswer(TypedDict):
    """An interval around a predicted number."""

    low: float
    high: float
    level: float
    """How often such intervals hold the true number, by asset."""


class DriverAnswer(TypedDict):
    """The contribution of one channel to a prediction."""

    channel: str
    """A channel of the telemetry, or events, work_orders, failures or asset."""
    share: float
    """Its share of all contributions that move the prediction off the usual."""
    raises: bool
    """Whether it raises the risk; otherwise it lowers it."""
    words: str
    """What was observed, and what is usual."""


Target: TypeAlias = Literal["failure", "remaining_life", "condition", "anomaly"]


BaselineKind: TypeAlias = Literal["type", "own"]


class CyclesAnswer(TypedDict):
    """Figures in cycles, for assets whose contract counts those in place of times."""

    as_of: float | None
    """The number of the cycle of the cut-off."""
    last_reading: float | None
    """That of the latest reading used."""
    feature_age: float | None
    """Cycles from the latest reading used to the cut-off."""
    valid_until: float | None
    """Ask again from this cycle on."""
    horizon: float | None
    lead: float
    remaining_life: float | None
    """Cycles until the next failure."""
    remaining_life_interval: IntervalAnswer | None
    """Around it, in cycles."""


Side: TypeAlias = Literal["above", "below"]


class ConditionAnswer(TypedDict):
    """The measured condition that a model is about."""

    channel: str
    """The channel that measures it."""
    value: float | None
    """Predicted; null where the crossing is predicted, or nothing."""
    interval: NotRequired[IntervalAnswer | None]
    """Around the value, in its unit; null without one."""
    unit: str | None
    at: str | None
    """The time that the value is predicted for."""
    threshold: float | None
    """Crossing it is the failure that is predicted."""
    direction: Side | None
    """Beyond which side it is bad."""
    is_feature: bool
    """Whether the model uses its own past readings."""


class ProvenanceAnswer(TypedDict):
    """Where the values in a window come from, if not all from sensors."""

    overridden: float
    """The share of values that a person has overridden."""
    simulated: float
    """The share of values that were simulated."""


class PredictionAnswer(TypedDict):
    """The model's prediction for one asset at one cut-off."""

    prediction_id: str
    """Unique; the prediction is stored under this id."""
    asset: str
    status: Status
    """stale: the telemetry is too old. abstained: no prediction, no number. failed, retired: the asset does not
    run, no prediction, no number.
    """
    reason: str | None
    """Why the status is not ok, in words."""
    reason_code: ReasonCode | None
    """The same for programs."""
    as_of: str | None
    """The cut-off: nothing known later was used."""
    last_reading_at: str | None
    """Time of the latest reading used."""
    feature_age_seconds: float | None
    """From the latest reading used to the as_of of the request, or to now if it had none."""
    valid_until: str | None
    """Ask again from this time on."""
    probability: float | None
    """Of a failure within horizon_hours."""
    horizons: list[HorizonAnswer]
    """Probability of a failure within each horizon; never falls with its length."""
    modes: NotRequired[list[ModeAnswer]]
    """Given where the model tells failure modes apart: the probability of a failure within horizon_hours by each,
    the most probable first. They add up to probability.
    """
    horizon_hours: float | None
    """The horizon that alerts are decided by, counted from the end of the lead time."""
    lead_hours: float
    """The shortest useful warning."""
    remaining_life_hours: float | None
    """Until the next failure, if the model predicts remaining life."""
    remaining_life_interval: IntervalAnswer | None
    """Around remaining_life_hours, in hours. One that ends at the longest life that the model can predict means
    that or more. Null if the model has no intervals.
    """
    threshold: float | None
    """The threshold of an alert."""
    alert: bool | None
    """Whether to act: act on true alone. Null without a prediction; false if held_back is true."""
    held_back: NotRequired[bool]
    """Given for alerts where some are held back at random: true for one that nobody is to act on, so that the
    effect of acting on the others can be measured.
    """
    drivers: list[DriverAnswer]
    """What drives the prediction, largest share first."""
    target: Target
    """What the model that answers predicts, and so what alert means: a failure within the horizon, or, with
    anomaly, that the telemetry is unusual, which is no probability of a failure.
    """
    baseline: NotRequired[BaselineKind]
    """Given where the model detects anomalies: whether the asset is measured by what is usual for its type, or,
    once it has run long enough, for itself.
    """
    model_name: str
    model_version: int
    model_digest: str
    """Models of equal digest predict the same."""
    clock: NotRequired[Literal["cycle"]]
    """Given where times count cycles, and hours their length."""
    cycles: NotRequired[CyclesAnswer]
    anomaly_score: NotRequired[float | None]
    """Given where the model detects anomalies: 0.1 is usual, one in a hundred healthy samples is above 0.5. It
    alerts from threshold on.
    """
    condition: NotRequired[ConditionAnswer]
    """Given where the model is about a measured condition."""
    provenance: NotRequired[ProvenanceAnswer]
    """Given where a value in the window was overridden or simulated."""


class PredictAnswer(TypedDict):
    """One prediction for each asset, in the order of the request; all are stored."""

    predictions: list[PredictionAnswer]


class WhyAnswer(TypedDict):
    """What was predicted under an id, from which data, and what the outcome was."""

    prediction_id: str
    asset: str
    status: Status
    reason: str | None
    reason_code: ReasonCode | None
    """As answered; null if none was."""
    as_of: str | None
    """The cut-off: telemetry known by then was used."""
    made_at: str
    model_name: str
    model_version: int
    model_digest: str | None
    """Null if unknown: neither stored nor served now."""
    horizon_hours: float | None
    lead_hours: float | None
    probability: float | None
    horizons: list[HorizonAnswer]
    """As answered; empty if none were."""
    remaining_life_hours: float | None
    remaining_life_interval: IntervalAnswer | None
    """As answered; null if none was."""
    threshold: float | None
    alert: bool | None
    """Whether to act, as answered; null without a prediction."""
    held_back: NotRequired[bool]
    """As answered: an alarm held back at random."""
    drivers: list[DriverAnswer]
    """As answered; empty if none were."""
    outcome: str
    """Such as tp or fp for an alert; not_known_yet until it is known."""
    evidence: list[str]
    sentences: list[str]
    """The same in plain sentences."""
