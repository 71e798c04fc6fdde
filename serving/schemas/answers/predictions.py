"""Answers of `POST /predict`."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypeAliasType, TypedDict  # pydantic reads those of `typing` only from Python 3.12 on

from models.artifact import reasons
from serving.schemas.answers.times import Time

_PAST_TIME = ["2015-03-05T06:00:00Z"]
Target = TypeAliasType("Target", Literal["failure", "remaining_life", "condition", "anomaly"])
Status = TypeAliasType("Status", Literal["ok", "stale", "abstained", "failed", "retired"])
ReasonCode = TypeAliasType("ReasonCode", reasons.ReasonCode)
BaselineKind = TypeAliasType("BaselineKind", Literal["type", "own"])
Side = TypeAliasType("Side", Literal["above", "below"])


class HorizonAnswer(TypedDict):
    """The probability of a failure within one horizon."""

    hours: Annotated[float, Field(description="Length of the horizon, counted from the end of the lead time.")]
    probability: Annotated[float, Field(ge=0, le=1)]


class ModeAnswer(TypedDict):
    """The probability of a failure by one mode."""

    mode: Annotated[
        str, Field(description="As failures name it; other for all that too few are known of.", examples=["bearing"])
    ]
    probability: Annotated[float, Field(ge=0, le=1)]


class DriverAnswer(TypedDict):
    """The contribution of one channel to a prediction."""

    channel: Annotated[str, Field(description="A channel of the telemetry, or events, work_orders, failures or asset.")]
    share: Annotated[
        float, Field(description="Its share of all contributions that move the prediction off the usual.", ge=0, le=1)
    ]
    raises: Annotated[bool, Field(description="Whether it raises the risk; otherwise it lowers it.")]
    words: Annotated[str, Field(description="What was observed, and what is usual.")]


class IntervalAnswer(TypedDict):
    """An interval around a predicted number."""

    low: float
    high: float
    level: Annotated[float, Field(description="How often such intervals hold the true number, by asset.", gt=0, lt=1)]


class ConditionAnswer(TypedDict):
    """The measured condition that a model is about."""

    channel: Annotated[str, Field(description="The channel that measures it.", examples=["wear"])]
    value: Annotated[float | None, Field(description="Predicted; null where the crossing is predicted, or nothing.")]
    interval: NotRequired[
        Annotated[IntervalAnswer | None, Field(description="Around the value, in its unit; null without one.")]
    ]
    unit: Annotated[str | None, Field(examples=["um"])]
    at: Annotated[Time | None, Field(description="The time that the value is predicted for.", examples=_PAST_TIME)]
    threshold: Annotated[float | None, Field(description="Crossing it is the failure that is predicted.")]
    direction: Annotated[Side | None, Field(description="Beyond which side it is bad.")]
    is_feature: Annotated[bool, Field(description="Whether the model uses its own past readings.")]


class CyclesAnswer(TypedDict):
    """Figures in cycles, for assets whose contract counts those in place of times."""

    as_of: Annotated[float | None, Field(description="The number of the cycle of the cut-off.")]
    last_reading: Annotated[float | None, Field(description="That of the latest reading used.")]
    feature_age: Annotated[float | None, Field(description="Cycles from the latest reading used to the cut-off.")]
    valid_until: Annotated[float | None, Field(description="Ask again from this cycle on.")]
    horizon: float | None
    lead: float
    remaining_life: Annotated[float | None, Field(description="Cycles until the next failure.")]
    remaining_life_interval: Annotated[IntervalAnswer | None, Field(description="Around it, in cycles.")]


class ProvenanceAnswer(TypedDict):
    """Where the values in a window come from, if not all from sensors."""

    overridden: Annotated[float, Field(description="The share of values that a person has overridden.", ge=0, le=1)]
    simulated: Annotated[float, Field(description="The share of values that were simulated.", ge=0, le=1)]


class PredictionAnswer(TypedDict):
    """The model's prediction for one asset at one cut-off."""

    prediction_id: Annotated[str, Field(description="Unique; the prediction is stored under this id.")]
    asset: str
    status: Annotated[
        Status,
        Field(
            description="stale: the telemetry is too old. abstained: no prediction, no number. failed, retired: the "
            "asset does not run, no prediction, no number."
        ),
    ]
    reason: Annotated[str | None, Field(description="Why the status is not ok, in words.")]
    reason_code: Annotated[ReasonCode | None, Field(description="The same for programs.")]
    as_of: Annotated[Time | None, Field(description="The cut-off: nothing known later was used.", examples=_PAST_TIME)]
    last_reading_at: Annotated[Time | None, Field(description="Time of the latest reading used.", examples=_PAST_TIME)]
    feature_age_seconds: Annotated[
        float | None,
        Field(description="From the latest reading used to the as_of of the request, or to now if it had none."),
    ]
    valid_until: Annotated[
        Time | None, Field(description="Ask again from this time on.", examples=["2015-03-05T12:00:00Z"])
    ]
    probability: Annotated[float | None, Field(description="Of a failure within horizon_hours.", ge=0, le=1)]
    horizons: Annotated[
        list[HorizonAnswer],
        Field(description="Probability of a failure within each horizon; never falls with its length."),
    ]
    modes: NotRequired[
        Annotated[
            list[ModeAnswer],
            Field(
                description="Given where the model tells failure modes apart: the probability of a failure within "
                "horizon_hours by each, the most probable first. They add up to probability."
            ),
        ]
    ]
    horizon_hours: Annotated[
        float | None,
        Field(description="The horizon that alerts are decided by, counted from the end of the lead time."),
    ]
    lead_hours: Annotated[float, Field(description="The shortest useful warning.")]
    remaining_life_hours: Annotated[
        float | None, Field(description="Until the next failure, if the model predicts remaining life.")
    ]
    remaining_life_interval: Annotated[
        IntervalAnswer | None,
        Field(
            description="Around remaining_life_hours, in hours. One that ends at the longest life that the model can "
            "predict means that or more. Null if the model has no intervals."
        ),
    ]
    threshold: Annotated[float | None, Field(description="The threshold of an alert.")]
    alert: Annotated[
        bool | None,
        Field(description="Whether to act: act on true alone. Null without a prediction; false if held_back is true."),
    ]
    held_back: NotRequired[
        Annotated[
            bool,
            Field(
                description="Given for alerts where some are held back at random: true for one that nobody is to act "
                "on, so that the effect of acting on the others can be measured."
            ),
        ]
    ]
    drivers: Annotated[list[DriverAnswer], Field(description="What drives the prediction, largest share first.")]
    target: Annotated[
        Target,
        Field(
            description="What the model that answers predicts, and so what alert means: a failure within the horizon, "
            "or, with anomaly, that the telemetry is unusual, which is no probability of a failure."
        ),
    ]
    baseline: NotRequired[
        Annotated[
            BaselineKind,
            Field(
                description="Given where the model detects anomalies: whether the asset is measured by what is usual "
                "for its type, or, once it has run long enough, for itself."
            ),
        ]
    ]
    model_name: str
    model_version: int
    model_digest: Annotated[str, Field(description="Models of equal digest predict the same.")]
    clock: NotRequired[
        Annotated[Literal["cycle"], Field(description="Given where times count cycles, and hours their length.")]
    ]
    cycles: NotRequired[CyclesAnswer]
    anomaly_score: NotRequired[
        Annotated[
            float | None,
            Field(
                ge=0,
                le=1,
                description="Given where the model detects anomalies: 0.1 is usual, one in a hundred healthy samples "
                "is above 0.5. It alerts from threshold on.",
            ),
        ]
    ]
    condition: NotRequired[
        Annotated[ConditionAnswer, Field(description="Given where the model is about a measured condition.")]
    ]
    provenance: NotRequired[
        Annotated[ProvenanceAnswer, Field(description="Given where a value in the window was overridden or simulated.")]
    ]


class PredictAnswer(TypedDict):
    """One prediction for each asset, in the order of the request; all are stored."""

    predictions: list[PredictionAnswer]
